import { conductCall } from './calls.ts'
import { type Conduct, neededFor } from './conductor.ts'
import { EndedBecause } from './ended-because.ts'
import type { Conclusion, Failure } from './facts.ts'
import { failureFor } from './failure.ts'
import { passGates } from './gates.ts'
import { readJobReports } from './job-reports.ts'
import { type JobLog, openJobLog } from './jobs/log.ts'
import type { JobResult } from './jobs/result.ts'
import { logKey } from './logs.ts'
import type { Finished } from './run.ts'
import type { BegunJob } from './runners/executor.ts'
import { labelsIn } from './runners/labels.ts'
import { evaluateTemplate, flagFrom, textFrom } from './workflow/evaluate.ts'
import type { Json, Scope } from './workflow/expression.ts'
import { namesInWorkflow, unknownReferences } from './workflow/names.ts'
import { atMost, defaultPermissions, onlyReading, type Permissions } from './workflow/permissions.ts'
import type { Job } from './workflow/workflow.ts'

/** One row of a job's matrix, or the whole job, that is to run now. */
export type RowOfJob = {
  readonly conduct: Conduct
  readonly job: Job
  readonly needs: Readonly<Record<string, Json>>
  /** Unique in the run, and safe as a file name. */
  readonly key: string
  readonly matrix: Json
  readonly label: string
  readonly strategy: Json
  /** The row's own contexts included. */
  readonly scope: Scope
  readonly cancel: AbortSignal
  /** Something that it needs ran in this attempt, so that it must too. */
  readonly isAnew: boolean
}

/** Runs a row to its end, unless an earlier start of the server or an earlier attempt of the run has. */
export const conductRow = async (row: RowOfJob): Promise<Finished> => {
  const { conduct, job, key, scope } = row
  const { state, tell, source } = conduct
  const finished = (): Finished | undefined => state().jobs.get(key)?.finished ?? undefined
  if (!finished() && !row.isAnew && state().earlier?.get(key)?.finished.conclusion === 'success' && !job.call)
    await tell({ kind: 'job-kept', job: key })
  const earlier = finished()
  if (earlier) return earlier
  const name = `${conduct.label}${(await textFrom(job.name, scope)) || `${job.id}${row.label}`}`
  const about = { job: key, name, ...neededFor(conduct, job) }
  const gate = await passGates(row, name)
  if (gate.kind === 'ended')
    await tell({ kind: 'job-ended', result: { ...nothing, ...explained(gate.end, name, row.cancel), ...about } })
  else if (job.call) await tell(await conductCall({ ...row, cancel: gate.cancel }, job.call, name, permissionsOf(row)))
  else await execute({ ...row, cancel: gate.cancel }, name, gate.environment)
  return finished() ?? { run: source.run, ...nothing, job: key, conclusion: 'failure' }
}

const execute = async (row: RowOfJob, name: string, environment: string | null): Promise<void> => {
  const { conduct, job, needs, key, matrix, strategy, scope, cancel } = row
  const { state, tell, tools, signals, source, workflow, inputs, reports, isByAdministrator, cleaning } = conduct
  const finished = (): Finished | null => state().jobs.get(key)?.finished ?? null
  const about = { job: key, name, ...neededFor(conduct, job) }
  const { secrets, vars } = await settingsIn(conduct, environment?.toLowerCase() ?? null)
  const notes = unknownReferences(workflow.file, job)
  const given = { needs, secrets, vars, inputs, permissions: permissionsOf(row), environment, notes, isByAdministrator }
  const order = { source, workflow, job, key, name, matrix, strategy, reports, ...given }
  await using log = openOnDemand(conduct, key)
  const record = async (isResumed: boolean): Promise<boolean> => {
    const isKnown = isResumed && (state().jobs.get(key)?.starts ?? 0) > 0
    if (!isKnown) await tell({ kind: 'job-begins', ...about })
    return !finished() // it may have been started too often
  }
  const begin = async (_runner: string, isResumed = false): Promise<BegunJob> => {
    // The log is there before the job is said to have begun, so that whoever hears of it can follow.
    const opened = await log.open()
    return { log: opened, mayRun: record(isResumed) }
  }
  const labels = labelsIn(await evaluateTemplate(job.runsOn, scope))
  const execution = await tools.executor.execute(order, { labels }, begin, { cancel, kill: signals.kill })
  if (execution.kind === 'ended') {
    const { result, cleaned } = execution
    cleaning.push(cleaned)
    const read = await readJobReports(conduct, { job: key, jobName: name }, result, log.open)
    const summary = await tools.logs
      .keepSummary(source.run, logKey(key, source.attempt), result.summary)
      .catch(() => null)
    const used = environment === null ? {} : { environment: { name: environment, url: result.environmentUrl } }
    const outcome = explained(await tolerated(result, job, scope), name, cancel)
    const end = { job: key, ...outcome, annotations: read.annotations, summary, ...used }
    const ended = { kind: 'job-ended' as const, result: end, also: read.facts }
    // The job itself may have filled the disk: once its directory is gone there is room to say so.
    await tell(ended).catch(() => cleaned.then(() => tell(ended)))
  } else if (!finished()) {
    const why = execution.kind === 'refused' ? refusedAs(execution.failure) : cancelledAs(name, cancel)
    await tell({ kind: 'job-ended', result: { ...nothing, ...about, ...why } })
  }
}

const cancelledAs = (name: string, { reason }: AbortSignal) => ({
  conclusion: 'cancelled' as const,
  failure: reason instanceof EndedBecause ? failureFor(reason.message, { job: name }) : null,
})

/** A job that was cancelled says why, where it does not yet and somebody knows. */
const explained = <End extends { readonly conclusion: Conclusion; readonly failure?: Failure | null | undefined }>(
  end: End,
  name: string,
  cancel: AbortSignal,
): End => (end.conclusion === 'cancelled' && !end.failure ? { ...end, ...cancelledAs(name, cancel) } : end)

const refusedAs = (failure: Failure) => ({ conclusion: 'failure' as const, failure })

/** What the token of a job may do: as the job says, else its workflow; in a called one never more than the caller's. */
const permissionsOf = ({ conduct: { workflow, ceiling, source }, job }: RowOfJob): Permissions => {
  const wanted = job.permissions ?? workflow.permissions ?? ceiling ?? defaultPermissions
  const allowed = ceiling ? atMost(wanted, ceiling) : wanted
  return source.isTrusted ? allowed : onlyReading(allowed)
}

/** An environment's own values stand before those that the job would have without it. */
const settingsIn = async (
  { secrets, vars, source, workflow, tools: { settings } }: Conduct,
  environment: string | null,
): Promise<Pick<Conduct, 'secrets' | 'vars'>> => {
  if (environment === null) return { secrets, vars }
  const names = namesInWorkflow(workflow)
  const own = async (read: typeof settings.secrets, of: readonly string[]): Promise<Record<string, string>> => {
    const [without, within] = [await read(source, of), await read(source, of, environment)]
    return Object.fromEntries(Object.entries(within).filter(([name, value]) => without[name] !== value))
  }
  return {
    secrets: source.isTrusted ? { ...secrets, ...(await own(settings.secrets, names.secrets)) } : {},
    vars: { ...vars, ...(await own(settings.variables, names.vars)) },
  }
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

/** A job's log, whose file is made when somebody first wants to write: of a thousand jobs that wait, none holds a file. */
const openOnDemand = ({ tools, source }: Conduct, key: string) => {
  let opened: { readonly file: string; readonly log: JobLog } | null = null
  return {
    open: async (): Promise<JobLog> => {
      if (opened) return opened.log
      const file = await tools.logs.begin(source.run, logKey(key, source.attempt))
      opened = { file, log: openJobLog(file, tools.clock, () => tools.logs.grew(file)) }
      return opened.log
    },
    [Symbol.asyncDispose]: async (): Promise<void> => {
      await opened?.log.close()
      if (opened) tools.logs.end(opened.file)
    },
  }
}

/** The result of a job that ran no step. */
export const nothing = { outputs: {}, steps: [] }
