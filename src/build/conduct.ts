import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import type { Home } from '../home.ts'
import type { NewFact } from '../ledger/fact.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { describeError } from '../problem.ts'
import type { Conclusion, Failure } from './facts.ts'
import type { CommitReader } from './git.ts'
import type { Actions } from './jobs/actions.ts'
import { githubContext, type RunSource } from './jobs/contexts.ts'
import { type JobPlace, type JobResult, runJob } from './jobs/job.ts'
import { openJobLog } from './jobs/log.ts'
import type { JobUser } from './jobs/processes.ts'
import { removeWorkspace } from './jobs/workspace.ts'
import type { LogBook } from './logs.ts'
import { planRun } from './plan.ts'
import { decide, evolve, type Finished, type RunInput, type RunState } from './run.ts'
import type { Slots } from './slots.ts'
import type { Toolchain } from './toolchain.ts'
import { evaluateTemplate, flagFrom, numberFrom, textFrom } from './workflow/evaluate.ts'
import { holds, type Json, type Scope } from './workflow/expression.ts'
import { rowLabel, rowsOf } from './workflow/matrix.ts'
import { namesInWorkflow } from './workflow/names.ts'
import type { Job, Workflow } from './workflow/workflow.ts'

/** What jobs are given by name. Only names that the workflow mentions are asked for. */
export type JobSettings = {
  secrets(source: RunSource, names: readonly string[]): Promise<Readonly<Record<string, string>>>
  variables(source: RunSource, names: readonly string[]): Promise<Readonly<Record<string, string>>>
}

export type ConductorTools = {
  readonly ledger: Ledger
  readonly clock: Clock
  readonly home: Home
  readonly slots: Slots
  readonly toolchain: Toolchain
  readonly actions: Actions
  readonly settings: JobSettings
  readonly logs: LogBook
  readonly serverUrl: () => string
  readonly userFor: (slot: number) => JobUser | null
}

export type RunSignals = { readonly cancel: AbortSignal; readonly kill: AbortSignal }

/**
 * Carries a run from where its facts left it to its end: each job once those that it needs are over, several at a time. Rejects only
 * when Headway itself is at fault or `kill` aborts (the server stops); the next start goes on then.
 */
export const conductRun = async (
  start: RunState,
  source: RunSource,
  reader: CommitReader,
  tools: ConductorTools,
  signals: RunSignals,
): Promise<void> => {
  let state = start
  let appending: Promise<unknown> = Promise.resolve()
  /** Decisions are made one after another, each on what the one before recorded. */
  const tell = (...inputs: RunInput[]): Promise<void> => {
    const next = appending.then(async () => {
      signals.kill.throwIfAborted()
      const facts: NewFact[] = []
      for (const input of inputs) facts.push(...decide(state, input))
      if (facts.length === 0) return
      const outcome = await tools.ledger.append(facts)
      if (outcome.kind === 'appended') for (const recorded of outcome.facts) state = evolve(state, recorded) ?? state
    })
    appending = next.catch(() => undefined)
    return next
  }

  const isolation = tools.userFor(0) ? 'unprivileged user' : 'same user as Headway (no isolation)'
  await tell({ kind: 'begin', isolation })
  if (state.status === 'finished') return
  const plan = await planRun(reader, start.queued.workflow).catch(refusedFor)
  if (plan.kind === 'refused') return tell({ kind: 'settled', refusal: plan.failure })

  const { workflow } = plan
  const given = await settingsFor(workflow, source, tools.settings).catch(refusedFor)
  if (given.kind === 'refused') return tell({ kind: 'settled', refusal: given.failure })
  const { secrets, vars } = given
  const context: Conduct = {
    state: () => state,
    tell,
    workflow,
    source,
    secrets,
    vars,
    notes: plan.notes,
    tools,
    signals,
    cleaning: [],
  }
  try {
    await conductJobs(context)
    await tell({ kind: 'settled', refusal: null })
  } finally {
    // Nobody waits for this; what it fails to remove goes with the next start.
    await Promise.all(context.cleaning)
    await removeWorkspace(join(tools.home.workspaces, source.run)).catch(() => undefined)
  }
}

type Refused = { readonly kind: 'refused'; readonly failure: Failure }
const refusedFor = (error: unknown): Refused => ({
  kind: 'refused',
  failure: { ...noFailure, detail: describeError(error) },
})

const settingsFor = async (workflow: Workflow, source: RunSource, settings: JobSettings) => {
  const names = namesInWorkflow(workflow)
  const secrets = await settings.secrets(source, names.secrets)
  return { kind: 'given' as const, secrets, vars: await settings.variables(source, names.vars) }
}

type Conduct = {
  readonly state: () => RunState
  readonly tell: (...inputs: RunInput[]) => Promise<void>
  readonly workflow: Workflow
  readonly source: RunSource
  readonly secrets: Readonly<Record<string, string>>
  readonly vars: Readonly<Record<string, string>>
  readonly notes: readonly string[]
  readonly tools: ConductorTools
  readonly signals: RunSignals
  /** The removals of finished jobs' directories, which go on while other jobs run. */
  readonly cleaning: Promise<void>[]
}

/** How a job ended, all its rows together. */
type JobEnd = { readonly conclusion: Conclusion; readonly outputs: Readonly<Record<string, string>> }

const conductJobs = async (conduct: Conduct): Promise<void> => {
  const { jobs } = conduct.workflow
  const jobNamed = new Map(jobs.map((job) => [job.id.toLowerCase(), job]))
  const ends = new Map<string, Promise<JobEnd>>()
  const endOf = (job: Job): Promise<JobEnd> => {
    const known = ends.get(job.id) ?? start(job)
    ends.set(job.id, known)
    return known
  }
  const needed = (job: Job): Job[] => job.needs.flatMap((need) => jobNamed.get(need.toLowerCase()) ?? [])
  const ancestors = (job: Job): Set<Job> => new Set(needed(job).flatMap((need) => [need, ...ancestors(need)]))
  const start = async (job: Job): Promise<JobEnd> => {
    const needs: Record<string, Json> = {}
    for (const need of needed(job)) {
      const { conclusion, outputs } = await endOf(need)
      needs[need.id] = { result: conclusion, outputs }
    }
    const before = await Promise.all(Array.from(ancestors(job), async (one) => (await endOf(one)).conclusion))
    return conductJob(conduct, job, needs, before)
  }
  // All are waited for even when one is at fault: none may go on behind the caller's back.
  const settled = await Promise.allSettled(jobs.map(endOf))
  for (const end of settled) if (end.status === 'rejected') throw end.reason
}

const conductJob = async (
  conduct: Conduct,
  job: Job,
  needs: Readonly<Record<string, Json>>,
  before: readonly Conclusion[],
): Promise<JobEnd> => {
  const { signals, tell, state } = conduct
  const scope = scopeOf(conduct, job, needs, before)
  try {
    const isWanted = await holds(job.if?.expression, scope)
    if (!isWanted) {
      const conclusion = signals.cancel.aborted ? 'cancelled' : 'skipped'
      await tell({ kind: 'job-ended', result: { ...nothing, job: job.id, conclusion } })
      return { conclusion, outputs: {} }
    }
    const rows = await rowsFor(job, scope)
    return await conductRows(conduct, job, needs, rows, scope)
  } catch (error) {
    if (signals.kill.aborted) throw error
    const failure = { ...noFailure, job: job.id, detail: describeError(error) }
    await tell({ kind: 'job-ended', result: { ...nothing, job: job.id, conclusion: 'failure', failure } })
    return { conclusion: state().jobs.get(job.id)?.finished?.conclusion ?? 'failure', outputs: {} }
  }
}

type JobRow = { readonly key: string; readonly matrix: Json; readonly label: string }

const rowsFor = async (job: Job, scope: Scope): Promise<readonly JobRow[]> => {
  if (!job.strategy?.matrix) return [{ key: job.id, matrix: null, label: '' }]
  const rows = rowsOf(await evaluateTemplate(job.strategy.matrix, scope))
  return rows.map((row, index) => ({ key: `${job.id}.${index + 1}`, matrix: row, label: rowLabel(row) }))
}

const conductRows = async (
  conduct: Conduct,
  job: Job,
  needs: Readonly<Record<string, Json>>,
  rows: readonly JobRow[],
  scope: Scope,
): Promise<JobEnd> => {
  const failFast = (await flagFrom(job.strategy?.failFast, scope)) ?? true
  const maxParallel = Math.max(1, (await numberFrom(job.strategy?.maxParallel, scope)) ?? rows.length)
  const siblings = new AbortController()
  const cancel = AbortSignal.any([conduct.signals.cancel, siblings.signal])
  const ends: Finished[] = []
  const queue = [...rows.entries()]
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const [index, row] = next
      const strategy = {
        'fail-fast': failFast,
        'job-index': index,
        'job-total': rows.length,
        'max-parallel': maxParallel,
      }
      const end = await conductRow(conduct, job, needs, row, strategy, scope, cancel)
      ends.push(end)
      if (failFast && end.conclusion === 'failure') siblings.abort()
    }
  }
  const settled = await Promise.allSettled(Array.from({ length: Math.min(maxParallel, rows.length) }, worker))
  for (const end of settled) if (end.status === 'rejected') throw end.reason
  const outputs = Object.assign({}, ...ends.map((end) => end.outputs))
  const worst = (['failure', 'cancelled', 'success'] as const).find((one) =>
    ends.some(({ conclusion }) => conclusion === one),
  )
  return { conclusion: worst ?? 'skipped', outputs }
}

const conductRow = async (
  conduct: Conduct,
  job: Job,
  needs: Readonly<Record<string, Json>>,
  row: JobRow,
  strategy: Json,
  scope: Scope,
  cancel: AbortSignal,
): Promise<Finished> => {
  const { state, tell, tools, signals, source, workflow, secrets, vars, notes, cleaning } = conduct
  const { key } = row
  const finished = (): Finished | undefined => state().jobs.get(key)?.finished ?? undefined
  const earlier = finished()
  if (earlier) return earlier
  const rowScope = { ...scope, contexts: { ...scope.contexts, matrix: row.matrix, strategy } }
  const name = (await textFrom(job.name, rowScope)) || `${job.id}${row.label}`
  const slot = await tools.slots.take(AbortSignal.any([cancel, signals.kill])).catch(() => null)
  try {
    if (slot === null) {
      await tell({ kind: 'job-ended', result: { ...nothing, job: key, conclusion: 'cancelled' } })
    } else {
      await tell({ kind: 'job-begins', job: key, name })
      const given = finished() // it was started too often
      if (given) return given
      const order = { source, workflow, job, key, name, matrix: row.matrix, strategy, needs, secrets, vars, notes }
      const result = await withLog(conduct, key, async (log) => {
        const user = tools.userFor(slot.number)
        return runJob(order, await placeFor(tools, source.run, key, user, log), { cancel, kill: signals.kill })
      })
      cleaning.push(removeWorkspace(join(tools.home.workspaces, source.run, key)).catch(() => undefined))
      signals.kill.throwIfAborted()
      await tell({ kind: 'job-ended', result: { job: key, ...(await tolerated(result, job, rowScope)) } })
    }
  } finally {
    slot?.release()
  }
  return finished() ?? { run: source.run, ...nothing, job: key, conclusion: 'failure' }
}

/** With `continue-on-error` a failed job counts as a success. */
const tolerated = async (result: JobResult, job: Job, scope: Scope): Promise<Omit<Finished, 'run' | 'job'>> => {
  const isTolerated = result.conclusion === 'failure' && ((await flagFrom(job.continueOnError, scope)) ?? false)
  return {
    conclusion: isTolerated ? 'success' : result.conclusion,
    outputs: { ...result.outputs },
    steps: [...result.steps],
    failure: result.failure,
  }
}

const withLog = async <Result>(
  { tools, source }: Conduct,
  key: string,
  work: (log: ReturnType<typeof openJobLog>) => Promise<Result>,
): Promise<Result> => {
  const file = await tools.logs.begin(source.run, key)
  const log = openJobLog(file, tools.clock, () => tools.logs.grew(file))
  try {
    return await work(log)
  } finally {
    await log.close()
    tools.logs.end(file)
  }
}

const placeFor = async (
  { home, clock, actions, toolchain, serverUrl }: ConductorTools,
  run: string,
  key: string,
  user: JobUser | null,
  log: ReturnType<typeof openJobLog>,
): Promise<JobPlace> => ({
  root: join(home.workspaces, run, key),
  user,
  log,
  clock,
  actions,
  path: await toolchain.defaultPath(user),
  toolCache: join(home.caches, 'tools'),
  serverUrl: serverUrl(),
  hasBash: await toolchain.hasBash(),
})

/** What a job's `if`, name and strategy can see. */
const scopeOf = (
  { source, workflow, vars, signals, tools }: Conduct,
  job: Job,
  needs: Readonly<Record<string, Json>>,
  before: readonly Conclusion[],
): Scope => {
  const isCancelled = signals.cancel.aborted
  const about = { workflow: workflow.name, job: job.id, workspace: '', serverUrl: tools.serverUrl(), eventPath: '' }
  return {
    contexts: { github: githubContext(source, about), needs, vars, inputs: {} },
    status: {
      success: !isCancelled && before.every((conclusion) => conclusion === 'success'),
      failure: !isCancelled && before.includes('failure'),
      cancelled: isCancelled,
    },
  }
}

const nothing = { outputs: {}, steps: [] }
const noFailure: Failure = {
  job: null,
  step: null,
  command: null,
  exitCode: null,
  detail: '',
  lastLines: [],
  where: null,
}
