import type { Traffic } from '../../api/service-queries.ts'

type Series = {
  readonly at: readonly number[]
  readonly requests: readonly number[]
  readonly errors: readonly (number | null)[]
  readonly p50: readonly (number | null)[]
  readonly p95: readonly (number | null)[]
  readonly p99: readonly (number | null)[]
}

const minuteMs = 60_000

/**
 * The minutes of all versions as one. A minute in which nobody asked has no requests, and no error rate or latency. Where two versions
 * share a minute, the latency shown is that of the slower: quantiles cannot be added, and the better one would hide the other.
 */
export const series = ({ minutes }: Pick<Traffic, 'minutes'>): Series => {
  const byMinute = Map.groupBy(minutes, ({ minute }) => minute)
  const known = [...byMinute.keys()].toSorted((one, other) => one - other)
  const first = known[0]
  const last = known.at(-1)
  if (first === undefined || last === undefined) return { at: [], requests: [], errors: [], p50: [], p95: [], p99: [] }
  const at = Array.from({ length: Math.round((last - first) / minuteMs) + 1 }, (_, step) => first + step * minuteMs)
  const parts = at.map((minute) => byMinute.get(minute) ?? [])
  const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0)
  const slowest = (values: readonly (number | null)[]): number | null => {
    const some = values.filter((value) => value !== null)
    return some.length === 0 ? null : Math.max(...some)
  }
  return {
    at,
    requests: parts.map((rows) => sum(rows.map((row) => row.requests))),
    errors: parts.map((rows) => {
      const requests = sum(rows.map((row) => row.requests))
      return requests === 0 ? null : sum(rows.map((row) => (row.errorRate ?? 0) * row.requests)) / requests
    }),
    p50: parts.map((rows) => slowest(rows.map(({ p50Ms }) => p50Ms))),
    p95: parts.map((rows) => slowest(rows.map(({ p95Ms }) => p95Ms))),
    p99: parts.map((rows) => slowest(rows.map(({ p99Ms }) => p99Ms))),
  }
}
