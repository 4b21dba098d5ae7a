import type { CommitRow, DeploymentRow, FailedHow } from '../tables.ts'

/** What bears on a deployment: those that mend it, and the incidents that are put down to it. */
export type Evidence = {
  readonly mended: readonly { readonly how: FailedHow; readonly live_at: number | null }[]
  readonly incidents: readonly { readonly how: FailedHow | null; readonly resolved_at: number | null }[]
  /** Whether it mends others. */
  readonly mends: boolean
}

type Judged = Pick<DeploymentRow, 'counted' | 'pending' | 'failed' | 'failed_how' | 'rework' | 'restored_at'>

/** Whether it is part of the figures: it took production traffic, and nothing newer took its place on its way. */
export const isCounted = ({ live_at, state }: Pick<DeploymentRow, 'live_at' | 'state'>): boolean =>
  live_at !== null && (state === 'live' || state === 'succeeded' || state === 'rolled-back')

const inOrder: readonly FailedHow[] = ['said', 'rollback', 'revert', 'hotfix', 'suspected']

/**
 * What a deployment is in the figures. However many incidents it has caused, it has failed once. It is restored by what comes first: the
 * end of the last of its incidents, the deployment that mends it, or the return of the old version within its own rollout.
 */
export const assess = (row: DeploymentRow, { mended, incidents, mends }: Evidence): Judged => {
  const counted = isCounted(row)
  const reasons = [
    ...(row.state === 'rolled-back' ? ['rollback' as const] : []),
    ...mended.map(({ how }) => how),
    ...incidents.flatMap(({ how }) => (how === null ? [] : [how])),
  ]
  const how = row.said_failure === 1 ? 'said' : (inOrder.find((one) => reasons.includes(one)) ?? null)
  const failed = counted && (row.said_failure === null ? how !== null : row.said_failure === 1)
  const rework = counted && (row.said_rework === null ? mends || row.kind !== 'planned' : row.said_rework === 1)
  return {
    counted: counted ? 1 : 0,
    pending: counted && !failed && row.state === 'live' ? 1 : 0,
    failed: failed ? 1 : 0,
    failed_how: failed ? how : null,
    rework: rework ? 1 : 0,
    restored_at: failed ? restoredAt(row, { mended, incidents }) : null,
  }
}

const restoredAt = (row: DeploymentRow, { mended, incidents }: Omit<Evidence, 'mends'>): number | null => {
  const ends = incidents.map(({ resolved_at }) => resolved_at)
  const moments = [
    row.state === 'rolled-back' ? row.reverted_at : null,
    ...mended.map(({ live_at }) => live_at),
    ends.length === 0 || ends.includes(null) ? null : Math.max(...ends.map((end) => end ?? 0)),
  ].filter((moment) => moment !== null)
  return moments.length === 0 ? null : Math.min(...moments)
}

type Measured = Pick<DeploymentRow, 'leads' | 'commits' | 'merges' | 'unknown' | 'negative' | 'first'>

/**
 * Lead times of what a deployment brought: from each commit to when it was live. Of the first of a lane nobody knows how long its
 * commits had been live elsewhere, merge commits are nobody's work, and one from the future tells of a clock that is wrong: these
 * have none, and are counted.
 */
export const measure = (row: DeploymentRow, commits: readonly CommitRow[], isFirst: boolean): Measured => {
  const own = commits.filter(({ is_merge }) => is_merge === 0)
  const none = { leads: new Uint8Array(), commits: commits.length, merges: 0, unknown: 0, negative: 0, first: 0 }
  const { live_at } = row
  if (live_at === null || !isCounted(row) || row.state === 'rolled-back') return none
  if (isFirst) return { ...none, first: commits.length }
  const spans = own.flatMap(({ committed_at }) => (committed_at === null ? [] : [live_at - committed_at]))
  const leads = spans.filter((ms) => ms >= 0)
  return {
    leads: packLeads(leads),
    commits: commits.length,
    merges: commits.length - own.length,
    unknown: own.length - spans.length,
    negative: spans.length - leads.length,
    first: 0,
  }
}

export const packLeads = (leads: readonly number[]): Uint8Array =>
  new Uint8Array(Float64Array.from(leads).sort().buffer)

export const unpackLeads = (bytes: Uint8Array): Float64Array =>
  new Float64Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))

/** How long it took to recover from it; null where it has not failed or is not restored yet. Below 0 where a clock was wrong. */
export const recoveryOf = ({
  failed,
  restored_at,
  live_at,
}: Pick<DeploymentRow, 'failed' | 'restored_at' | 'live_at'>): number | null =>
  failed === 0 || restored_at === null || live_at === null ? null : restored_at - live_at
