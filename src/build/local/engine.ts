import { randomBytes } from 'node:crypto'
import { userInfo } from 'node:os'
import { basename, join } from 'node:path'
import { createKeyring } from '../../access/seal.ts'
import { type Clock, systemClock, systemIds } from '../../clock.ts'
import { effect } from '../../effect.ts'
import type { Home } from '../../home.ts'
import { fact } from '../../ledger/fact.ts'
import { ledgerMigrations } from '../../ledger/migrations.ts'
import { openLedger } from '../../ledger/open.ts'
import { openViews } from '../../ledger/views.ts'
import { defaultProject, RepositoryName } from '../../names.ts'
import { removeTree } from '../../processes/files.ts'
import { migrate } from '../../store/migrations.ts'
import { openSqliteStore } from '../../store/sqlite.ts'
import { version } from '../../version.ts'
import { buildFacts, workflowEventRaised } from '../facts.ts'
import { readCommit } from '../git.ts'
import { createBuild, type Isolation, type JobSettings, resultsMigrations, resultsView, runnersView } from '../index.ts'
import { userOf } from '../jobs/contexts.ts'
import type { Raised } from '../origins.ts'
import type { Postgres } from '../sandbox/host-services.ts'
import { buildView } from '../views.ts'
import { chooseWorkflow } from './choice.ts'
import { happeningOf, type LocalEvent } from './event.ts'
import { followEvent } from './following.ts'
import { openTemporaryHome, removeTemporaryHome } from './home.ts'
import { type LocalResult, resultOf } from './result.ts'
import { listenForJobs } from './services.ts'
import { takeSnapshot } from './snapshot.ts'

export type { LocalEvent } from './event.ts'
export type { LocalJob, LocalResult, LocalRun } from './result.ts'

/** What is to be run of a working tree. */
export type LocalOrder = {
  readonly directory: string
  /** Only this file of `.github/workflows`, by its name or its path; null: all that the event starts. */
  readonly workflow: string | null
  /** Only this job and those that it needs; null: all. */
  readonly job?: string | null
  readonly event: LocalEvent
  readonly secrets: Readonly<Record<string, string>>
  readonly variables: Readonly<Record<string, string>>
  /** `github.actor`; whoever runs it where nothing is said. */
  readonly actor?: string
  /** Told each line of a job's log as it comes, masked, and the name of its job. */
  readonly onLine?: (job: string, text: string) => void
}

export type LocalOptions = {
  readonly clock?: Clock
  /** Jobs at the same time; default: as many as the machine has cores. */
  readonly parallelJobs?: number
  /** How jobs are kept apart; default: the best that works here. */
  readonly isolation?: Isolation | null
  /** The PostgreSQL of this machine, for services of jobs where there is no Docker Engine. */
  readonly findPostgres?: (home: Home) => Promise<Postgres>
}

export type LocalSignals = {
  /** Asks the jobs to end, with the steps that run in spite of it. */
  readonly cancel?: AbortSignal
  /** Ends all at once; `run` rejects with the reason. */
  readonly stop?: AbortSignal
}

/** A build stage without a server: its ledger, its repositories and all its directories are temporary. */
export type LocalEngine = AsyncDisposable & {
  /** Resolves when all that the event started is over. Throws a `Problem` for a workflow or a job that is not there. */
  run(order: LocalOrder, signals?: LocalSignals): Promise<LocalResult>
}

/** Runs workflows of a working tree as a server would, what is not committed included, and leaves nothing behind. */
export const runLocally = async (
  order: LocalOrder,
  signals: LocalSignals = {},
  options: LocalOptions = {},
): Promise<LocalResult> => {
  await using engine = await openLocalEngine(options)
  return await engine.run(order, signals)
}

export const openLocalEngine = async (options: LocalOptions = {}): Promise<LocalEngine> => {
  const { clock = systemClock, findPostgres } = options
  const ids = systemIds(systemClock)
  const report = (message: string): void => console.error(`headway: ${message}`)
  await using opening = new AsyncDisposableStack()
  const home = await openTemporaryHome(clock, report)
  opening.defer(() => removeTemporaryHome(home))
  const store = await openSqliteStore(home.database)
  opening.defer(() => store.close())
  await migrate(store, { migrations: [...ledgerMigrations, ...resultsMigrations], program: version, clock })
  const ledger = await openLedger({ store, definitions: buildFacts, clock })
  const views = await openViews({ store, ledger, views: [buildView, resultsView, runnersView] })
  opening.defer(() => views.stop())
  const orders = new Map<string, LocalOrder>()
  const build = createBuild({
    ledger,
    store,
    views,
    clock,
    ids,
    home,
    repositoryPath: (project, repository) => join(home.repositories, project, `${repository}.git`),
    settings: settingsFrom(orders),
    serverUrl: () => services.url,
    seal: createKeyring([randomBytes(32)]),
    isAdministrator: async () => true,
    onlyJob: ({ repository }) => orders.get(repository)?.job ?? null,
    localLabels: ['*'], // there is no other machine to wait for
    isolation: options.isolation ?? null,
    report,
    ...(findPostgres ? { findPostgres: () => findPostgres(home) } : {}),
    ...(options.parallelJobs === undefined ? {} : { parallelJobs: options.parallelJobs }),
  })
  const services = await listenForJobs((request, response) => build.results.handle(request, response))
  opening.defer(() => services.close())
  await build.start()
  opening.defer(() => build.stop())

  /** A dispatch is asked for as anybody would, so that its inputs are checked. */
  const raise = async (happening: Omit<Raised, 'event' | 'isTrusted'>, actor: string): Promise<string> => {
    const { name, workflow, ref, inputs } = happening
    if (name === 'workflow_dispatch' && workflow !== null)
      return build.requests.dispatch(happening, { workflow, ref, inputs }, actor)
    const event = ids('event')
    const payload = { ...happening, event, isTrusted: true }
    await ledger.append([fact(workflowEventRaised, { subject: `event:${event}`, actor, payload })])
    return event
  }

  const run = async (order: LocalOrder, signals: LocalSignals = {}): Promise<LocalResult> => {
    const repository = repositoryFor(order.directory, ids('tree'))
    const bare = join(home.repositories, defaultProject, `${repository}.git`)
    await using ending = new AsyncDisposableStack()
    ending.defer(() => effect('build.remove-snapshot', () => removeTree(bare)))
    const snapshot = await takeSnapshot(order.directory, bare)
    const { workflow, name } = await chooseWorkflow(readCommit(bare, snapshot.commit), order)
    const actor = order.actor ?? `user:${userInfo().username}`
    orders.set(repository, order)
    ending.defer(() => void orders.delete(repository))
    const after = (await ledger.head()).seq
    const place = { project: defaultProject, repository }
    const by = { ...place, actor: userOf(actor) }
    const event = await raise({ ...place, workflow, ...happeningOf(order.event, name, snapshot, by) }, actor)
    const following = followEvent({ build, ledger, after, event, actor, order, signals })
    ending.defer(() => following.stop())
    return await resultOf(await following.concluded, event, build)
  }
  const owned = opening.move()
  return { run, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

const settingsFrom = (orders: ReadonlyMap<string, LocalOrder>): JobSettings => {
  const named = (values: Readonly<Record<string, string>> | undefined, names: readonly string[]) => {
    const wanted = new Set(names.map((name) => name.toLowerCase()))
    return Object.fromEntries(Object.entries(values ?? {}).filter(([name]) => wanted.has(name.toLowerCase())))
  }
  return {
    secrets: async ({ repository }, names) => named(orders.get(repository)?.secrets, names),
    variables: async ({ repository }, names) => named(orders.get(repository)?.variables, names),
  }
}

/** As the folder is called; several orders of one engine at a time need names of their own. */
const repositoryFor = (directory: string, unique: string): RepositoryName => {
  const name = basename(directory)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^[^a-z]+|-+$/g, '')
    .slice(0, 60)
  return RepositoryName.safeParse(name).data ?? RepositoryName.parse(`local-${unique.slice(-8)}`)
}
