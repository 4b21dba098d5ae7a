import type { InstanceSpec } from '../../agent/protocol.ts'
import { describeDuration } from '../../duration.ts'
import type { MigrationPlan } from '../../golden/release.ts'
import { isFact, type RecordedFact } from '../../ledger/fact.ts'
import { type CommitId, type Digest, shortCommit } from '../../names.ts'
import { databaseRemoved, databaseRestored } from '../../operate/facts.ts'
import { environmentOption, type Target } from '../target.ts'
import { migrationFinished, migrationStarted } from './facts.ts'

/** What an instance of the deployment would be started with; the migration gets the same. */
export type Surroundings = Pick<InstanceSpec, 'files' | 'workingDirectory' | 'env' | 'limits' | 'user'>

export type MigrationOrder = {
  readonly deployment: string
  /** Sequence number of the fact that asked for the deployment. */
  readonly cause: number
  readonly target: Target
  readonly release: Digest
  readonly commit: CommitId
  /** Null: this release has none; one that an earlier deployment has left running is still waited for. */
  readonly plan: MigrationPlan | null
  readonly surroundings: Surroundings
  readonly secretValues: readonly string[]
  /** It fills the database of a preview: once, whatever releases follow. */
  readonly isSeed?: boolean
  /** The release that has the traffic; null when nothing runs. */
  readonly running: Digest | null
}

export type MigrationOutcome =
  /** Nothing to do, done now, or done by an earlier deployment of this release. */
  | { readonly kind: 'ready' }
  | {
      readonly kind: 'failed'
      readonly detail: string
      readonly lastLines: readonly string[]
      readonly next: string
    }

/** The deployments of a target whose migrations began before those of its newest `kept`. Facts the oldest first. */
export const withOldLogs = (facts: readonly RecordedFact[], kept: number): ReadonlySet<string> => {
  const begun = new Set(facts.flatMap((one) => (isFact(migrationStarted, one) ? [one.payload.deployment] : [])))
  return new Set([...begun].slice(0, Math.max(0, begun.size - kept)))
}

/** How a migration's command came to its end. */
export type Ending = {
  readonly outcome: 'succeeded' | 'failed' | 'timed-out' | 'interrupted' | 'not-begun'
  readonly exitCode: number | null
  readonly detail: string | null
}

/** One try of a release's migration in one environment. */
export type Attempt = {
  readonly deployment: string
  readonly attempt: number
  readonly ended: { readonly ending: Ending; readonly lastLines: readonly string[] } | null
}

type Tried = Pick<MigrationOrder, 'release' | 'target'> & { readonly isSeed?: boolean | undefined }

/** A release's tries, the oldest first, from the facts about its target. What a restored or removed database has undone does not count. */
export const attemptsOf = (facts: readonly RecordedFact[], { release, target, isSeed }: Tried): Attempt[] => {
  const isMeant = (one: { release: Digest; isSeed?: boolean | undefined }): boolean =>
    (one.isSeed ?? false) === (isSeed ?? false) && (isSeed === true || one.release === release)
  let attempts: Attempt[] = []
  for (const one of facts) {
    if ((isFact(databaseRestored, one) || isFact(databaseRemoved, one)) && sameTarget(one.payload, target))
      attempts = []
    if (isFact(migrationStarted, one) && isMeant(one.payload))
      attempts.push({ deployment: one.payload.deployment, attempt: one.payload.attempt, ended: null })
    if (isFact(migrationFinished, one) && isMeant(one.payload)) {
      const { deployment, attempt, outcome, exitCode, detail, lastLines } = one.payload
      const rest = attempts.filter((known) => known.deployment !== deployment || known.attempt !== attempt)
      attempts = [...rest, { deployment, attempt, ended: { ending: { outcome, exitCode, detail }, lastLines } }]
    }
  }
  return attempts
}

/**
 * What earlier tries say about an order; null: it is to be run (again). A success counts for every deployment of the release, a
 * failure only for its own: whoever deploys once more wants it tried once more.
 */
export const standing = (attempts: readonly Attempt[], order: MigrationOrder): MigrationOutcome | null => {
  const { deployment, plan } = order
  if (plan === null) return { kind: 'ready' }
  if (attempts.some(({ ended }) => ended?.ending.outcome === 'succeeded')) return { kind: 'ready' }
  const last = attempts.findLast((attempt) => attempt.deployment === deployment)
  if (!last || last.ended?.ending.outcome === 'not-begun') return null
  const mayHaveRun = last.ended === null || last.ended.ending.outcome === 'interrupted'
  if (mayHaveRun && plan.repeatable) return null
  return failureOf(order, last.ended?.ending ?? interrupted, last.ended?.lastLines ?? [])
}

export const interrupted: Ending = {
  outcome: 'interrupted',
  exitCode: null,
  detail: 'was interrupted and may have run in part',
}

export const failureOf = (
  { target, commit, isSeed }: Pick<MigrationOrder, 'target' | 'commit' | 'isSeed'>,
  { detail }: Ending,
  lastLines: readonly string[],
): MigrationOutcome => ({
  kind: 'failed',
  detail: `the ${isSeed ? 'seed' : 'migration'} of ${target.service} ${shortCommit(commit)} ${detail ?? 'failed'} in ${target.environment}; what runs stays as it was`,
  lastLines,
  next: `mend it and push again, or headway deploy ${target.service} --release ${shortCommit(commit)}${environmentOption(target)} to try it once more; headway migrations ${target.service} --log shows its log`,
})

/** What the end file of a command and the watch over it say together. */
export const endingOf = (
  said: { readonly hasBegun: boolean; readonly exitCode: number | null },
  seen: {
    readonly stopped: 'time' | 'output' | null
    readonly outOfMemory: boolean
    readonly timeoutMs: number
    /** The directory whose disk was full when it ended, as then it could not say so itself. */
    readonly fullDisk?: string | null
  },
): Ending => {
  if (said.exitCode === 0) return { outcome: 'succeeded', exitCode: 0, detail: null }
  const { exitCode } = said
  if (seen.stopped === 'time')
    return { outcome: 'timed-out', exitCode, detail: `was stopped after ${describeDuration(seen.timeoutMs)}` }
  if (seen.stopped === 'output') return { outcome: 'failed', exitCode, detail: 'was stopped: it wrote without end' }
  if (!said.hasBegun) return { outcome: 'not-begun', exitCode: null, detail: 'had not begun' }
  if (seen.outOfMemory) return { outcome: 'failed', exitCode, detail: 'ran out of memory' }
  const why = seen.fullDisk ? `: the disk of ${seen.fullDisk} was full` : ''
  if (exitCode !== null) return { outcome: 'failed', exitCode, detail: `ended with exit code ${exitCode}${why}` }
  return interrupted
}

const sameTarget = (one: Target, other: Target): boolean =>
  one.project === other.project && one.service === other.service && one.environment === other.environment
