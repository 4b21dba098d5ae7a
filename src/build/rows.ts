import type { Conduct, JobEnd } from './conductor.ts'
import type { Failure } from './facts.ts'
import { type JobLog, openJobLog } from './jobs/log.ts'
import type { JobResult } from './jobs/result.ts'
import type { Finished } from './run.ts'
import { evaluateTemplate, flagFrom, numberFrom, textFrom } from './workflow/evaluate.ts'
import type { Json, Scope } from './workflow/expression.ts'
import { rowLabel, rowsOf } from './workflow/matrix.ts'
import { defaultPermissions } from './workflow/permissions.ts'
import type { Job } from './workflow/workflow.ts'

/** One row of a job's matrix, or the whole job where it has none. */
export type JobRow = { readonly key: string; readonly matrix: Json; readonly label: string }

/** Throws an Error that says what is wrong with the matrix. */
export const rowsFor = async (job: Job, scope: Scope): Promise<readonly JobRow[]> => {
  if (!job.strategy?.matrix) return [{ key: job.id, matrix: null, label: '' }]
  const rows = rowsOf(await evaluateTemplate(job.strategy.matrix, scope))
  return rows.map((row, index) => ({ key: `${job.id}.${index + 1}`, matrix: row, label: rowLabel(row) }))
}

/** Runs the rows, as many at a time as `max-parallel` allows. */
export const conductRows = async (
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
  const { state, tell, tools, signals, source, workflow, secrets, vars, notes, isByAdministrator, cleaning } = conduct
  const { key } = row
  const finished = (): Finished | undefined => state().jobs.get(key)?.finished ?? undefined
  const earlier = finished()
  if (earlier) return earlier
  const rowScope = { ...scope, contexts: { ...scope.contexts, matrix: row.matrix, strategy } }
  const name = (await textFrom(job.name, rowScope)) || `${job.id}${row.label}`
  const permissions = job.permissions ?? workflow.permissions ?? defaultPermissions
  const given = { needs, secrets, vars, inputs: {}, permissions, environment: null, notes, isByAdministrator }
  const order = { source, workflow, job, key, name, matrix: row.matrix, strategy, ...given }
  await using log = openOnDemand(conduct, key)
  const begin = async (_runner: string, isResumed = false): Promise<JobLog | null> => {
    // The log is there before the job is said to have begun, so that whoever hears of it can follow.
    const opened = await log.open()
    if (!isResumed) await tell({ kind: 'job-begins', job: key, name })
    return finished() ? null : opened // it may have been started too often
  }
  const execution = await tools.executor.execute(order, { labels: [] }, begin, { cancel, kill: signals.kill })
  if (execution.kind === 'ended') {
    const { result, cleaned } = execution
    cleaning.push(cleaned)
    const ended = { kind: 'job-ended' as const, result: { job: key, ...(await tolerated(result, job, rowScope)) } }
    // The job itself may have filled the disk: once its directory is gone there is room to say so.
    await tell(ended).catch(() => cleaned.then(() => tell(ended)))
  } else if (!finished()) {
    const why = execution.kind === 'refused' ? refusedAs(execution.failure) : { conclusion: 'cancelled' as const }
    await tell({ kind: 'job-ended', result: { ...nothing, job: key, ...why } })
  }
  return finished() ?? { run: source.run, ...nothing, job: key, conclusion: 'failure' }
}

const refusedAs = (failure: Failure) => ({ conclusion: 'failure' as const, failure })

/** With `continue-on-error` a failed job counts as a success. */
const tolerated = async (result: JobResult, job: Job, scope: Scope): Promise<Omit<Finished, 'run' | 'job'>> => {
  const isTolerated = result.conclusion === 'failure' && ((await flagFrom(job.continueOnError, scope)) ?? false)
  return {
    conclusion: isTolerated ? 'success' : result.conclusion,
    outputs: { ...result.outputs },
    steps: [...result.steps],
    failure: result.failure,
    annotations: [...result.annotations],
  }
}

/** A job's log, whose file is made when somebody first wants to write: of a thousand jobs that wait, none holds a file. */
const openOnDemand = ({ tools, source }: Conduct, key: string) => {
  let opened: { readonly file: string; readonly log: JobLog } | null = null
  return {
    open: async (): Promise<JobLog> => {
      if (opened) return opened.log
      const file = await tools.logs.begin(source.run, key)
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
