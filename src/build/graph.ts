import { describeError } from '../problem.ts'
import { type Conduct, type JobEnd, neededFor } from './conductor.ts'
import type { Failure } from './facts.ts'
import { failureFor } from './failure.ts'
import { githubContext } from './jobs/contexts.ts'
import { conductRows, nothing, rowsFor } from './rows.ts'
import { holds, type Json, type Scope } from './workflow/expression.ts'
import { MatrixFault } from './workflow/matrix.ts'
import { describeTemplate } from './workflow/template.ts'
import type { Job } from './workflow/workflow.ts'

/**
 * The jobs of one workflow, each once those that it needs are over; resolves to how each ended, by its id. `isAnew`: what called the
 * workflow runs in this attempt, so that nothing of an earlier one stands.
 */
export const conductJobs = async (conduct: Conduct, isAnew: boolean): Promise<ReadonlyMap<string, JobEnd>> => {
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
    const before = await Promise.all(Array.from(ancestors(job), endOf))
    return conductJob(conduct, job, needs, before, isAnew || before.some((end) => end.isAnew))
  }
  // All are waited for even when one is at fault: none may go on behind the caller's back.
  const settled = await Promise.allSettled(jobs.map(endOf))
  for (const end of settled) if (end.status === 'rejected') throw end.reason
  const ended = new Map<string, JobEnd>()
  for (const [id, end] of ends) ended.set(id, await end)
  return ended
}

const conductJob = async (
  conduct: Conduct,
  job: Job,
  needs: Readonly<Record<string, Json>>,
  before: readonly JobEnd[],
  isAnew: boolean,
): Promise<JobEnd> => {
  const { signals, tell, state, prefix, label } = conduct
  const scope = scopeOf(conduct, job, needs, before)
  using cancelling = cancelUnlessItHolds(conduct, job, () => scopeOf(conduct, job, needs, before))
  const key = `${prefix}${job.id}`
  // As it is written, for it may ask for what only a row of a matrix has.
  const name = `${label}${job.name ? describeTemplate(job.name) : job.id}`
  const about = { job: key, name, ...neededFor(conduct, job) }
  try {
    const isWanted = await holds(job.if?.expression, scope)
    if (!isWanted) {
      const conclusion = signals.cancel.aborted ? 'cancelled' : 'skipped'
      await tell({ kind: 'job-ended', result: { ...nothing, ...about, conclusion } })
      return { conclusion, outputs: {}, isAnew }
    }
    const rows = await rowsFor(conduct, job, scope)
    return await conductRows({ conduct, job, needs, scope, isAnew, cancel: cancelling.signal }, rows)
  } catch (error) {
    if (signals.kill.aborted) throw error
    const failure = failureFor(describeError(error), { job: name, where: placeOf(conduct, error) })
    await tell({ kind: 'job-ended', result: { ...nothing, ...about, conclusion: 'failure', failure } })
    return { conclusion: state().jobs.get(key)?.finished?.conclusion ?? 'failure', outputs: {}, isAnew: true }
  }
}

/**
 * Aborts with the run, unless the condition of the job still holds then: what always runs goes on to its end.
 * https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-cancellation
 */
const cancelUnlessItHolds = ({ signals }: Conduct, job: Job, scope: () => Scope) => {
  const cancel = new AbortController()
  const over = new AbortController()
  const decide = async (): Promise<void> => {
    const stillHolds = await holds(job.if?.expression, scope()).catch(() => false)
    if (!stillHolds) cancel.abort(signals.cancel.reason)
  }
  // One that starts in spite of the cancellation was asked before.
  if (!signals.cancel.aborted)
    signals.cancel.addEventListener('abort', () => void decide(), { once: true, signal: over.signal })
  return { signal: cancel.signal, [Symbol.dispose]: () => over.abort() }
}

const placeOf = ({ workflow }: Conduct, error: unknown): Failure['where'] =>
  error instanceof MatrixFault ? { file: workflow.file, ...error.at } : null

/** What a job's `if`, name and strategy can see. */
const scopeOf = (
  { source, vars, inputs, signals, tools }: Conduct,
  job: Job,
  needs: Readonly<Record<string, Json>>,
  before: readonly JobEnd[],
): Scope => {
  const isCancelled = signals.cancel.aborted
  const about = { job: job.id, workspace: '', serverUrl: tools.serverUrl(), eventPath: '' }
  return {
    contexts: { github: githubContext(source, about), needs, vars, inputs },
    status: {
      success: !isCancelled && before.every(({ conclusion }) => conclusion === 'success'),
      failure: !isCancelled && before.some(({ conclusion }) => conclusion === 'failure'),
      cancelled: isCancelled,
    },
  }
}
