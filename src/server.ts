import { X509Certificate } from 'node:crypto'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { accessFacts } from './access/facts.ts'
import { accessMigrations, accessView, passkeyView, passwordMigrations, sessionView } from './access/index.ts'
import { isLoopback } from './api/host.ts'
import { createApi } from './api/index.ts'
import { listen } from './api/listen.ts'
import { certificateFor, refusePlainOutside, type TlsChoice } from './api/tls.ts'
import { createWeb } from './api/web.ts'
import { buildFacts } from './build/facts.ts'
import { parseIsolation, parseJobLimits } from './build/index.ts'
import { resultsMigrations, resultsView } from './build/results/views.ts'
import { runnersView } from './build/runners/views.ts'
import { buildView } from './build/views.ts'
import { type Clock, type Ids, systemClock, systemIds } from './clock.ts'
import { changesView } from './code/changes/view.ts'
import { codeFacts } from './code/facts.ts'
import { codeView } from './code/views.ts'
import { deployFacts } from './deploy/facts.ts'
import { firstEnvironments } from './deploy/index.ts'
import { previewView } from './deploy/previews/index.ts'
import { deployView } from './deploy/views.ts'
import type { EdgeSettings } from './edge/settings.ts'
import { effectSync } from './effect.ts'
import { eventsFacts, eventsMigrations, eventsView } from './events/index.ts'
import { type Home, prepareHome } from './home.ts'
import { lazily } from './lazily.ts'
import { learnFacts } from './learn/facts.ts'
import { learnMigrations } from './learn/survey/tables.ts'
import { doraView } from './learn/views.ts'
import { fact } from './ledger/fact.ts'
import { ledgerFacts, serverStarted } from './ledger/facts.ts'
import type { View } from './ledger/ledger.ts'
import { ledgerMigrations } from './ledger/migrations.ts'
import { openLedger } from './ledger/open.ts'
import { openViews } from './ledger/views.ts'
import { type ServerNote, takeLock } from './lock.ts'
import { openLog } from './log.ts'
import { monitorFacts } from './monitor/facts.ts'
import { monitorMigrations } from './monitor/index.ts'
import { operateFacts } from './operate/facts.ts'
import { operateMigrations } from './operate/index.ts'
import { operateView } from './operate/views.ts'
import { packageFacts } from './package/facts.ts'
import { packageView } from './package/views.ts'
import { writeDurably } from './processes/files.ts'
import { collectAfterStart } from './processes/memory.ts'
import { releaseMigrations } from './release/index.ts'
import { promotionFacts } from './release/promotion/facts.ts'
import { promotionView } from './release/promotion/view.ts'
import { routesOf } from './routes.ts'
import { connectProcessRuntime } from './runtimes/process/index.ts'
import { createStages, type Grounds, type Stages } from './stages.ts'
import type { Migration } from './store/migrations.ts'
import { openStore } from './store/open.ts'
import { testFacts } from './test/facts.ts'
import { testView } from './test/index.ts'
import { version } from './version.ts'

export type ServerOptions = {
  readonly home: Home
  /** For API and Git; 0 picks a free one. */
  readonly port: number
  /** For services; 0 picks a free one. */
  readonly edgePort: number
  /** The address to listen on; loopback unless somebody says otherwise. */
  readonly host?: string
  readonly edgeHost?: string
  /** How the edge is to be; as it was the last time, where nothing is said. */
  readonly edgeSettings?: EdgeSettings
  /** Names by which it may be called besides loopback's. */
  readonly hostNames?: readonly string[]
  readonly tls?: TlsChoice
  /** Listen on more than loopback without TLS, because something in front encrypts. */
  readonly isInsecureAllowed?: boolean
  /** The environments that a new home begins with, in order of promotion, separated by commas (`staging,production`). */
  readonly firstEnvironments?: string | undefined
  /** How the pipeline's jobs are kept apart (`bubblewrap`, `user`, `none`); the best that works where nothing is said. */
  readonly isolation?: string
  /** What one job may take, as `memory=2GiB,processes=1024`. */
  readonly jobLimits?: string
  /** Told how many facts of how many the views hold that have far to go before it is ready, as after an upgrade. */
  readonly progress?: (applied: number, total: number) => void
  readonly clock?: Clock
  readonly ids?: Ids
}

export type Server = {
  readonly url: string
  readonly edgePort: number
  /** Where services answer by TLS; null where they do not. */
  readonly edgeTlsPort: number | null
  /** SHA-256 of the certificate; null without TLS. */
  readonly fingerprint: string | null
  /** Where it says what went wrong while nobody was waiting. */
  readonly logFile: string
  /** Lets requests end (10 s), stops the stages, closes everything. Services go on under the agent. */
  stop(): Promise<void>
}

export const definitions = [
  ...ledgerFacts,
  ...accessFacts,
  ...codeFacts,
  ...buildFacts,
  ...packageFacts,
  ...deployFacts,
  ...promotionFacts,
  ...operateFacts,
  ...testFacts,
  ...monitorFacts,
  ...learnFacts,
  ...eventsFacts,
]
/** Some read, below the home, what is too large for a fact. */
export const allViews = (home: Home): readonly View[] => [
  ...[accessView, codeView, changesView, buildView, resultsView, runnersView, packageView, deployView, operateView],
  previewView,
  promotionView,
  testView(home),
  sessionView,
  passkeyView,
  doraView,
  eventsView,
]
/** In the order of the releases that brought them; new ones go to the end. */
export const migrations: readonly Migration[] = [
  ...ledgerMigrations,
  ...accessMigrations,
  ...monitorMigrations,
  ...operateMigrations,
  ...resultsMigrations,
  ...releaseMigrations,
  ...passwordMigrations,
  ...eventsMigrations,
  ...learnMigrations,
]

const patienceMs = 10_000

/** Starts the control plane on a data directory. Rejects with a Problem, having let go of everything it took. */
export const startServer = async (options: ServerOptions): Promise<Server> => {
  const { home, host = '127.0.0.1', edgeHost = '127.0.0.1', hostNames = [], tls = { kind: 'none' } } = options
  const clock = options.clock ?? systemClock
  const ids = options.ids ?? systemIds(clock)
  refusePlainOutside(host, tls, options.isInsecureAllowed === true)
  const first = { firstEnvironments: options.firstEnvironments }
  if (first.firstEnvironments) firstEnvironments(first.firstEnvironments) // refused before anything is started
  const jobs = {
    isolation: options.isolation === undefined ? null : parseIsolation(options.isolation),
    jobLimits: options.jobLimits === undefined ? null : parseJobLimits(options.jobLimits),
  }
  await using taken = new AsyncDisposableStack() // undone from the last to the first when starting fails
  prepareHome(home)
  const lock = taken.adopt(takeLock(home), (one) => one.release())
  const log = taken.adopt(openLog(home), (one) => one.close())
  const certificate = await certificateFor(
    tls,
    home,
    ['localhost', '127.0.0.1', host, ...hostNames].filter(isName),
    clock,
  )
  const port = { host, port: options.port, certificate, report: (error: unknown) => log.problem('answering', error) }
  const listener = taken.adopt(await listen(port), (one) => one.close(0))
  const url = `${certificate ? 'https' : 'http'}://${urlHost(host)}:${listener.port}`

  const connect = () => {
    const runtime = connectProcessRuntime({
      ...{ home, clock, edgeHost, edgePort: options.edgePort },
      ...(options.edgeSettings ? { edgeSettings: options.edgeSettings } : {}),
    })
    runtime.catch(() => undefined) // awaited below
    return runtime
  }
  const place = process.env.HEADWAY_STORE_URL ?? home.database
  // Nothing is started for data that this program must not touch. A new home has none: agent and edge start beside its database.
  const connectingEarly = place === home.database && !existsSync(place) ? connect() : null
  const store = taken.adopt(await openStore(place, { migrations, program: version, clock }), (one) => one.close())
  const connecting = connectingEarly ?? connect()
  const ledger = await openLedger({ store, definitions, clock })
  const progress = (applied: number, total: number): void => {
    listener.tell(`the views follow the ledger, ${applied} of ${total} facts are done`)
    options.progress?.(applied, total)
  }
  const views = taken.adopt(await openViews({ store, ledger, views: allViews(home), progress }), (one) => one.stop())
  const runtime = await connecting
  const { edge } = await runtime.health()

  const own = certificate && tls.kind === 'self-signed' ? new X509Certificate(certificate.cert).toString() : null
  const places = { serverUrl: url, certificate: own, edgePort: edge.port }
  const grounds = { home, store, ledger, views, runtime, clock, ids, log, hostNames, ...places, ...jobs, ...first }
  const stages = createStages(grounds)
  let ready = false
  const api = createApi({
    access: stages.authentication,
    sessions: stages.access.sessions,
    web: createWeb(),
    ledger,
    clock,
    version,
    routes: routesOf(stages, grounds, (actor) => backupOf(grounds, stages, actor)),
    git: stages.code.handleGit,
    annex: stages.build.results,
    isReady: () => ready,
    hostNames: isLoopback(host) ? hostNames : null,
    report: (error, request) => log.problem('answering', error, { request }),
  })
  for (const stage of stages.all) {
    await stage.start()
    taken.defer(() => stage.stop())
  }
  listener.serve(api.handle)
  await ledger.append([fact(serverStarted, { subject: 'server', actor: 'system:server', payload: { version } })])
  const note: ServerNote = { url, edgePort: edge.port, pid: process.pid }
  effectSync('server.write-note', () => writeDurably(home.server, `${JSON.stringify(note)}\n`))
  ready = true
  log.info('ready', { version, url, edgePort: edge.port, pid: process.pid })

  const held = taken.move()
  let stopping: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    ready = false
    log.info('stopping')
    effectSync('server.forget-note', () => rmSync(home.server, { force: true }))
    api.close()
    // Pushes that wait for their end are told by their stage, and nobody is told of runs any more; other requests get the time to finish.
    stages.build.hangUp()
    await Promise.all([listener.close(patienceMs), stages.code.stop()])
    await held.disposeAsync()
    lock.release()
  }
  return {
    url,
    edgePort: edge.port,
    edgeTlsPort: edge.tls?.port ?? null,
    fingerprint: certificate?.fingerprint ?? null,
    logFile: log.file,
    stop: () => {
      stopping ??= stop()
      return stopping
    },
  }
}

/**
 * `headway up`: starts, says on stdout that it is ready, and stops at SIGTERM or SIGINT; a second one does not wait. Before it is ready, which
 * may take minutes, there is nothing to be finished: it ends at once.
 */
export const up = async (options: ServerOptions, say: (line: string) => void = console.log): Promise<void> => {
  let isReady = false
  const signalled = new Promise<void>((resolve) => {
    const stop = (): void => {
      if (isReady) {
        resolve()
        return
      }
      say('Stopped before it was ready; services go on.')
      process.exit(0)
    }
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop)
  })
  const server = await startServer({ ...options, progress: rebuildProgress(options.clock ?? systemClock) })
  isReady = true
  say(`Headway is ready at ${server.url}`)
  say(`  services answer at http://<service>.localhost:${server.edgePort}/`)
  if (server.edgeTlsPort !== null)
    say(`  and at https://<their host names>:${server.edgeTlsPort}/ where there is a certificate`)
  if (server.fingerprint) say(`  certificate SHA-256 ${server.fingerprint}`)
  say('  Ctrl-C stops the control plane; services go on. headway down stops everything.')
  if (createWeb().isOutdated()) say('  The web is older than its sources here: npm run web builds it again.')
  collectAfterStart()
  await signalled
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => process.exit(1))
  await server.stop()
}

/** What takes long before the server is ready, on standard error. Loaded when there is something to tell. */
const rebuildProgress = ({ monotonicMs }: Clock): ((applied: number, total: number) => void) => {
  const telling = lazily(async () => {
    const { createProgress } = await import('./cli/progress.ts')
    return createProgress({ what: 'views follow the ledger', unit: 'facts' }, process.stderr, monotonicMs)
  })
  return (applied, total) => void telling().then((tell) => tell(applied, total))
}

/** Loaded when asked for: tar and gzip are needed for nothing else. */
const backupOf = (grounds: Grounds, { operate }: Stages, actor: string): Readable => {
  const databases = async (): Promise<string | null> => {
    const some = (await operate.queries.databases()).length > 0
    return some && process.env.HEADWAY_POSTGRES_URL === undefined
      ? join('databases', (await operate.backups.backup(actor)).backup)
      : null
  }
  return Readable.from(
    (async function* () {
      const { backup } = await import('./backup.ts')
      yield* backup({ ...grounds, program: version, databases })
    })(),
    { objectMode: false },
  )
}

const isName = (name: string): boolean => name !== '0.0.0.0' && name !== '::'
const urlHost = (host: string): string => (!isName(host) ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host)
