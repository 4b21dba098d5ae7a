import { latencyEdgesMs } from '../../edge/protocol.ts'
import { ln } from './arithmetic.ts'
import { better, type Grid, lnEvidenceAgainst, worse } from './grid.ts'
import type { Tally } from './sample.ts'

/**
 * Half the width, as a share of the sample, of a band about a distribution function that holds at all sample sizes at once with
 * probability 1 - alpha (Howard and Ramdas, Sequential estimation of quantiles, 2022: a time-uniform
 * Dvoretzky-Kiefer-Wolfowitz inequality). For showing, not for the verdict.
 */
export const bandWidth = (samples: number, alpha: number): number =>
  0.85 * Math.sqrt((Math.log(Math.log(Math.E * samples)) + 0.8 * Math.log(1612 / alpha)) / samples)

/** Milliseconds; null: no bound is known, and none is made up. */
export type QuantileBand = { readonly quantile: number; readonly fromMs: number; readonly untilMs: number | null }

/**
 * Between what the p-quantile of latency lies, from a histogram (`slower`: how many took longer than each edge): the outer edges of the
 * buckets that hold the two bounding order statistics.
 */
export const quantileBand = (
  { requests, slower }: { readonly requests: number; readonly slower: readonly number[] },
  quantile: number,
  alpha: number,
): QuantileBand => {
  if (requests === 0) return { quantile, fromMs: 0, untilMs: null }
  const width = bandWidth(requests, alpha)
  const lower = Math.floor(requests * (quantile - width)) + 1
  const upper = Math.ceil(requests * (quantile + width))
  const bucketOf = (index: number): number => slower.findIndex((count) => requests - count >= index)
  const below = lower < 1 ? 0 : bucketOf(lower)
  const above = upper > requests ? -1 : bucketOf(upper)
  return {
    quantile,
    // In the bucket beyond the last edge: slower than that edge, by nobody knows how much.
    fromMs: below === -1 ? (latencyEdgesMs.at(-1) ?? 0) : (latencyEdgesMs[below - 1] ?? 0),
    untilMs: above === -1 ? null : (latencyEdgesMs[above] ?? null),
  }
}

/**
 * Between what the true share lies, at all sample sizes at once with probability 1 - alpha: the shares against which there is not enough
 * evidence. For showing.
 */
export const shareBand = ({ events, of }: Tally, alpha: number): { readonly from: number; readonly until: number } => {
  const enough = ln(2 / alpha)
  const isExcluded = (share: number, grid: Grid): boolean => lnEvidenceAgainst(share, grid, events, of) >= enough
  if (of === 0) return { from: 0, until: 1 }
  return {
    from: isExcluded(0, worse) ? edgeOf((share) => isExcluded(share, worse)) : 0,
    until: isExcluded(1, better) ? edgeOf((share) => !isExcluded(share, better)) : 1,
  }
}

/** The share up to which something holds, by halving. */
const edgeOf = (holds: (share: number) => boolean): number => {
  let [low, high] = [0, 1]
  for (let round = 0; round < 40; round += 1) {
    const middle = (low + high) / 2
    if (holds(middle)) low = middle
    else high = middle
  }
  return low
}
