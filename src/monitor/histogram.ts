import { latencyEdgesMs } from '../agent/protocol.ts'

/**
 * The latency in milliseconds that a share of the requests did not exceed, estimated from counts per bucket: evenly spread within the
 * bucket that it falls into, as Prometheus' histogram_quantile does. What lies beyond the last edge counts as that edge. Null
 * without requests.
 */
export const quantile = (counts: readonly number[], share: number): number | null => {
  const total = counts.reduce((sum, count) => sum + count, 0)
  if (total === 0) return null
  const wanted = share * total
  let below = 0
  for (const [bucket, count] of counts.entries()) {
    if (count > 0 && below + count >= wanted) {
      const lower = latencyEdgesMs[bucket - 1] ?? 0
      const upper = latencyEdgesMs[bucket] ?? lower
      return lower + ((wanted - below) / count) * (upper - lower)
    }
    below += count
  }
  return latencyEdgesMs.at(-1) ?? null
}
