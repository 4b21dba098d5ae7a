import { latencyEdgesMs } from '../../edge/protocol.ts'

/** What of a version was counted in a while. */
export type Sample = {
  readonly requests: number
  /** 5xx and what the edge had to answer itself or break off, once per client and route in a short while. */
  readonly errors: number
  /** For each of `latencyEdgesMs`: requests that took longer. */
  readonly slower: readonly number[]
  /** Instances that ended by themselves and were started again. */
  readonly restarts: number
  /** How many milliseconds its instances ran, added up; without it restarts are counted, not judged. */
  readonly instanceMs?: number
  /** Of a team's own metrics: how many of how many were bad. */
  readonly metrics?: Readonly<Record<string, Tally>>
}

/** So many of so many. */
export type Tally = { readonly events: number; readonly of: number }

/** Both versions over the same while, up to `at` (milliseconds since 1970). `gap`: the edges could not be asked. */
export type Batch = {
  readonly at: number
  readonly baseline: Sample
  readonly canary: Sample
  readonly gap?: boolean
}

export const emptySample: Sample = { requests: 0, errors: 0, slower: latencyEdgesMs.map(() => 0), restarts: 0 }

export const emptyBatch = (at: number, gap: boolean): Batch => ({
  at,
  baseline: emptySample,
  canary: emptySample,
  ...(gap ? { gap } : {}),
})

export const addSamples = (one: Sample, other: Sample): Sample => ({
  requests: one.requests + other.requests,
  errors: one.errors + other.errors,
  slower: one.slower.map((count, edge) => count + (other.slower[edge] ?? 0)),
  restarts: one.restarts + other.restarts,
  instanceMs: (one.instanceMs ?? 0) + (other.instanceMs ?? 0),
  ...(one.metrics || other.metrics ? { metrics: addMetrics(one.metrics ?? {}, other.metrics ?? {}) } : {}),
})

const addMetrics = (
  one: NonNullable<Sample['metrics']>,
  other: NonNullable<Sample['metrics']>,
): Record<string, Tally> => {
  const sums: Record<string, Tally> = { ...one }
  for (const [name, { events, of }] of Object.entries(other))
    sums[name] = { events: (sums[name]?.events ?? 0) + events, of: (sums[name]?.of ?? 0) + of }
  return sums
}
