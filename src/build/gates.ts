import { neededFor } from './conductor.ts'
import type { Conclusion, Failure } from './facts.ts'
import { failureFor } from './failure.ts'
import { groupNamed } from './header.ts'
import type { RowOfJob } from './row.ts'
import { flagFrom, textFrom } from './workflow/evaluate.ts'
import type { Scope } from './workflow/expression.ts'
import { matchesAny } from './workflow/trigger.ts'
import type { GroupTemplate } from './workflow/workflow.ts'

/** Whether a job may start. */
export type Gate =
  | {
      readonly kind: 'passed'
      /** The environment that it may use now; null where it names none. */
      readonly environment: string | null
      /** Aborts also when a newer one of its concurrency group asks for its end. */
      readonly cancel: AbortSignal
    }
  | { readonly kind: 'ended'; readonly end: { readonly conclusion: Conclusion; readonly failure: Failure | null } }

/**
 * Holds a job until its concurrency group is free and, after that, until its environment is approved. What it waits for is recorded, so
 * that it waits on after a restart of the server. A job that waits for an approval is in its group already: nothing overtakes it.
 */
export const passGates = async (row: RowOfJob, name: string): Promise<Gate> => {
  const turn = await takeTurn(row, name, row.job.concurrency, row.scope)
  if (turn.kind === 'ended') return turn
  const environment = (await textFrom(row.job.environment?.name, row.scope))?.trim() || null
  return environment === null ? { ...turn, environment } : approve({ ...row, cancel: turn.cancel }, name, environment)
}

const ended = (conclusion: Conclusion, detail: string | null, job: string): Gate => ({
  kind: 'ended',
  end: { conclusion, failure: detail === null ? null : failureFor(detail, { job }) },
})

/** Holds a job until it has its turn in a concurrency group: its own, or that of the workflow which it calls. */
export const takeTurn = async (
  row: RowOfJob,
  name: string,
  concurrency: GroupTemplate | undefined,
  scope: Scope,
): Promise<Gate> => {
  const { conduct, key, cancel } = row
  const { tools, tell, source, signals } = conduct
  const passed: Gate = { kind: 'passed', environment: null, cancel }
  if (!concurrency || !tools.surroundings) return passed
  const group = await groupNamed(concurrency, scope)
  const cancelInProgress = (await flagFrom(concurrency.cancelInProgress, scope)) ?? false
  const wait = { kind: 'concurrency' as const, group, cancelInProgress, queue: concurrency.queue }
  await tell({ kind: 'job-waits', job: key, name, ...neededFor(conduct, row.job), wait })
  const turn = await tools.surroundings.waits
    .turn({ run: source.run, job: key, group }, AbortSignal.any([cancel, signals.kill]))
    .catch(() => null)
  signals.kill.throwIfAborted()
  if (turn === null) return ended('cancelled', null, name)
  switch (turn.kind) {
    case 'held':
      return { ...passed, cancel: AbortSignal.any([cancel, turn.cancelled]) }
    case 'superseded':
      return ended('cancelled', `${turn.by} took its place in the concurrency group ${group}`, name)
    case 'deadlock':
      return ended('cancelled', `the concurrency group ${group} is held by what this job is a part of`, name)
  }
}

const approve = async (row: RowOfJob, name: string, environment: string): Promise<Gate> => {
  const { conduct, key, cancel } = row
  const { tools, tell, source, signals } = conduct
  const passed: Gate = { kind: 'passed', environment, cancel }
  const wanted = environment.toLowerCase() // names of environments ignore case
  const protection = (await tools.surroundings?.waits.protectionOf(source.project, wanted)) ?? null
  if (!tools.surroundings || !protection) return passed
  const ref = source.ref.replace(/^refs\/(heads|tags)\//, '')
  if (protection.refs && !matchesAny(protection.refs, ref))
    return ended('failure', `${ref} is not allowed to use the environment ${environment}`, name)
  if (!protection.needsApproval) return passed
  const wait = { kind: 'approval' as const, environment: wanted }
  await tell({ kind: 'job-waits', job: key, name, ...neededFor(conduct, row.job), wait })
  const about = { run: source.run, attempt: source.attempt, job: key }
  const approval = await tools.surroundings.waits
    .approval(about, AbortSignal.any([cancel, signals.kill]))
    .catch(() => null)
  signals.kill.throwIfAborted()
  if (approval === null) return ended('cancelled', null, name)
  switch (approval.kind) {
    case 'approved':
      return passed
    case 'rejected': {
      const comment = approval.comment === null ? '' : `: ${approval.comment}`
      return ended('failure', `${approval.by} rejected the use of the environment ${environment}${comment}`, name)
    }
    case 'expired':
      return ended('failure', `nobody approved the use of the environment ${environment} within 30 days`, name)
  }
}
