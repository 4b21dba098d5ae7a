import { latencyEdgesMs } from '../../edge/protocol.ts'
import { lnMeanExp } from './arithmetic.ts'
import { around, bet, costs, noBets, worse } from './grid.ts'
import type { Batch, Sample, Tally } from './sample.ts'

/** One way in which a release can be worse, with its two processes: the rollback's and the promotion's. Plain JSON. */
export type Metric = {
  /** `errors`, `slower-than-100ms`, `restarts`, or `own:` and a team's name for it. */
  readonly name: string
  /** Of the one wager that all metrics share; they add up to 1. */
  readonly share: number
  readonly rollback: readonly number[]
  readonly promotion: readonly number[]
  /** ln E of the rollback's process. */
  readonly lnE: number
}

/** Below it nobody notices a difference, and instances that have few requests are always a little slower. */
const noticedMs = 20
const judgedEdgesMs = latencyEdgesMs.filter((edge) => edge >= noticedMs)

/** What a judging is for, where others judge the rest: most of its wager is on that. */
export type Focus = 'errors' | 'latency'

type Weights = { readonly errors: number; readonly latency: number; readonly restarts: number; readonly own: number }

/** How the wager is divided; that of latency equally between its edges, that of `own` for each of the team's metrics. */
const weightsOf = (focus: Focus | undefined, latency: boolean, own: number): Weights => {
  if (focus === 'errors') return { errors: 8, latency: latency ? 1 : 0, restarts: 1, own: 2 }
  if (focus === 'latency') return { errors: 1, latency: 8, restarts: 1, own: 1 }
  const others = (latency ? 2 : 1) + own
  return { errors: others, latency: latency ? 1 : 0, restarts: 1, own: 1 }
}

/**
 * What is judged, each with its share of the wager: where nothing else is asked for, half of it is on errors, the other half divided equally
 * between latency, restarts and each metric of the team's own. An average of E values is one, however the metrics depend on each other.
 */
export const metricsOf = ({
  latency,
  focus,
  metrics: own = [],
}: {
  readonly latency: boolean
  readonly focus?: Focus | undefined
  readonly metrics?: readonly string[] | undefined
}): readonly Metric[] => {
  const weights = weightsOf(focus, latency, own.length)
  const whole = weights.errors + weights.latency + weights.restarts + weights.own * own.length
  const perEdge = weights.latency / whole / judgedEdgesMs.length
  return [
    untouched('errors', weights.errors / whole),
    ...(latency ? judgedEdgesMs.map((edge) => untouched(slowerThan(edge), perEdge)) : []),
    untouched('restarts', weights.restarts / whole),
    ...own.map((name) => untouched(`own:${name}`, weights.own / whole)),
  ]
}

/** Whether it is one of a team's own. */
export const isOwn = (name: string): boolean => name.startsWith('own:')

export const slowerThan = (edgeMs: number): string => `slower-than-${edgeMs}ms`

const nothing: Tally = { events: 0, of: 0 }
const untouched = (name: string, share: number): Metric => ({
  ...{ name, share, rollback: noBets(worse), promotion: noBets(around), lnE: 0 },
})

/** How many events a metric counts in a sample, of which exposure. */
export const tallyOf = (name: string, sample: Sample): Tally => {
  if (name === 'errors') return { events: sample.errors, of: sample.requests }
  if (name === 'restarts') return { events: sample.restarts, of: sample.instanceMs ?? 0 }
  if (isOwn(name)) return sample.metrics?.[name.slice('own:'.length)] ?? nothing
  return { events: sample.slower[edgeOf.get(name) ?? -1] ?? 0, of: sample.requests }
}
const edgeOf = new Map(latencyEdgesMs.map((edge, place) => [slowerThan(edge), place]))

type Costs = { readonly worse: readonly number[]; readonly around: readonly number[] }

/** Metrics after a block, those of latency only when the canary is warm. Those of one exposure share their costs, which are most of the work. */
export const takeInto = (
  metrics: readonly Metric[],
  block: Pick<Batch, 'baseline' | 'canary'>,
  { tolerance, isWarm }: { readonly tolerance: number; readonly isWarm: boolean },
): readonly Metric[] => {
  const known = new Map<number, Costs>()
  const costsFor = (share: number): Costs => {
    const found = known.get(share) ?? { worse: costs(worse, share), around: costs(around, share) }
    known.set(share, found)
    return found
  }
  return metrics.map((metric) => {
    if (!isWarm && edgeOf.has(metric.name)) return metric
    const baseline = tallyOf(metric.name, block.baseline)
    const canary = tallyOf(metric.name, block.canary)
    const total = baseline.events + canary.events
    // Without traffic on either side there is nothing to compare.
    if (total === 0 || baseline.of === 0 || canary.of === 0) return metric
    const cost = costsFor(shareWithin(canary.of / (baseline.of + canary.of), tolerance))
    const events = { canary: canary.events, total }
    const rollback = bet(worse, metric.rollback, cost.worse, events)
    const promotion = bet(around, metric.promotion, cost.around, events)
    return { ...metric, rollback, promotion, lnE: lnMeanExp(rollback) }
  })
}

/** The share of events that the canary may have: its share of the exposure, moved by the ratio that is tolerated. */
const shareWithin = (share: number, tolerance: number): number => {
  const weighted = share * (1 + tolerance)
  return weighted / (1 - share + weighted)
}
