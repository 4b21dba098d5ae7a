/**
 * The way of a change as moments in their order, and the stages between them. Whatever is not known is left out, and its time falls to the
 * stage that ends at the next moment that is known: the stages always come to the whole.
 */
export const moments = [
  ...(['committed', 'opened', 'reviewed', 'approved', 'queued', 'merged', 'started', 'verified'] as const),
  ...(['packaged', 'held', 'granted', 'requested', 'live', 'watched'] as const),
]
export type Moment = (typeof moments)[number]
/** Milliseconds since 1970; null: it never came to that, or nobody knows when. */
export type Moments = Readonly<Record<Moment, number | null>>

/** Stages in the order in which a change goes through them. */
export const stageNames = [
  ...(['coding', 'review-wait', 'review', 'merge-wait', 'merge-queue', 'runner-wait', 'checks'] as const),
  ...(['packaging', 'release-wait', 'approval-wait', 'rollout', 'watch'] as const),
]
export type StageName = (typeof stageNames)[number]
const waiting: ReadonlySet<StageName> = new Set([
  ...(['review-wait', 'merge-wait', 'merge-queue', 'runner-wait', 'release-wait', 'approval-wait'] as const),
])
/** Whether nobody and nothing works on a change in this stage. */
export const isWaiting = (stage: StageName): boolean => waiting.has(stage)

export type Stage = { readonly stage: StageName; readonly from: number; readonly until: number }

/** What ends at a moment. */
const endsAt = (moment: Moment, before: Moment): StageName => {
  switch (moment) {
    case 'committed':
    case 'opened':
      return 'coding'
    case 'reviewed':
      return 'review-wait'
    case 'approved':
      return before === 'reviewed' ? 'review' : 'review-wait'
    case 'queued':
      return 'merge-wait'
    case 'merged':
      // What was pushed at once was written until then.
      return before === 'committed' ? 'coding' : before === 'queued' ? 'merge-queue' : 'merge-wait'
    case 'started':
      return 'runner-wait'
    case 'verified':
      return 'checks'
    case 'packaged':
      return 'packaging'
    case 'held':
      return 'release-wait'
    case 'granted':
      return before === 'held' ? 'approval-wait' : 'release-wait'
    case 'requested':
      return 'release-wait'
    case 'live':
      return 'rollout'
    case 'watched':
      return 'watch'
  }
}

export type Way = {
  readonly stages: readonly Stage[]
  /** From the first moment that is known to when it was live; null: it is not live. */
  readonly totalMs: number | null
  /** Moments that came after a later one: a clock was wrong, or it was done once more. They are left out. */
  readonly unordered: readonly Moment[]
}

/** The stages of a change. Of moments that contradict each other the later of the way counts. */
export const wayOf = (known: Moments): Way => {
  const kept: { moment: Moment; at: number }[] = []
  const unordered: Moment[] = []
  for (const moment of moments.toReversed()) {
    const at = known[moment]
    if (at === null) continue
    const next = kept[0]
    if (next !== undefined && at > next.at) unordered.unshift(moment)
    else kept.unshift({ moment, at })
  }
  const stages = kept.slice(1).map(({ moment, at }, place) => {
    const before = kept[place]
    return { stage: endsAt(moment, before?.moment ?? moment), from: before?.at ?? at, until: at }
  })
  const [first] = kept
  return { stages, totalMs: first && known.live !== null ? known.live - first.at : null, unordered }
}
