import type { Judgement, JudgeNumbers, JudgePlan, MetricNumbers, Tally, Threshold } from './judge.ts'

/** A verdict in one sentence with the numbers that it rests on. */
export const describeVerdict = (kind: Judgement['verdict'], numbers: JudgeNumbers, plan: JudgePlan): string => {
  const { cause, canary, baseline } = numbers
  const looked = `${count(canary.requests)} requests to the new version, ${count(baseline.requests)} to the old one`
  if (kind === 'fail') return describeFail(numbers, plan)
  if (kind === 'pass') return `no worse than tolerated, with ${confidence(plan.alpha)} confidence, after ${looked}`
  if (cause === 'telemetry-gap') return 'telemetry gap: the edges could not be asked what they count'
  if (cause === 'no-traffic') return 'no traffic: the new version has had no request in the last 5 minutes'
  if (cause === 'no-baseline-traffic')
    return 'no baseline traffic: the old version has had no request in the last 5 minutes'
  return `nothing speaks against it so far, after ${looked}`
}

const describeFail = ({ cause, metrics, thresholds, pValue }: JudgeNumbers, plan: JudgePlan): string => {
  const place = Number(/^threshold-(\d+)$/.exec(cause)?.[1] ?? Number.NaN)
  const [threshold, counted] = [plan.thresholds[place], thresholds[place]]
  if (threshold && counted) return `${describeThreshold(threshold)} is not kept: ${rate(counted)} of the new version`
  const metric = metrics.find((one) => one.metric === cause)
  return metric ? describeMetric(metric, pValue) : cause
}

export const describeThreshold = (threshold: Threshold): string =>
  threshold.metric === 'error-rate'
    ? `error rate below ${percent(threshold.below)}`
    : `p${Number((threshold.quantile * 100).toPrecision(6))} below ${threshold.belowMs} ms`

const describeMetric = ({ metric, baseline, canary, ratio }: MetricNumbers, pValue: number): string => {
  const { from, until } = ratio
  const times = until === null ? `at least ${number(from)} times` : `${number(from)} to ${number(until)} times`
  const versions =
    metric === 'restarts'
      ? `${count(canary.events)} restarts of the new version, ${count(baseline.events)} of the old one`
      : `${rate(canary)} of the new version, ${rate(baseline)} of the old one`
  return `${describeMetricName(metric)}: ${versions}${from > 1 ? ` (${times} as many)` : ''}; p ${number(pValue)}`
}

/** `slower than 100 ms` for `slower-than-100ms`. */
export const describeMetricName = (metric: string): string =>
  metric.replace(/^own:/, '').replace(/^slower-than-(\d+)ms$/, 'slower than $1 ms')

const rate = ({ events, of }: Tally): string =>
  `${of === 0 ? '0 %' : percent(events / of)} (${count(events)} of ${count(of)})`

export const percent = (share: number): string => `${number(share * 100)} %`
/** Two significant digits. */
export const number = (value: number): string =>
  value !== 0 && Math.abs(value) < 0.0001 ? value.toExponential(0) : String(Number(value.toPrecision(2)))
export const count = (value: number): string => String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',')
const confidence = (alpha: number): string => percent(1 - alpha)
