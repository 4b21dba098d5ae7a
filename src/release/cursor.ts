import { z } from 'zod'
import type { OwnMetrics } from '../deploy/judging.ts'
import type { EdgeSamples } from '../edge/protocol.ts'
import { addSamples, emptySample, type Sample } from './judge/sample.ts'
import { advanceOwn, OwnCursor, type Reading as OwnReading, type OwnTallies } from './own/readings.ts'

const Counts = z.object({ requests: z.number(), errors: z.number(), slower: z.array(z.number()) })
type Counts = z.infer<typeof Counts>

/**
 * What was taken in up to now: counts by epoch (an edge process) and version, null where that edge did not count the service yet, and
 * restarts by instance.
 */
export const Cursor = z.object({
  epochs: z.record(z.string(), z.record(z.string(), Counts).nullable()),
  instances: z.record(z.string(), z.object({ restarts: z.number(), countedAt: z.number() })),
  /** Of the team's own metrics, by instance. */
  own: OwnCursor.optional(),
})
export type Cursor = z.infer<typeof Cursor>

/** The service that the edges count under this label, and the versions that are compared; none to compare with: thresholds only. */
export type Pair = {
  readonly service: string
  readonly baseline: string | null
  readonly canary: string
  readonly own?: OwnMetrics | undefined
}

/** An instance as the runtime tells of it. */
export type Restarts = {
  readonly id: string
  readonly service: string
  readonly release: string
  readonly restarts: number
}

/** Everything that is known of the world at one moment. */
export type Reading = {
  readonly at: number
  readonly samples: readonly EdgeSamples[]
  readonly instances: readonly Restarts[]
  /** What instances show of the team's own metrics, when that was read anew. */
  readonly own?: OwnReading | null
  /** Since the reading before. */
  readonly elapsedMs: number
}

/** Restarts of one instance within it have one cause, and count once. */
const restartWindowMs = 60_000

/** Where counting starts: what was counted before is none of this rollout's. */
export const startAt = (reading: Reading, pair: Pair): Cursor =>
  advance({ epochs: {}, instances: {} }, reading, pair).cursor

/**
 * What was counted since the cursor, and the cursor after it. An epoch that was not there before began since, and counts from 0; one
 * that is gone keeps its place, so that it does not count again when it answers again. An edge that begins to show the service
 * may show what it counted in an earlier rollout, so it counts from what it shows first. Counts that fell began anew: then those of both
 * versions did, as they are of one instant.
 */
export const advance = (
  cursor: Cursor,
  { at, samples, instances, own, elapsedMs }: Reading,
  pair: Pair,
): { readonly cursor: Cursor; readonly baseline: Sample; readonly canary: Sample } => {
  const versions = pair.baseline === null ? [pair.canary] : [pair.baseline, pair.canary]
  const epochs = { ...cursor.epochs }
  const sums = new Map(versions.map((version) => [version, emptySample]))
  for (const { epoch, services } of samples) {
    const counted = services.find(({ service }) => service === pair.service)?.versions ?? null
    const last = epochs[epoch]
    if (counted === null) {
      epochs[epoch] = last ?? null
      continue
    }
    const now = counted.filter(({ version }) => versions.includes(version))
    const after = Object.fromEntries(now.map((one) => [one.version, countsOf(one)]))
    epochs[epoch] = { ...last, ...after }
    if (last === null) continue
    const before = last ?? {}
    const isAnew = now.some((one) => fell(before[one.version], one))
    for (const one of now) {
      const since = difference(one, isAnew ? undefined : before[one.version])
      sums.set(one.version, addSamples(sums.get(one.version) ?? emptySample, since))
    }
  }
  const restarts = countRestarts(cursor.instances, instances, at, pair)
  const counted = own && pair.own ? advanceOwn(cursor.own ?? {}, own, pair.own) : null
  const ownAfter = counted?.cursor ?? cursor.own
  const sampleOf = (version: string | null, metrics: OwnTallies | undefined): Sample => ({
    ...(sums.get(version ?? '') ?? emptySample),
    ...(metrics && Object.keys(metrics).length > 0 ? { metrics } : {}),
    restarts: restarts.counts.get(releaseOf(version)) ?? 0,
    instanceMs: restarts.running(version) * elapsedMs,
  })
  return {
    cursor: { epochs, instances: restarts.known, ...(ownAfter ? { own: ownAfter } : {}) },
    baseline: sampleOf(pair.baseline, counted?.baseline),
    canary: sampleOf(pair.canary, counted?.canary),
  }
}

const countsOf = ({ requests, errors, slower }: Counts | EdgeCount): Counts => ({
  requests,
  errors,
  slower: [...slower],
})
type EdgeCount = EdgeSamples['services'][number]['versions'][number]

const fell = (before: Counts | undefined, now: EdgeCount): boolean =>
  before !== undefined &&
  (now.requests < before.requests ||
    now.errors < before.errors ||
    before.slower.some((count, edge) => (now.slower[edge] ?? 0) < count))

const difference = (now: EdgeCount, before: Counts | undefined): Sample => ({
  requests: now.requests - (before?.requests ?? 0),
  errors: now.errors - (before?.errors ?? 0),
  slower: emptySample.slower.map((_, edge) => (now.slower[edge] ?? 0) - (before?.slower[edge] ?? 0)),
  restarts: 0,
})

/** A version's release; what follows a `+` tells apart versions of the same release. */
const releaseOf = (version: string | null): string => version?.split('+')[0] ?? ''

/** Restarts by release, when the two versions are of different ones: instances are known by their release alone. */
const countRestarts = (before: Cursor['instances'], instances: readonly Restarts[], at: number, pair: Pair) => {
  const isToldApart = releaseOf(pair.baseline) !== releaseOf(pair.canary)
  const ours = isToldApart
    ? instances.filter(
        ({ service, release }) =>
          service === pair.service && [pair.baseline, pair.canary].some((version) => releaseOf(version) === release),
      )
    : []
  const counts = new Map<string, number>()
  const known = { ...before }
  for (const { id, release, restarts } of ours) {
    const last = before[id] ?? { restarts: 0, countedAt: Number.NEGATIVE_INFINITY }
    const isCounted = restarts > last.restarts && at - last.countedAt >= restartWindowMs
    if (isCounted) counts.set(release, (counts.get(release) ?? 0) + 1)
    known[id] = { restarts, countedAt: isCounted ? at : Math.max(last.countedAt, 0) }
  }
  const running = (version: string | null): number =>
    ours.filter(({ release }) => release === releaseOf(version)).length
  return { counts, known, running }
}
