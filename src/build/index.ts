import { mkdir, readdir } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { awakenings } from '../ledger/awakenings.ts'
import { createLooker } from '../looker.ts'
import type { ProjectName } from '../names.ts'
import { describeError } from '../problem.ts'
import { sweepCgroups } from '../processes/cgroup-owners.ts'
import { version } from '../version.ts'
import { createMirrors } from './actions/mirrors.ts'
import { createActionShelf } from './actions/shelf.ts'
import type { Build, BuildParts } from './build.ts'
import { createConclusions, type EndedRun } from './concluding.ts'
import { type ConductorTools, worstOf } from './conductor.ts'
import { createDependencyCache, sweepDependencyCache } from './dependencies.ts'
import { createDetails, type RunDetails } from './details.ts'
import { buildFacts, Conclusion, type Failure } from './facts.ts'
import { createHeldUp } from './held-up.ts'
import { createListeners } from './listeners.ts'
import { createLogBook, logKey } from './logs.ts'
import { createMachine } from './machine.ts'
import { findMain, listBroken } from './mains.ts'
import { followEvent, type Origin, originIn, raisedEvent } from './origins.ts'
import { failureOf, listEnvironments, listRuns, listRunsInHand, type RunInHand, runsWithKeptLogs } from './queries.ts'
import { createRequests } from './requests.ts'
import { lazyResults } from './results/index.ts'
import { resultsView } from './results/views.ts'
import { decide } from './run.ts'
import { createPool } from './runners/pool.ts'
import { createRegistry } from './runners/registry.ts'
import { leaseRows, runnersView } from './runners/views.ts'
import { createRunning } from './running.ts'
import { createScheduler } from './schedule.ts'
import { createStarter } from './starting.ts'
import { createToolchain } from './toolchain.ts'
import { type BuildTables, buildView } from './views.ts'
import { createWaits } from './waits.ts'
import { stayAwake, type Wakefulness } from './wakefulness.ts'

export type { ActionShelf, MirroredAction } from './actions/shelf.ts'
export type { Build, BuildParts, EventLine, Rerunning } from './build.ts'
export type { JobSettings } from './conductor.ts'
export { createDependencyCache, type DependencyCache, type DependencyKey } from './dependencies.ts'
export type { RunSource } from './jobs/contexts.ts'
export type { JobUser } from './jobs/processes.ts'
export type { ReportFile, ReportFormat } from './jobs/result.ts'
export type { LogLine } from './logs.ts'
export type { Broken, Main } from './mains.ts'
export { networkVariables } from './network.ts'
export type { ResultsLimits } from './results/uploads.ts'
export { resultsMigrations, resultsView } from './results/views.ts'
export { runnersView } from './runners/views.ts'
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

/** How long after one another old logs are looked for. */
const logSweepMs = 6 * 60 * 60_000

/** The build stage: runs workflows for pushes and events, and says once for each how that ended. */
export const createBuild = (parts: BuildParts): Build => {
  const { ledger, store, views, clock, home, report } = parts
  const toolsDirectory = join(home.caches, 'tools')
  const dependenciesDirectory = join(home.caches, 'dependencies')
  const toolchain = createToolchain(toolsDirectory)
  const dependencies = createDependencyCache(dependenciesDirectory)
  const mirrors = createMirrors(join(home.repositories, '.actions'))
  const shelf = createActionShelf({ ledger, mirrors, repositoryPath: parts.repositoryPath })
  const logs = createLogBook(home.runs)
  const parallelJobs = parts.parallelJobs ?? availableParallelism()
  const stopping = new AbortController()
  const hangingUp = new AbortController()
  const tables = () => store.tables<BuildTables>()
  const results = lazyResults({
    ...parts,
    directory: home.results,
    limits: parts.resultsLimits ?? {},
    repositoryOf: async (project, run) => {
      await views.reach()
      const runs = tables().selectFrom('build_runs').select('repository').where('project', '=', project)
      return (await runs.where('run', '=', run).executeTakeFirst())?.repository ?? null
    },
    isRunning: async (run, job, attempt) => {
      await views.reach()
      const newest = await tables()
        .selectFrom('build_jobs')
        .select(['status', 'attempt'])
        .where('run', '=', run)
        .where('job', '=', job)
        .orderBy('attempt', 'desc')
        .limit(1)
        .executeTakeFirst()
      return newest?.status === 'running' && Number(newest.attempt) === attempt
    },
  })
  const looker = createLooker(() => look(), report, clock, stopping.signal)
  let wakefulness: Wakefulness | null = null

  const machine = createMachine({
    ...{ ...parts, toolsDirectory, toolchain, dependencies, parallelJobs },
    ...{ library: shelf.library, services: results.services },
  })
  const runners = createPool({
    ...{ ledger, clock, logs, version, parallelJobs, report, labels: parts.localLabels ?? [] },
    registry: createRegistry({ ...parts, now: () => clock.now() }),
    rows: leaseRows(store, views),
    local: machine.executor,
    serverUrl: parts.serverUrl,
    services: results.services,
    library: shelf.library,
    ...(parts.leaseRules ? { rules: parts.leaseRules } : {}),
  })
  const details = createDetails(store, ledger)
  const waits = createWaits(parts)
  const heldUp = createHeldUp({ store, unassigned: runners.waiting })
  const listeners = createListeners(parts)
  const conclusionsFor = createConclusions(parts)
  const startRuns = createStarter({ ...parts, listeners, end: conclusionsFor })
  const scheduler = createScheduler(parts)

  const tools = async (): Promise<ConductorTools> => {
    const { settings, serverUrl, isAdministrator } = parts
    const { isolation } = await machine.sandbox()
    const { executor } = runners
    const optional = {
      ...(parts.readReports ? { readReports: parts.readReports } : {}),
      ...(parts.onlyJob ? { onlyJob: parts.onlyJob } : {}),
    }
    return { ledger, clock, home, executor, isolation, isAdministrator, settings, logs, serverUrl, ...optional }
  }

  const running = createRunning({
    ...parts,
    mayRead: parts.mayRead ?? (async () => false),
    waits,
    listeners,
    tools,
    again: (run, error) => looker.again(`run ${run}: ${describeError(error)}`),
    letGo: () => void looker.look(),
  })

  /** Looks for all that is unfinished and goes on with it. */
  const look = async (): Promise<void> => {
    await (wakefulness ? wakefulness.begin() : views.reach())
    const origins = await tables()
      .selectFrom('build_origins')
      .selectAll()
      .where('status', '!=', 'concluded')
      .orderBy('seq')
      .execute()
    const runs = Map.groupBy(await listRunsInHand(store), ({ origin, ref }) => JSON.stringify([origin, ref]))
    for (const row of origins) {
      if (stopping.signal.aborted) return
      const origin = originIn(row)
      const ofIt = runs.get(JSON.stringify([origin.subject, origin.ref])) ?? []
      const gone = origin.status === 'new' ? startRuns(origin) : goOn(origin, ofIt)
      // What is wrong with one must not hold the others up.
      await gone.catch((error: unknown) => looker.again(`${origin.subject} ${origin.ref}: ${describeError(error)}`))
    }
    await waits.look()
    await endRivals()
  }

  /** Starts the runs of a push or an event that nobody conducts yet; once all have ended, it is concluded. */
  const goOn = async (origin: Origin, runs: readonly RunInHand[]): Promise<void> => {
    for (const { run, status, claim, cancel_requested } of runs) {
      const waits = claim !== null && claim !== 'holding' && cancel_requested === 0
      if (status !== 'finished' && !waits && !running.has(run)) running.start(origin, run)
    }
    if (!runs.every(({ status }) => status === 'finished')) return
    const ended = runs.map(({ run, workflow, name, conclusion }): EndedRun => {
      return { run, workflow: workflow || null, name, conclusion: Conclusion.parse(conclusion) }
    })
    const conclusion = worstOf(ended.map((one) => one.conclusion))
    const failure = failureOf(runs.find((one) => one.conclusion === conclusion)?.failure ?? null)
    const ending = { notes: [], runs: ended }
    const refusal = conclusion === 'success' ? await judged(origin, runs) : null
    const verdict = refusal ? { conclusion: 'failure' as const, failure: refusal } : { conclusion, failure }
    await ledger.append(await conclusionsFor(origin, { ...ending, ...verdict }))
  }

  const judged = async (origin: Origin, runs: readonly RunInHand[]): Promise<Failure | null> => {
    const raised = origin.eventName === 'pull_request' ? await raisedEvent(ledger, origin) : null
    const about = { ...origin, base: raised?.changedSince ?? null, runs: runs.map(({ run }) => run) }
    return (await parts.judgeQuality?.(about)) ?? null
  }

  /** Cancels the runs whose place in their concurrency group a newer one took, or wants. */
  const endRivals = async (): Promise<void> => {
    const rivals = await tables()
      .selectFrom('build_claims')
      .innerJoin('build_runs', 'build_runs.run', 'build_claims.run')
      .select(['build_claims.run', 'build_claims.rival', 'build_claims.group_key'])
      .where('build_claims.job', '=', '')
      .where('build_runs.cancel_requested', '=', 0)
      .where('build_runs.status', '!=', 'finished')
      .where((where) => where.or([where('state', '=', 'superseded'), where('cancel_wanted', '=', 1)]))
      .execute()
    for (const { run, rival, group_key } of rivals)
      await running.cancel(run, 'system:build', `${rival} took its place in the concurrency group ${group_key}`)
  }

  const shown = async (project: ProjectName, run: string, attempt?: number): Promise<RunDetails | null> => {
    const found = await details.find(project, run, attempt)
    return found && { ...found, unassigned: found.status === 'finished' ? [] : await runners.waiting(run) }
  }

  const sweepLogs = async (): Promise<void> => {
    for (;;) {
      await logs.keepOnly(await runsWithKeptLogs(store, clock.now()))
      await clock.sleep(logSweepMs, stopping.signal)
    }
  }

  const untilHungUp = (signal?: AbortSignal): AbortSignal =>
    AbortSignal.any([hangingUp.signal, stopping.signal, ...(signal ? [signal] : [])])

  const inBackground = (what: string, work: Promise<void>): void =>
    void work.catch((error: unknown) => {
      if (!stopping.signal.aborted) report(`${what}: ${describeError(error)}`)
    })

  return {
    name: 'build',
    facts: buildFacts,
    views: [buildView, resultsView, runnersView],
    toolchain,
    dependencies,
    results,
    actions: shelf,
    runners,
    requests: createRequests(parts),
    hangUp: () => {
      hangingUp.abort()
      runners.hangUp()
    },
    start: async () => {
      await mkdir(toolsDirectory, { recursive: true, mode: 0o755 })
      await mkdir(dependenciesDirectory, { recursive: true, mode: 0o711 })
      await sweepDependencyCache(dependenciesDirectory)
      await mirrors.sweep()
      await sweepCgroups()
      const interrupted = await readdir(home.workspaces).catch(() => [])
      for (const run of interrupted) await running.endLeftovers(run)
      if (parts.isolation) await machine.sandbox() // asked for by name: without it nothing starts
      if (interrupted.length > 0) await machine.sandbox() // which sweeps what they have left
      await runners.start()
      wakefulness = stayAwake(parts, () => void looker.look())
      await looker.look()
      const tell = (error: unknown): void => report(`tidying artifacts and caches: ${describeError(error)}`)
      results.keepTidy(stopping.signal, tell).catch(() => undefined) // the stage stops
      inBackground('sweeping old logs', sweepLogs())
      const reportTick = (error: unknown): void => report(`raising scheduled workflows: ${describeError(error)}`)
      inBackground('raising scheduled workflows', scheduler.run(stopping.signal, reportTick))
    },
    stop: async () => {
      wakefulness?.stop()
      details.stop()
      stopping.abort()
      await looker.idle()
      await running.stop()
      runners.stop()
      await machine.close()
    },
    cancel: async (project, run, actor) => {
      const state = await running.stateOf(run)
      return state?.queued.project === project ? running.cancel(run, actor) : 'unknown'
    },
    rerun: async (project, run, jobs, actor) => {
      const state = await running.stateOf(run)
      if (state?.queued.project !== project) return { kind: 'unknown' }
      const facts = decide(state, { kind: 'rerun', actor, jobs })
      if (facts.length === 0) return { kind: 'unfinished' }
      const outcome = await ledger.append(facts, { expect: { subject: `run:${run}`, seq: state.seq } })
      return outcome.kind === 'appended' ? { kind: 'queued', attempt: state.attempt + 1 } : { kind: 'unfinished' }
    },
    runs: async (project, query) => {
      await views.reach()
      return listRuns(store, project, query)
    },
    heldUp: async (origin) => {
      await views.reach()
      return heldUp(origin)
    },
    runPage: async (project, query) => {
      await views.reach()
      return (await import('./run-pages.ts')).pageOfRuns(store, project, query)
    },
    runGlance: async (project, since) => {
      await views.reach()
      return (await import('./run-glance.ts')).glanceAtRuns(store, project, since)
    },
    run: async (project, run, attempt) => {
      await views.reach()
      return shown(project, run, attempt)
    },
    summary: (run, job, attempt = 1) => logs.summary(run, logKey(job, attempt)),
    followLog: (run, job, { attempt = 1, follow = false, signal } = {}) =>
      logs.read(run, logKey(job, attempt), { follow, signal: untilHungUp(signal) }),
    follow: async function* (project, run, signal) {
      let seen = ''
      for await (const _ of awakenings(ledger, untilHungUp(signal))) {
        await views.reach()
        const now = await shown(project, run)
        if (now === null) return
        const text = JSON.stringify(now)
        if (text !== seen) yield now
        seen = text
        if (now.status === 'finished') return
      }
    },
    followEvent: (project, event, signal) => followEvent(ledger, project, event, untilHungUp(signal)),
    environments: async (project) => {
      await views.reach()
      return listEnvironments(store, project)
    },
    main: async (project, repository) => {
      await views.reach()
      return findMain(store, project, repository)
    },
    brokenMains: async (project) => {
      await views.reach()
      return listBroken(store, project)
    },
  }
}
