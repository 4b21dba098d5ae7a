import { latencyEdgesMs } from '../../edge/protocol.ts'
import { exp, ln, lnWeightedExp } from './arithmetic.ts'
import { better, isBelowOne, lnEvidenceAgainst, ratioWithin, worse } from './grid.ts'
import { type Focus, isOwn, type Metric, metricsOf, takeInto, tallyOf } from './metric.ts'
import { addSamples, type Batch, emptySample, type Sample, type Tally } from './sample.ts'
import { describeVerdict } from './words.ts'

export type { Batch, Sample, Tally } from './sample.ts'

/** What must hold whatever the baseline does. */
export type Threshold =
  | { readonly metric: 'error-rate'; readonly below: number }
  | { readonly metric: 'latency'; readonly quantile: number; readonly belowMs: number }

export type JudgePlan = {
  /** The most that the chance of a fail may be, over all looks, when the canary is no worse than tolerated. */
  readonly alpha: number
  /** By which part a rate may be above the baseline's: 0.1 for a tenth. */
  readonly tolerance: number
  readonly latency: boolean
  readonly thresholds: readonly Threshold[]
  /** Names of a team's own metrics. */
  readonly metrics?: readonly string[] | undefined
  /** On what most of the wager is; undefined: half of it on errors. */
  readonly focus?: Focus | undefined
  /** Whether there is a baseline; without one there are only thresholds. Default true. */
  readonly compared?: boolean | undefined
}

/** Plain JSON. It follows from plan and batches alone, so that whoever keeps these need not keep it. */
export type JudgeState = {
  readonly plan: JudgePlan
  /** Of the last batch; null before the first. */
  readonly at: number | null
  /** Batches that told something. */
  readonly batches: number
  readonly isGap: boolean
  readonly baseline: Sample
  readonly canary: Sample
  /** When each last had a request. */
  readonly baselineAt: number | null
  readonly canaryAt: number | null
  /** When the canary had its first. */
  readonly canarySince: number | null
  /** What was counted since the last bets, and since when. */
  readonly block: { readonly since: number; readonly baseline: Sample; readonly canary: Sample } | null
  readonly metrics: readonly Metric[]
  /** ln E now, and the highest that it has been. */
  readonly lnE: number
  readonly lnHighest: number
  /** Why it failed; a fail stays one. */
  readonly failed: string | null
}

/** Numbers of a metric: how sure it is that the canary is worse (`lnE`), and between what the ratio of the rates lies. */
export type MetricNumbers = {
  readonly metric: string
  readonly share: number
  readonly baseline: Tally
  readonly canary: Tally
  readonly lnE: number
  readonly ratio: { readonly from: number; readonly until: number | null }
}

export type JudgeNumbers = {
  readonly at: number
  readonly batches: number
  /** What the verdict rests on: a metric or `threshold-<place>`; `no-worse`; `no-traffic`, `no-baseline-traffic`, `telemetry-gap`, `undecided`. */
  readonly cause: string
  readonly lnE: number
  readonly pValue: number
  readonly baseline: Counted
  readonly canary: Counted
  /** Those of which something was counted, and the team's own. */
  readonly metrics: readonly MetricNumbers[]
  readonly thresholds: readonly (Tally & { readonly lnE: number })[]
}
type Counted = Pick<Sample, 'requests' | 'errors' | 'restarts'>

export type Judgement = {
  readonly verdict: 'pass' | 'fail' | 'inconclusive'
  readonly reason: string
  readonly numbers: JudgeNumbers
}

/** Without a request for so long a version is without traffic. */
const silenceMs = 300_000
/**
 * Bets are made on blocks with so many requests of either version: in smaller ones the share of the canary follows from where the
 * requests happened to go, and a canary that fails is hard to tell from one that had more requests. After a minute whatever came is one.
 */
const blockRequests = 5
const blockMs = 60_000
/** A program's first requests are slow: its latency is judged after so many, and so long after the first. */
const warmRequests = 30
const warmMs = 5_000
/** What befalls fewer than one request in a thousand does not hold up an early promotion, whatever its ratio. */
const negligible = 0.001

export const begin = (plan: JudgePlan): JudgeState => ({
  plan,
  ...{ at: null, batches: 0, isGap: false, baseline: emptySample, canary: emptySample },
  ...{ baselineAt: null, canaryAt: null, canarySince: null, block: null },
  ...{ metrics: metricsOf(plan), lnE: 0, lnHighest: 0, failed: null },
})

/** Whether a batch changes more than the time: something was counted, or the edges fell silent or speak again. */
export const tells = (state: JudgeState, { baseline, canary, gap = false }: Batch): boolean =>
  gap !== state.isGap || !isEmpty(baseline) || !isEmpty(canary)

/** Takes a batch in. */
export const take = (state: JudgeState, batch: Batch): JudgeState => {
  const at = batch.at
  const isGap = batch.gap === true
  const batches = state.batches + (tells(state, batch) ? 1 : 0)
  if (isEmpty(batch.baseline) && isEmpty(batch.canary)) return { ...state, at, isGap, batches }
  const { plan } = state
  const begun = state.block ?? { since: at, baseline: emptySample, canary: emptySample }
  const block = {
    since: begun.since,
    baseline: addSamples(begun.baseline, batch.baseline),
    canary: addSamples(begun.canary, batch.canary),
  }
  const isWhole =
    Math.min(block.baseline.requests, block.canary.requests) >= blockRequests || at - block.since >= blockMs
  const how = { tolerance: plan.tolerance, isWarm: isWarmAt(state, block.since) }
  const metrics = isWhole && plan.compared !== false ? takeInto(state.metrics, block, how) : state.metrics
  const lnE = isWhole ? lnWeightedExp(metrics.map(({ share, lnE: value }) => ({ share, value }))) : state.lnE
  const next = {
    ...{ plan, at, isGap, batches, metrics, lnE },
    block: isWhole ? null : block,
    baseline: addSamples(state.baseline, batch.baseline),
    canary: addSamples(state.canary, batch.canary),
    baselineAt: batch.baseline.requests > 0 ? at : state.baselineAt,
    canaryAt: batch.canary.requests > 0 ? at : state.canaryAt,
    canarySince: state.canarySince ?? (batch.canary.requests > 0 ? at : null),
    lnHighest: Math.max(state.lnHighest, lnE),
  }
  return { ...next, failed: state.failed ?? failureOf(next) }
}

/** Whether all of a block is of a time at which the canary was warm. */
const isWarmAt = ({ canarySince, canary, block }: JudgeState, since: number): boolean =>
  canarySince !== null &&
  since - canarySince >= warmMs &&
  canary.requests - (block?.canary.requests ?? 0) >= warmRequests

const isEmpty = (sample: Sample): boolean =>
  sample.requests === 0 &&
  sample.errors === 0 &&
  sample.restarts === 0 &&
  Object.values(sample.metrics ?? {}).every(({ events, of }) => events === 0 && of === 0)

/** Why the canary fails now: the comparison, then the thresholds, each with the chance alpha of saying so wrongly. */
const failureOf = ({ plan, metrics, canary, lnE }: Omit<JudgeState, 'failed'>): string | null => {
  const enough = ln(1 / plan.alpha)
  if (lnE >= enough) return metrics.reduce((most, metric) => (metric.lnE > most.lnE ? metric : most)).name
  const broken = plan.thresholds.findIndex((threshold) => {
    const { events, of, bound } = measured(threshold, canary)
    return lnEvidenceAgainst(bound, worse, events, of) >= enough
  })
  return broken === -1 ? null : `threshold-${broken}`
}

/**
 * A threshold as "at most this share of requests is bad". A quantile of latency is below a bound when at most the rest of the requests
 * is slower than it; what is counted is slower than the next edge of the histogram, so slower for certain.
 */
const measured = (threshold: Threshold, canary: Sample): Tally & { readonly bound: number } => {
  const of = canary.requests
  if (threshold.metric === 'error-rate') return { events: canary.errors, of, bound: threshold.below }
  const edge = latencyEdgesMs.findIndex((one) => one >= threshold.belowMs)
  return { events: canary.slower[edge] ?? 0, of, bound: 1 - threshold.quantile }
}

/** What is known by now. `pass`: a step may be cut short. `inconclusive` without a lack of data: time goes on. */
export const verdict = (state: JudgeState): Judgement => {
  const kind = state.failed !== null ? 'fail' : lacking(state) === null && isNoWorse(state) ? 'pass' : 'inconclusive'
  const cause = state.failed ?? (kind === 'pass' ? 'no-worse' : (lacking(state) ?? 'undecided'))
  const numbers = numbersOf(state, cause)
  return { verdict: kind, reason: describeVerdict(kind, numbers, state.plan), numbers }
}

const lacking = ({ plan, at, isGap, canaryAt, baselineAt }: JudgeState): string | null => {
  if (isGap) return 'telemetry-gap'
  const isSilent = (last: number | null): boolean => last === null || (at ?? 0) - last > silenceMs
  if (isSilent(canaryAt)) return 'no-traffic'
  return plan.compared !== false && isSilent(baselineAt) ? 'no-baseline-traffic' : null
}

/**
 * Whether every metric's ratio is below what is tolerated, or the metric is so rare on the canary that it does not matter, and every
 * threshold is kept: each shown at alpha, so that a release which breaks one of them passes with a chance of at most alpha.
 */
const isNoWorse = ({ plan, metrics, canary }: JudgeState): boolean => {
  const enough = ln(1 / plan.alpha)
  const isShownBelow = (bound: number, { events, of }: Tally): boolean =>
    lnEvidenceAgainst(bound, better, events, of) >= enough
  const isFine = ({ name, promotion }: Metric): boolean =>
    isBelowOne(ratioWithin(promotion, plan.alpha)) ||
    (name === 'restarts' ? canary.restarts === 0 : isShownBelow(negligible, tallyOf(name, canary)))
  return (
    (plan.compared !== false || plan.thresholds.length > 0) &&
    plan.thresholds.every((threshold) => {
      const { bound, ...counted } = measured(threshold, canary)
      return isShownBelow(bound, counted)
    }) &&
    (plan.compared === false || metrics.every(isFine))
  )
}

const numbersOf = (state: JudgeState, cause: string): JudgeNumbers => ({
  at: state.at ?? 0,
  batches: state.batches,
  cause,
  lnE: state.lnE,
  pValue: exp(-state.lnHighest),
  baseline: counted(state.baseline),
  canary: counted(state.canary),
  metrics: state.metrics
    .map((metric) => ({
      ...metric,
      baseline: tallyOf(metric.name, state.baseline),
      canary: tallyOf(metric.name, state.canary),
    }))
    .filter(({ name, baseline, canary }) => baseline.events + canary.events > 0 || isOwn(name))
    .map(({ name, share, baseline, canary, lnE, promotion }) => {
      const { from, until } = ratioWithin(promotion, state.plan.alpha)
      const tolerated = 1 + state.plan.tolerance
      const ratio = { from: from * tolerated, until: until === null ? null : until * tolerated }
      return { metric: name, share, baseline, canary, lnE, ratio }
    }),
  thresholds: state.plan.thresholds.map((threshold) => {
    const { bound, events, of } = measured(threshold, state.canary)
    return { events, of, lnE: lnEvidenceAgainst(bound, worse, events, of) }
  }),
})

const counted = ({ requests, errors, restarts }: Sample): Counted => ({ requests, errors, restarts })
