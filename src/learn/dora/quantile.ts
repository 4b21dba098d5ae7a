/** A distribution as it is shown: the interpolated median and 90th percentile of `n` values; null where there is no data. */
export type Distribution = { readonly median: number | null; readonly p90: number | null; readonly n: number }

/**
 * The value below which a share of the sorted values lies, interpolated between the two that are nearest (type 7 of Hyndman and
 * Fan 1996, as in R and NumPy): the median of an even number of values is the mean of the middle two. Null of none.
 */
export const quantile = (sorted: ArrayLike<number>, share: number): number | null => {
  const { lower, upper, part } = placeOf(sorted.length, share)
  const below = sorted[lower]
  const above = sorted[upper]
  return below === undefined || above === undefined ? null : below + (above - below) * part
}

/** Between which ranks (from 0) a share of `n` values lies, and how far from the lower to the upper. */
export const placeOf = (n: number, share: number): { lower: number; upper: number; part: number } => {
  const place = (n - 1) * share
  const lower = Math.floor(place)
  return { lower, upper: Math.ceil(place), part: place - lower }
}

/** Of values in any order. */
export const distributionOf = (values: Iterable<number>): Distribution => {
  const sorted = Float64Array.from(values).sort()
  return { median: quantile(sorted, 0.5), p90: quantile(sorted, 0.9), n: sorted.length }
}
