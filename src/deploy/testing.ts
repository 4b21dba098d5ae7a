import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createKeyring } from '../access/seal.ts'
import type { Instance, InstanceSpec, RouteTable } from '../agent/protocol.ts'
import { type Clock, systemClock, systemIds } from '../clock.ts'
import { codeFacts } from '../code/facts.ts'
import { usualPreview } from '../golden/preview.ts'
import type { ServiceDefinition } from '../golden/service.ts'
import { type FactDefinition, fact } from '../ledger/fact.ts'
import type { Ledger, View, Views } from '../ledger/ledger.ts'
import { ledgerMigrations } from '../ledger/migrations.ts'
import { openLedger } from '../ledger/open.ts'
import { openViews } from '../ledger/views.ts'
import {
  CommitId,
  Digest,
  defaultEnvironment,
  defaultProject,
  type EnvironmentName,
  RepositoryName,
  ServiceName,
} from '../names.ts'
import type { Databases } from '../operate/attachments.ts'
import { packageFacts, releaseCreated } from '../package/facts.ts'
import type { Release, Releases } from '../package/release.ts'
import type { RunAs } from '../processes/command.ts'
import { run } from '../processes/run.ts'
import { promotionFacts } from '../release/promotion/facts.ts'
import { createPromotion } from '../release/promotion/index.ts'
import { promotionView } from '../release/promotion/view.ts'
import type { Runtime } from '../runtimes/runtime.ts'
import { type Migration, migrate } from '../store/migrations.ts'
import { openSqliteStore } from '../store/sqlite.ts'
import type { Store } from '../store/store.ts'
import { deployFacts } from './facts.ts'
import { createDeploy, type Deploy, deploymentIdFor } from './index.ts'
import type { Judged, Judgement, JudgePlan, Judging } from './judging.ts'
import type { RemotePlace } from './remote.ts'
import { deployView } from './views.ts'

/** A judge that says of a version what it was told to; what was begun and said outlives the process, as with the real one. */
export const scriptedJudge = (directory: string) => {
  const file = join(directory, 'judge.json')
  type Script = {
    says: Record<string, { verdict: Judgement['verdict']; requests: number }>
    begun: Record<string, { plan: JudgePlan; who: Judged }>
    failed: string[]
  }
  const script = (): Script =>
    existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { says: {}, begun: {}, failed: [] }
  const change = (edit: (now: Script) => void): void => {
    const now = script()
    edit(now)
    writeFileSync(`${file}.new`, JSON.stringify(now))
    renameSync(`${file}.new`, file)
  }
  const judging: Judging = {
    begin: async (rollout, plan, who) =>
      change(({ begun }) => {
        begun[rollout] ??= { plan, who }
      }),
    look: async (rollout) => {
      const { says, begun, failed } = script()
      const { verdict, requests } = says[begun[rollout]?.who.canary ?? ''] ?? { verdict: 'inconclusive', requests: 0 }
      if (verdict === 'fail' && !failed.includes(rollout)) change((now) => now.failed.push(rollout))
      const counted = { requests, errors: 0, restarts: 0 }
      const said = failed.includes(rollout) ? 'fail' : verdict
      return { verdict: said, reason: `it was told to ${said}`, numbers: { baseline: counted, canary: counted } }
    },
    conclude: async (rollout) => ({ evidence: digestOf(`evidence of ${rollout}`) }),
  }
  return {
    judging,
    script,
    says: (version: string, verdict: Judgement['verdict'], requests = 1000) =>
      change(({ says }) => {
        says[version] = { verdict, requests }
      }),
  }
}

/** What the tests' world knows beside what is on disk: how versions behave. */
export type Behaviour = 'healthy' | 'never-healthy' | 'slow'

type World = {
  generation: number
  routes: RouteTable['routes']
  instances: Record<string, Instance>
  /** Every table that was routed, so that a test can say who ever had traffic. */
  routed: RouteTable['routes'][]
  stopped: string[]
}

/** A runtime that keeps its instances in a file, as the agent keeps its own: they outlive the process that tests kill. */
export const diskRuntime = (
  directory: string,
  behaviours: ReadonlyMap<string, Behaviour> = new Map(),
): Runtime & {
  world(): World
  change(edit: (world: World) => void): void
  become(release: string, healthy: boolean): void
} => {
  const file = join(directory, 'runtime.json')
  const empty: World = { generation: 0, routes: [], instances: {}, routed: [], stopped: [] }
  const world = (): World => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : structuredClone(empty))
  const listeners = new Set<() => void>()
  const change = (edit: (now: World) => void): void => {
    const now = world()
    edit(now)
    writeFileSync(file, JSON.stringify(now))
    for (const listener of listeners) listener()
  }
  const stateOf = (spec: InstanceSpec): Instance['state'] => {
    const behaviour = behaviours.get(spec.owner.release) ?? 'healthy'
    return behaviour === 'healthy' ? 'healthy' : behaviour === 'slow' ? 'starting' : 'failed'
  }
  return {
    world,
    change,
    become: (release, healthy) =>
      change(({ instances }) => {
        for (const instance of Object.values(instances))
          if (instance.owner.release === release) instance.state = healthy ? 'healthy' : 'failed'
      }),
    start: async (spec) => {
      change(({ instances }) => {
        instances[spec.id] ??= {
          id: spec.id,
          owner: spec.owner,
          state: stateOf(spec),
          port: 40_000,
          pid: 1,
          startedAt: 0,
          restarts: 0,
          lastExit: stateOf(spec) === 'failed' ? { exitCode: 3, signal: null, outOfMemory: false, at: 0 } : null,
          lastProbe: stateOf(spec) === 'failed' ? 'connect ECONNREFUSED 127.0.0.1:40000' : 'GET / answered 200 in 3 ms',
          memoryBytes: null,
        }
      })
      const made = world().instances[spec.id]
      if (!made) throw new Error('unreachable')
      return made
    },
    settled: async (id, timeoutMs, signal) => {
      const look = () => world().instances[id] ?? null
      const done = (state: Instance | null) => state === null || ['healthy', 'failed'].includes(state.state)
      if (done(look())) return look()
      return new Promise((resolve, reject) => {
        const end = () => {
          clearTimeout(timer)
          listeners.delete(check)
          signal?.removeEventListener('abort', abort)
        }
        const check = () => {
          if (!done(look())) return
          end()
          resolve(look())
        }
        const abort = () => {
          end()
          reject(signal?.reason)
        }
        const timer = setTimeout(() => {
          end()
          resolve(look())
        }, timeoutMs)
        listeners.add(check)
        signal?.addEventListener('abort', abort, { once: true })
        if (signal?.aborted) abort()
      })
    },
    stop: async (id) => {
      if (!world().instances[id]) return { kind: 'absent' }
      change((now) => {
        delete now.instances[id]
        now.stopped.push(id)
      })
      return { kind: 'stopped', drained: true, killed: false, exit: null }
    },
    instances: async () => Object.values(world().instances),
    route: async (table) => {
      if (table.generation <= world().generation) throw new Error(`generation ${table.generation} is not newer`)
      change((now) => {
        now.generation = table.generation
        now.routes = table.routes
        now.routed.push(table.routes)
      })
    },
    routes: async () => ({ generation: world().generation, routes: world().routes }),
    events: async (after) => ({ events: [], next: after }),
    traffic: async () => ({ epoch: 'none', minutes: [] }),
    samples: async () => [],
    logs: async function* (query) {
      yield {
        at: 0,
        instance: query.instance ?? '',
        stream: 'stderr',
        text: 'no configuration found, password hunter22',
      }
    },
  }
}

/** The weights by version (`v1:90 v2:10`) of each table that was routed, without repetitions; `+v2` is a mirror, `v2+` a version of that kind. */
export const weightsOf = (runtime: { world(): Pick<World, 'routed'> }, service?: string): string[] => {
  const all = runtime.world().routed.map((table) =>
    table
      .filter((route) => service === undefined || route.service.includes(`/${service}/`))
      .map(({ pools, mirror }) => {
        const sum = pools.reduce((total, { weight }) => total + weight, 0)
        const parts = pools.map(({ version, weight }) => `${nameOf(version)}:${Math.round((100 * weight) / sum)}`)
        return [...parts, ...(mirror ? [`+${nameOf(mirror.version)}`] : [])].sort().join(' ')
      })
      .join(', '),
  )
  // A table without the service says nothing of it: another one's routes came first.
  const told = service === undefined ? all : all.filter((one) => one !== '')
  return told.filter((one, index) => one !== told[index - 1])
}

const nameOf = (version: string): string => {
  const [release = '', rest] = version.split('+')
  const known = [1, 2, 3, 4, 5].find((one) => ['shop', 'blog'].some((name) => digestOf(`${name} v${one}`) === release))
  return `${known === undefined ? release : `v${known}`}${rest === undefined ? '' : '+'}`
}

export const digestOf = (text: string): Digest =>
  Digest.parse(`sha256:${createHash('sha256').update(text).digest('hex')}`)
export const commitOf = (text: string): CommitId => CommitId.parse(createHash('sha1').update(text).digest('hex'))

/** Releases by the words that their digests are made of: `shop v1`. */
export const fakeReleases = (
  definitions: Readonly<Record<string, Partial<ServiceDefinition>>>,
  images = '/images',
  argv: Release['argv'] = ['node', 'server.js'],
): Releases => {
  const all = Object.entries(definitions).map(([words, over]): Release => {
    const name = ServiceName.parse(words.split(' ')[0])
    return {
      digest: digestOf(words),
      project: defaultProject,
      service: name,
      commit: commitOf(words),
      definition: {
        name,
        language: 'node',
        port: 3000,
        database: null,
        replicas: 2,
        owner: null,
        health: { path: '/', readyTimeoutMs: 60_000 },
        env: {},
        secrets: [],
        hosts: [],
        edge: null,
        resources: { memoryBytes: null, cpus: null },
        commands: { lint: null, test: null, build: null, start: null },
        release: null,
        migrate: null,
        preview: usualPreview,
        alerts: [],
        ...over,
      },
      toolchain: null,
      argv,
      env: { NODE_ENV: 'production' },
      workingDirectory: '.',
    }
  })
  return {
    open: async (digest) => all.find((release) => release.digest === digest) ?? null,
    unpack: async (digest) => `${images}/${digest}`,
  }
}

const fakeDatabases: Databases = {
  ensure: async ({ service }) => ({ url: `postgres://${service}:sesame@127.0.0.1:5432/${service}` }),
}

export type TestDeployOptions = {
  readonly remote?: RemotePlace
  readonly directory: string
  readonly releases: Readonly<Record<string, Partial<ServiceDefinition>>>
  readonly behaviours?: ReadonlyMap<string, Behaviour>
  readonly settings?: Readonly<Record<string, string>>
  readonly clock?: Clock
  readonly judging?: Judging
  readonly firstEnvironments?: string
  readonly views?: readonly View[]
  readonly facts?: readonly FactDefinition[]
  readonly migrations?: readonly Migration[]
  /** A real runtime instead of that of files, and what its instances are made from. */
  readonly runtime?: Runtime
  readonly images?: string
  readonly argv?: Release['argv']
  readonly userFor?: (purpose: string) => RunAs | null
  databases?(ground: { store: Store; ledger: Ledger; views: Views }): Databases
}

/** Deploy with a real ledger and a real Git repository in a directory, and a runtime of files: opened again, it is as it was left. */
export const openTestDeploy = async (options: TestDeployOptions) => {
  const { directory } = options
  const clock = options.clock ?? systemClock
  const repositories = join(directory, 'repositories')
  for (const name of ['repositories', 'migrations', 'migrating']) mkdirSync(join(directory, name), { recursive: true })
  const store = await openSqliteStore(join(directory, 'headway.db'))
  await migrate(store, { migrations: [...ledgerMigrations, ...(options.migrations ?? [])], program: 'test', clock })
  const definitions = [...promotionFacts, ...deployFacts, ...codeFacts, ...packageFacts, ...(options.facts ?? [])]
  const ledger = await openLedger({ store, definitions, clock })
  const views = await openViews({ store, ledger, views: [deployView, promotionView, ...(options.views ?? [])] })
  const runtime = diskRuntime(directory, options.behaviours)
  const judge = scriptedJudge(directory)
  const errors: string[] = []
  const known = options.settings ?? {}
  const deploy: Deploy = createDeploy({
    admit: (asked) => promotion.admit(asked),
    remote: options.remote ?? null,
    ...(options.firstEnvironments === undefined ? {} : { firstEnvironments: options.firstEnvironments }),
    home: { repositories, migrations: join(directory, 'migrations'), migrating: join(directory, 'migrating') },
    seal: createKeyring([new Uint8Array(32)]),
    ledger,
    views,
    store,
    clock,
    ids: systemIds(clock),
    runtime: options.runtime ?? runtime,
    judging: options.judging ?? judge.judging,
    releases: fakeReleases(options.releases, options.images, options.argv),
    settings: {
      resolve: async (_scope, names) => ({
        values: Object.fromEntries(names.flatMap((name) => (known[name] === undefined ? [] : [[name, known[name]]]))),
        missing: names.filter((name) => known[name] === undefined),
      }),
    },
    databases: options.databases?.({ store, ledger, views }) ?? fakeDatabases,
    userFor: options.userFor ?? (() => null),
    urlOf: (host) => `http://${host}:4680/`,
    onError: (message) => errors.push(message),
  })
  const promotion = createPromotion({
    ...deploy,
    ledger,
    views,
    store,
    clock,
    onError: (message) => errors.push(message),
  })
  const git = async (...words: string[]): Promise<string> => {
    const argv: [string, ...string[]] = ['git', ...words]
    const env = { PATH: process.env.PATH ?? '', GIT_DIR: deploy.repository, HOME: directory }
    const outcome = await run({ argv, cwd: directory, env })
    if (outcome.exitCode !== 0) throw new Error(outcome.stderr)
    return outcome.stdout.toString()
  }

  return {
    store,
    ledger,
    views,
    runtime,
    judge,
    deploy: {
      ...deploy,
      start: async (): Promise<void> => {
        await deploy.start()
        await promotion.start()
      },
    },
    promotion,
    errors,
    git,
    /** Records a release as packaging does and resolves to the deployment that it leads to. */
    release: async (words: string, push = `push-${words}`, environment = defaultEnvironment): Promise<string> => {
      const service = ServiceName.parse(words.split(' ')[0])
      const outcome = await ledger.append([
        fact(releaseCreated, {
          subject: `service:${defaultProject}/${service}`,
          actor: 'system:package',
          payload: {
            push,
            project: defaultProject,
            service,
            repository: RepositoryName.parse(service),
            commit: commitOf(words),
            path: '.',
            digest: digestOf(words),
            sizeBytes: 1,
          },
        }),
      ])
      if (outcome.kind !== 'appended') throw new Error('unreachable')
      const seq = outcome.facts[0]?.seq ?? 0
      await views.reach()
      const deployment = deploymentOfRelease(seq, environment)
      await eventually(async () => (await deploy.queries.deployment(deployment)) !== null)
      return deployment
    },
    /** Writes a file of the environments repository as somebody's clone would push it. */
    pushByHand: async (path: string, text: string | null): Promise<void> => {
      const head = (await git('rev-parse', '--verify', '--quiet', 'main').catch(() => '')).trim()
      const stream = [
        'commit refs/heads/main',
        'committer Ada <ada@example.com> 1700000000 +0000',
        'data 7\nBy hand',
        ...(head ? [`from ${head}`] : []),
        ...(text === null ? [`D ${path}`] : [`M 100644 inline ${path}`, `data ${Buffer.byteLength(text)}\n${text}`]),
        '',
      ].join('\n')
      const env = { PATH: process.env.PATH ?? '', GIT_DIR: deploy.repository, HOME: directory }
      const outcome = await run({ argv: ['git', 'fast-import', '--quiet'], cwd: directory, env, input: stream })
      if (outcome.exitCode !== 0) throw new Error(outcome.stderr)
    },
    close: async (): Promise<void> => {
      await promotion.stop()
      await deploy.stop()
      await views.stop()
      await store.close()
    },
  }
}
export type TestDeploy = Awaited<ReturnType<typeof openTestDeploy>>

/** The deployment that a release leads to where every push goes to. */
export const deploymentOfRelease = (seq: number, environment: EnvironmentName = defaultEnvironment): string =>
  deploymentIdFor(`release ${seq} ${environment}`)

/** Resolves once it holds; asks again every few milliseconds, at most 60 s. */
export const eventually = async (holds: () => Promise<boolean> | boolean): Promise<void> => {
  const until = performance.now() + 60_000
  while (!(await holds())) {
    if (performance.now() > until) throw new Error(`never came true: ${holds}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
