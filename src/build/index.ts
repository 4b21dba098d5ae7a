import { mkdir, readdir } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Seal } from '../access/access.ts'
import type { Clock, Ids } from '../clock.ts'
import { effect } from '../effect.ts'
import type { Home } from '../home.ts'
import { fact } from '../ledger/fact.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import { CommitId, ProjectName, RepositoryName } from '../names.ts'
import { describeError } from '../problem.ts'
import { removeTree } from '../processes/files.ts'
import type { Stage } from '../stage.ts'
import type { Store } from '../store/store.ts'
import type { JobSettings } from './conductor.ts'
import { createDependencyCache, type DependencyCache, sweepDependencyCache } from './dependencies.ts'
import { buildFacts, type Conclusion, Failure, pushVerified, runQueued } from './facts.ts'
import { failureFor } from './failure.ts'
import { type RepositoryPath, readCommit } from './git.ts'
import type { RunSource } from './jobs/contexts.ts'
import { endFamily, type JobUser } from './jobs/processes.ts'
import { createLogBook, type LogLine } from './logs.ts'
import { createLooker } from './looker.ts'
import { findRun, listRuns, type RunDetails, type RunQuery, type RunSummary, runsWithKeptLogs } from './queries.ts'
import { type LazyResults, lazyResults } from './results/index.ts'
import type { ResultsLimits } from './results/uploads.ts'
import { resultsView } from './results/views.ts'
import { decide, evolve, type RunState } from './run.ts'
import type { SandboxParts } from './sandbox/choose.ts'
import type { JobLimits } from './sandbox/limits.ts'
import type { Isolation, Sandbox } from './sandbox/sandbox.ts'
import { createSlots } from './slots.ts'
import { createToolchain, type Toolchain, toolFolders } from './toolchain.ts'
import { jobUsers } from './users.ts'
import { type BuildTables, buildView, generated } from './views.ts'

export type { JobSettings } from './conductor.ts'
export { createDependencyCache, type DependencyCache, type DependencyKey } from './dependencies.ts'
export type { RunSource } from './jobs/contexts.ts'
export type { JobUser } from './jobs/processes.ts'
export type { LogLine } from './logs.ts'
export { networkVariables } from './network.ts'
export type { ResultsLimits } from './results/uploads.ts'
export { resultsMigrations, resultsView } from './results/views.ts'
export { type JobLimits, parseJobLimits } from './sandbox/limits.ts'
export { type Isolation, parseIsolation } from './sandbox/sandbox.ts'
export {
  createToolchain,
  describeMissing,
  type Tool,
  type Toolchain,
  type ToolSearch,
  toolFinder,
} from './toolchain.ts'
export { jobUsers } from './users.ts'

export type BuildParts = {
  readonly ledger: Ledger
  readonly store: Store
  readonly views: Views
  readonly clock: Clock
  readonly ids: Ids
  readonly home: Home
  readonly repositoryPath: RepositoryPath
  readonly settings: JobSettings
  /** Where the API and Git are reached; asked when a job starts, as the port may not be known before. */
  readonly serverUrl: () => string
  /** Says what went wrong with Headway itself while nobody was waiting for an answer. */
  readonly report: (message: string) => void
  /** Seals the keys of jobs' tokens and identities. */
  readonly seal: Seal
  /** By what address others verify who a job is; default: the server's. */
  readonly publicUrl?: string
  /** How much jobs may leave, and for how long. */
  readonly resultsLimits?: Partial<ResultsLimits>
  /** Jobs at the same time; default: as many as the machine has cores. */
  readonly parallelJobs?: number
  /** Whether somebody, as recorded (`user:alice`, `token:alice/ci`), is an administrator of the instance. */
  readonly isAdministrator: (actor: string) => Promise<boolean>
  /** How jobs are kept apart; default: the best that works here. */
  readonly isolation?: Isolation | null
  /** What one job may take; default: a share of the machine. */
  readonly jobLimits?: JobLimits | null
  /** Default: a user for each job that runs at the same time; see `jobUsers`. */
  readonly userFor?: (slot: number) => JobUser | null
}

export type Build = Stage & {
  /** Asks a run to end; `unknown` when there is none, `finished` when it has ended already. */
  cancel(project: ProjectName, run: string, actor: string): Promise<'cancelling' | 'finished' | 'unknown'>
  runs(project: ProjectName, query: RunQuery): Promise<RunSummary[]>
  run(project: ProjectName, run: string): Promise<RunDetails | null>
  /** A job's log, masked; with `follow` on until the job has ended. */
  followLog(run: string, job: string, options?: { follow?: boolean; signal?: AbortSignal }): AsyncIterable<LogLine>
  readonly toolchain: Toolchain
  readonly dependencies: DependencyCache
  /** Artifacts, caches, tokens and identities of jobs. */
  readonly results: LazyResults
}

/** How long after one another old logs are looked for. */
const logSweepMs = 6 * 60 * 60_000

/** The build stage: runs workflows for every pushed branch or tag, and says once for each whether it is verified. */
export const createBuild = (parts: BuildParts): Build => {
  const { ledger, store, views, clock, home, report } = parts
  const toolsDirectory = join(home.caches, 'tools')
  const dependenciesDirectory = join(home.caches, 'dependencies')
  const toolchain = createToolchain(toolsDirectory)
  const dependencies = createDependencyCache(dependenciesDirectory)
  const logs = createLogBook(home.runs)
  const slots = createSlots(parts.parallelJobs ?? availableParallelism())
  const userFor = parts.userFor ?? jobUsers(home)
  const running = new Map<string, { readonly cancel: AbortController; readonly ended: Promise<void> }>()
  const stopping = new AbortController()
  const tables = () => store.tables<BuildTables>()
  const results = lazyResults({
    ...parts,
    directory: home.results,
    limits: parts.resultsLimits ?? {},
    isRunning: async (run, job) => {
      await views.reach()
      const jobs = tables().selectFrom('build_jobs').select('status').where('run', '=', run).where('job', '=', job)
      return (await jobs.executeTakeFirst())?.status === 'running'
    },
  })
  let sandbox: Promise<Sandbox> | null = null
  const looker = createLooker(() => look(), report, clock, stopping.signal)
  let stopFollowing = (): void => undefined

  /** Looks for all that is unfinished and goes on with it. */
  const look = async (): Promise<void> => {
    await views.reach()
    const pushes = await tables()
      .selectFrom('build_pushes')
      .selectAll()
      .where('status', '!=', 'verified')
      .orderBy('seq')
      .execute()
    for (const push of pushes) {
      if (stopping.signal.aborted) return
      if (push.status === 'new') await queueRuns(push)
      else await goOn(push)
    }
  }

  const queueRuns = async (push: Push): Promise<void> => {
    const { planPush } = await import('./engine.ts')
    const source = sourceOf(push)
    const gitDirectory = parts.repositoryPath(source.project, source.repository)
    const pushed = { ref: push.ref, before: commitOrNull(push.before), after: source.commit }
    const plan = await planPush(gitDirectory, readCommit(gitDirectory, source.commit), pushed).catch(
      (error: unknown) => ({
        runs: [],
        notes: [],
        fault: describeError(error),
      }),
    )
    if (plan.runs.length === 0) {
      const failure = 'fault' in plan ? failureFor(plan.fault) : null
      return verify(push, [], failure ? 'failure' : 'skipped', failure, plan.notes)
    }
    const queued = plan.runs.map(async ({ workflow, name }) => {
      const run = parts.ids('run')
      const number = (await runsOf(source, workflow)) + 1
      return fact(runQueued, {
        subject: `run:${run}`,
        actor: 'system:build',
        causes: [Number(push.seq)],
        payload: {
          run,
          ...source,
          event: null,
          eventName: 'push',
          workflow,
          name,
          number,
          concurrency: null,
          isTrusted: true,
        },
      })
    })
    await ledger.append(await Promise.all(queued))
  }

  const runsOf = async (
    { project, repository }: { project: ProjectName; repository: RepositoryName },
    workflow: string | null,
  ): Promise<number> => {
    const row = await tables()
      .selectFrom('build_runs')
      .select(({ fn }) => fn.countAll().as('count'))
      .where('project', '=', project)
      .where('repository', '=', repository)
      .where('workflow', '=', workflow ?? generated)
      .executeTakeFirst()
    return Number(row?.count ?? 0)
  }

  /** Starts the runs of a push that nobody conducts yet; once all have ended, the push is verified. */
  const goOn = async (push: Push): Promise<void> => {
    const runs = await tables()
      .selectFrom('build_runs')
      .selectAll()
      .where('push', '=', push.push)
      .where('ref', '=', push.ref)
      .orderBy('seq')
      .execute()
    for (const { run, status } of runs) if (status !== 'finished' && !running.has(run)) startRun(push, run)
    if (!runs.every(({ status }) => status === 'finished')) return
    const conclusions = runs.map(({ conclusion }) => conclusion)
    const worst = (['failure', 'cancelled', 'success'] as const).find((one) => conclusions.includes(one)) ?? 'skipped'
    const failure = runs.find(({ conclusion }) => conclusion === worst)?.failure ?? null
    const ids = runs.map(({ run }) => run)
    await verify(push, ids, worst, failure === null ? null : Failure.parse(JSON.parse(failure)), [])
  }

  const startRun = (push: Push, run: string): void => {
    const cancel = new AbortController()
    const ended = conduct(push, run, cancel)
      .catch((error: unknown) => {
        if (!stopping.signal.aborted) looker.again(`run ${run}: ${describeError(error)}`)
      })
      .finally(() => {
        running.delete(run)
      })
    running.set(run, { cancel, ended })
  }

  const conduct = async (push: Push, run: string, cancel: AbortController): Promise<void> => {
    const { conductRun, builtInActions, createLocalExecutor } = await import('./engine.ts')
    const state = await stateOf(run)
    if (!state || state.status === 'finished') return
    if (state.isCancelRequested) cancel.abort()
    if (state.starts > 0) await endLeftovers(run)
    const { project, repository, commit } = state.queued
    const gitDirectory = parts.repositoryPath(project, repository)
    const source: RunSource = {
      ...sourceOf(push),
      run,
      event: { id: null, name: 'push', baseRef: null, headRef: null, payload: {}, inputs: {} },
      workflowName: state.queued.name,
      workflowFile: state.queued.workflow,
      before: commitOrNull(push.before),
      head: null,
      defaultBranch: 'main',
      actor: push.actor,
      triggeringActor: push.actor,
      number: state.queued.number,
      attempt: 1,
      isTrusted: true,
    }
    const { settings, serverUrl } = parts
    const actions = builtInActions(parts.repositoryPath, toolchain, dependencies)
    const sandbox = await openedSandbox()
    const { services } = results
    const executor = createLocalExecutor({
      home,
      clock,
      slots,
      toolchain,
      actions,
      serverUrl,
      userFor,
      sandbox,
      services,
    })
    const { isAdministrator } = parts
    const { isolation } = sandbox
    const tools = { ledger, clock, home, executor, isolation, isAdministrator, settings, logs, serverUrl }
    const signals = { cancel: cancel.signal, kill: stopping.signal }
    await conductRun(state, source, readCommit(gitDirectory, commit), tools, signals)
  }

  const sandboxParts: SandboxParts = {
    ...{ home, clock, user: userFor(0), report, serverUrl: parts.serverUrl },
    wanted: parts.isolation ?? null,
    limits: parts.jobLimits ?? null,
    readable: toolFolders(toolsDirectory),
  }

  /** Tried out once, with the first job. */
  const openedSandbox = (): Promise<Sandbox> => {
    sandbox ??= import('./engine.ts')
      .then(({ openSandbox }) => openSandbox(sandboxParts))
      .catch((error: unknown) => {
        sandbox = null
        throw error
      })
    return sandbox
  }

  const stateOf = async (run: string): Promise<RunState | undefined> => {
    let state: RunState | undefined
    for (const recorded of await ledger.read({ subject: `run:${run}` })) state = evolve(state, recorded)
    return state
  }

  /** What an interrupted run has left: processes, directories. */
  const endLeftovers = async (run: string): Promise<void> => {
    const directory = join(home.workspaces, run)
    await endFamily({ marker: `${run}/`, directory, sessions: new Set(), user: 'anyone' }, clock)
    await effect('build.remove-leftovers', () => removeTree(directory))
  }

  const verify = async (
    push: Push,
    runs: readonly string[],
    conclusion: Conclusion,
    failure: Failure | null,
    notes: readonly string[],
  ): Promise<void> => {
    const payload = { ...sourceOf(push), conclusion, runs: [...runs], failure, notes: [...notes] }
    const causes = [Number(push.seq)]
    await ledger.append([fact(pushVerified, { subject: `push:${push.push}`, actor: 'system:build', causes, payload })])
  }

  const sweepLogs = async (): Promise<void> => {
    for (;;) {
      await logs.keepOnly(await runsWithKeptLogs(store, clock.now()))
      await clock.sleep(logSweepMs, stopping.signal)
    }
  }

  return {
    name: 'build',
    facts: buildFacts,
    views: [buildView, resultsView],
    toolchain,
    dependencies,
    results,
    start: async () => {
      await mkdir(toolsDirectory, { recursive: true, mode: 0o755 })
      await mkdir(dependenciesDirectory, { recursive: true, mode: 0o711 })
      await sweepDependencyCache(dependenciesDirectory)
      const interrupted = await readdir(home.workspaces).catch(() => [])
      for (const run of interrupted) await endLeftovers(run)
      if (parts.isolation) await openedSandbox() // asked for by name: without it nothing starts
      if (interrupted.length > 0) await (await openedSandbox()).sweep()
      stopFollowing = ledger.onAppend(() => looker.look())
      await looker.look()
      const tell = (error: unknown): void => report(`tidying artifacts and caches: ${describeError(error)}`)
      results.keepTidy(stopping.signal, tell).catch(() => undefined) // the stage stops
      sweepLogs().catch((error: unknown) => {
        if (!stopping.signal.aborted) report(`sweeping old logs: ${describeError(error)}`)
      })
    },
    stop: async () => {
      stopFollowing()
      stopping.abort()
      await looker.idle()
      await Promise.all(Array.from(running.values(), ({ ended }) => ended))
    },
    cancel: async (project, run, actor) => {
      const state = await stateOf(run)
      if (state?.queued.project !== project) return 'unknown'
      if (state.status === 'finished') return 'finished'
      const facts = decide(state, { kind: 'cancel', actor })
      if (facts.length > 0) await ledger.append(facts)
      running.get(run)?.cancel.abort()
      return 'cancelling'
    },
    runs: async (project, query) => {
      await views.reach()
      return listRuns(store, project, query)
    },
    run: async (project, run) => {
      await views.reach()
      return findRun(store, project, run)
    },
    followLog: (run, job, options) => logs.read(run, job, options),
  }
}

type Push = BuildTables['build_pushes']

const sourceOf = ({ push, project, repository, ref, after }: Push) => ({
  push,
  project: ProjectName.parse(project),
  repository: RepositoryName.parse(repository),
  ref,
  commit: CommitId.parse(after),
})

const commitOrNull = (commit: string | null): CommitId | null => (commit === null ? null : CommitId.parse(commit))
