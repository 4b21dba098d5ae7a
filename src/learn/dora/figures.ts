import type { Span } from './calendar.ts'
import type { Tally } from './cells.ts'
import { failRateLevel, frequencyLevel, type Level, leadTimeLevel, quickCheck, recoveryLevel } from './levels.ts'
import type { Distribution } from './quantile.ts'

/** The five metrics of a span; null where there is no data. Times in milliseconds. */
export type Figures = {
  readonly deployments: {
    readonly n: number
    /** Over the part of the span that is over. */
    readonly perDay: number | null
  }
  readonly leadTime: Distribution & {
    /** Commits that have no lead time, by reason. */
    readonly dropped: {
      readonly first: number
      readonly merge: number
      readonly negative: number
      readonly unknown: number
      readonly again: number
    }
  }
  readonly changeFailRate: {
    readonly value: number | null
    readonly failed: number
    /** Deployments judged so far: those that are still watched are none of them. */
    readonly n: number
    readonly pending: number
    /** Of the failed, those that only the time speaks against. */
    readonly suspected: number
  }
  readonly recovery: Distribution & {
    /** Failed and not restored yet. */
    readonly open: number
    readonly dropped: { readonly negative: number }
  }
  readonly rework: { readonly value: number | null; readonly unplanned: number; readonly n: number }
}

const dayMs = 86_400_000

/** Figures from what deployments come to together, and from how their times are distributed. `now` cuts off what is to come. */
export const figuresOf = (
  { counts }: Pick<Tally, 'counts'>,
  { leads, recoveries }: { leads: Distribution; recoveries: Distribution },
  span: Span,
  now: number,
): Figures => {
  const n = counts.deployments
  const judged = n - counts.pending
  const days = (Math.min(span.until, Math.max(now, span.from + 1)) - span.from) / dayMs
  return {
    deployments: { n, perDay: n === 0 ? null : n / days },
    leadTime: {
      ...leads,
      dropped: {
        first: counts.dropped_first,
        merge: counts.dropped_merge,
        negative: counts.dropped_negative,
        unknown: counts.dropped_unknown,
        again: counts.dropped_again,
      },
    },
    changeFailRate: {
      value: judged === 0 ? null : counts.failed / judged,
      failed: counts.failed,
      n: judged,
      pending: counts.pending,
      suspected: counts.suspected,
    },
    recovery: { ...recoveries, open: counts.open, dropped: { negative: counts.negative } },
    rework: { value: n === 0 ? null : counts.rework / n, unplanned: counts.rework, n },
  }
}

export type Levels = {
  readonly leadTime: Level | null
  readonly deployments: Level | null
  readonly changeFailRate: Level | null
  readonly recovery: Level | null
}
export const levelsOf = (figures: Figures): Levels => ({
  leadTime: leadTimeLevel(figures.leadTime.median),
  deployments: frequencyLevel(figures.deployments.perDay),
  changeFailRate: failRateLevel(figures.changeFailRate.value),
  recovery: recoveryLevel(figures.recovery.median),
})

export const quickCheckOf = (figures: Figures) => ({
  leadTime: quickCheck.time(figures.leadTime.median),
  deployments: quickCheck.frequency(figures.deployments.perDay),
  changeFailRate: quickCheck.share(figures.changeFailRate.value),
  recovery: quickCheck.time(figures.recovery.median),
  rework: quickCheck.share(figures.rework.value),
})
