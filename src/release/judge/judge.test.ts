import assert from 'node:assert/strict'
import { test } from 'node:test'
import { latencyEdgesMs } from '../../edge/protocol.ts'
import { exp, ln, lnMeanExp, lnOnePlus } from './arithmetic.ts'
import { bandWidth, quantileBand } from './bands.ts'
import { bet, costs, noBets, worse } from './grid.ts'
import { type Batch, begin, type JudgePlan, take, verdict } from './judge.ts'
import type { Sample } from './sample.ts'
import { logNormal, randomFrom, secondOf } from './simulation.testing.ts'

const plan: JudgePlan = { alpha: 0.01, tolerance: 0, latency: true, thresholds: [] }
const errorsOnly: JudgePlan = { ...plan, latency: false }

/** Requests of which so many failed, and so many took more than 200 ms. */
const sample = (requests: number, errors: number, slow = 0, more: Partial<Sample> = {}): Sample => ({
  ...{ requests, errors, restarts: 0 },
  slower: latencyEdgesMs.map((edge) => (edge < 20 ? requests : edge <= 200 ? slow : 0)),
  ...more,
})
const batch = (at: number, baseline: Sample, canary: Sample): Batch => ({ at, baseline, canary })
const judge = (how: JudgePlan, batches: readonly Batch[]) => verdict(batches.reduce(take, begin(how)))

test('logarithm and exponential are right to two units in the last place, and exact where they can be', () => {
  const random = randomFrom(1)
  const unit = 2 ** -52
  for (let round = 0; round < 20_000; round += 1) {
    const x = Math.exp((random() - 0.5) * 600)
    assert.ok(Math.abs(ln(x) - Math.log(x)) <= 2 * unit * Math.abs(Math.log(x)) + Number.MIN_VALUE, `ln ${x}`)
    const y = (random() - 0.5) * 1390
    assert.ok(Math.abs(exp(y) - Math.exp(y)) <= 2 * unit * Math.exp(y), `exp ${y}`)
    const z = (random() - 0.5) * 2 ** -Math.floor(random() * 50)
    assert.ok(Math.abs(lnOnePlus(z) - Math.log1p(z)) <= 2 * unit * Math.abs(Math.log1p(z)), `ln(1 + ${z})`)
  }
  assert.deepEqual([ln(1), exp(0), exp(-1e6), lnOnePlus(0)], [0, 1, 0, 0])
  assert.throws(() => exp(701), RangeError)
})

test('the process is the one of the formula', () => {
  const seen = [
    { x: 3, n: 4, share: 0.05 },
    { x: 0, n: 7, share: 0.3 },
    { x: 2, n: 2, share: 0.5 },
  ]
  const sums = seen.reduce(
    (sum, { x, n, share }) => bet(worse, sum, costs(worse, share), { canary: x, total: n }),
    noBets(worse),
  )
  const direct = Array.from({ length: 40 }, (_, place) => Math.log(1.25) + (place * Math.log(80)) / 39).map((delta) =>
    seen.reduce((sum, { x, n, share }) => sum + delta * x - n * Math.log(1 - share + share * Math.exp(delta)), 0),
  )
  const mean = direct.reduce((sum, value) => sum + Math.exp(value), 0) / 40
  assert.ok(Math.abs(lnMeanExp(sums) - Math.log(mean)) < 1e-12)
})

test('bets add up to a fair game: under equal rates the expected E of one more event is 1 whatever the share', () => {
  for (const share of [0.01, 0.05, 0.5, 0.95]) {
    const cost = costs(worse, share)
    const e = (canary: number): number => Math.exp(lnMeanExp(bet(worse, noBets(worse), cost, { canary, total: 1 })))
    assert.ok(Math.abs(share * e(1) + (1 - share) * e(0) - 1) < 1e-12, String(share))
  }
})

test('the fixed-share form of the literature has its published p value, and our process agrees with it on clear cases', () => {
  const lnGamma = (x: number): number => {
    let shift = 0
    let z = x
    for (; z < 20; z += 1) shift += Math.log(z)
    return (z - 0.5) * Math.log(z) - z + Math.log(2 * Math.PI) / 2 + 1 / (12 * z) - 1 / (360 * z ** 3) - shift
  }
  const lnBeta = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + lnGamma(value), 0) - lnGamma(values.reduce((sum, value) => sum + value, 0))
  const pValue = (shares: readonly number[], counts: readonly number[]): number => {
    const prior = shares.map((share) => 100 * share)
    const posterior = prior.map((value, place) => value + (counts[place] ?? 0))
    const data = shares.reduce((sum, share, place) => sum + (counts[place] ?? 0) * Math.log(share), 0)
    return Math.exp(-(lnBeta(posterior) - lnBeta(prior) - data))
  }
  assert.equal(pValue([0.8, 0.2], [148, 62]).toFixed(7), '0.0455796')
  const ours = (baseline: number, canary: number): number =>
    Math.exp(-lnMeanExp(bet(worse, noBets(worse), costs(worse, 0.2), { canary, total: baseline + canary })))
  for (const [baseline, canary, isWorse] of [
    [120, 90, true],
    [160, 40, false],
  ] as const)
    assert.deepEqual(
      [pValue([0.8, 0.2], [baseline, canary]) < 0.01, ours(baseline, canary) < 0.01],
      [isWorse, isWorse],
      `${baseline} and ${canary}`,
    )
})

test('the bands of quantiles have the published widths, and no end where none is known', () => {
  const widths = [100, 1000, 10_000, 100_000].map((samples) => bandWidth(samples, 0.025).toFixed(3))
  assert.deepEqual(widths, ['0.277', '0.089', '0.028', '0.009'])
  const random = randomFrom(7)
  const counted = secondOf(random, 0, {
    ...{ requests: 10_000, share: 0.5 },
    ...{ baseline: { errorRate: 0, latency: null }, canary: { errorRate: 0, latency: logNormal(50, 0.5) } },
  }).canary
  assert.deepEqual(
    [0.5, 0.95, 0.99].map((quantile) => quantileBand(counted, quantile, 0.025)),
    [
      { quantile: 0.5, fromMs: 20, untilMs: 100 },
      { quantile: 0.95, fromMs: 50, untilMs: 200 },
      { quantile: 0.99, fromMs: 100, untilMs: null },
    ],
  )
  assert.deepEqual(quantileBand(sample(0, 0), 0.5, 0.025), { quantile: 0.5, fromMs: 0, untilMs: null })
})

test('a canary whose requests fail is found, with what it rests on', () => {
  const found = judge(errorsOnly, [batch(1000, sample(95, 0), sample(5, 2)), batch(2000, sample(95, 0), sample(5, 2))])
  assert.equal(found.verdict, 'fail')
  const { metrics, lnE, pValue, ...rest } = found.numbers
  assert.deepEqual(rest, {
    ...{ at: 2000, batches: 2, cause: 'errors', thresholds: [] },
    baseline: { requests: 190, errors: 0, restarts: 0 },
    canary: { requests: 10, errors: 4, restarts: 0 },
  })
  assert.ok(lnE > Math.log(100) && Math.abs(pValue - Math.exp(-lnE)) < 1e-12)
  assert.deepEqual(
    metrics.map(({ metric, share, baseline, canary }) => ({ metric, share, baseline, canary })),
    [{ metric: 'errors', share: 0.5, baseline: { events: 0, of: 190 }, canary: { events: 4, of: 10 } }],
  )
  assert.match(
    found.reason,
    /^errors: 40 % \(4 of 10\) of the new version, 0 % \(0 of 190\) of the old one \(at least 1\.\d times as many\); p 0\.00\d+$/,
  )
})

test('a canary that is slower is found at the edge where it shows', () => {
  const slowFor = (seconds: number) =>
    Array.from({ length: seconds }, (_, second) => batch(second * 1000, sample(95, 0, 2), sample(5, 0, 4)))
  const seconds = slowFor(12)
  const found = judge(plan, seconds)
  assert.deepEqual([found.verdict, found.numbers.cause], ['fail', 'slower-than-20ms'])
  assert.equal(judge(errorsOnly, seconds).verdict, 'inconclusive')
  assert.ok(judge(plan, slowFor(6)).numbers.lnE < 1e-9, 'the first requests of a program are slow')
})

test('a fail stays one, whatever is counted afterwards', () => {
  const bad = [batch(1, sample(95, 0), sample(5, 5))]
  const good = Array.from({ length: 200 }, (_, second) => batch(second + 2, sample(95, 3), sample(5, 0)))
  const later = judge(errorsOnly, [...bad, ...good])
  assert.deepEqual([later.verdict, later.numbers.cause], ['fail', 'errors'])
  assert.ok(later.numbers.lnE < 0 && later.numbers.pValue < 0.01)
})

test('a canary that is better is never stopped, and one that is clearly no worse passes', () => {
  const seconds = Array.from({ length: 600 }, (_, second) => batch(second, sample(90, 9), sample(10, 0)))
  assert.equal(judge(errorsOnly, seconds).verdict, 'pass')
  assert.equal(judge({ ...errorsOnly, alpha: 0.5 }, seconds).numbers.pValue, 1)
})

test('a ratio that is tolerated is not stopped, and with enough requests passes; beyond it fails', () => {
  const rates = (canary: number) =>
    Array.from({ length: 2000 }, (_, second) => batch(second, sample(500, 5), sample(500, canary)))
  assert.equal(judge({ ...errorsOnly, tolerance: 0.5 }, rates(6)).verdict, 'pass')
  assert.equal(judge({ ...errorsOnly, tolerance: 0.5 }, rates(10)).verdict, 'fail')
  assert.equal(judge(errorsOnly, rates(6)).verdict, 'fail')
  const [ratio] = judge(errorsOnly, rates(6)).numbers.metrics
  assert.ok(ratio && ratio.ratio.from >= 1 && ratio.ratio.from < 1.2 && Number(ratio.ratio.until) > 1.2)
})

test('without errors on either side it passes once errors of one in a thousand are excluded, not before', () => {
  const seconds = (count: number) =>
    Array.from({ length: count }, (_, second) => batch(second, sample(900, 0), sample(100, 0)))
  assert.equal(judge(errorsOnly, seconds(20)).verdict, 'inconclusive')
  assert.equal(judge(errorsOnly, seconds(100)).verdict, 'pass')
})

test('a block is of five requests of either version or a minute, so that looking often takes nothing away', () => {
  const quarter = (at: number) =>
    batch(at, sample(19, 0), at % 4 === 0 ? sample(1, at % 12 === 0 ? 1 : 0) : sample(0, 0))
  const found = Array.from({ length: 400 }, (_, at) => quarter(at)).reduce(take, begin(errorsOnly))
  assert.equal(verdict(found).numbers.cause, 'errors')
  const often = Array.from({ length: 16 }, (_, at) => quarter(at)).reduce(take, begin(errorsOnly))
  assert.deepEqual([often.lnE, often.block?.canary.requests], [0, 4])
  const seldom = [0, 59_999].map((at) => batch(at, sample(100, 0), sample(1, 1)))
  assert.equal(seldom.reduce(take, begin(errorsOnly)).block?.canary.requests, 2)
  assert.equal([...seldom, batch(60_000, sample(1, 0), sample(0, 0))].reduce(take, begin(errorsOnly)).block, null)
})

test('no data is neither pass nor fail', () => {
  const causeOf = (batches: readonly Batch[], how = errorsOnly) => {
    const { verdict: kind, numbers, reason } = judge(how, batches)
    assert.equal(kind, 'inconclusive')
    return [numbers.cause, reason.split(':')[0]]
  }
  assert.deepEqual(causeOf([]), ['no-traffic', 'no traffic'])
  assert.deepEqual(causeOf([batch(1, sample(100, 90), sample(0, 0))]), ['no-traffic', 'no traffic'])
  assert.deepEqual(causeOf([batch(1, sample(0, 0), sample(100, 90))]), ['no-baseline-traffic', 'no baseline traffic'])
  const once = batch(1, sample(100, 0), sample(10, 0))
  assert.deepEqual(causeOf([once, batch(300_002, sample(100, 0), sample(0, 0))]), ['no-traffic', 'no traffic'])
  assert.deepEqual(causeOf([once, { ...batch(2, sample(0, 0), sample(0, 0)), gap: true }]), [
    'telemetry-gap',
    'telemetry gap',
  ])
  assert.deepEqual(causeOf([once])[0], 'undecided')
})

test('thresholds stand above the comparison: broken by the canary alone, whatever the baseline does', () => {
  const how: JudgePlan = {
    ...{ alpha: 0.01, tolerance: 0, latency: false },
    thresholds: [
      { metric: 'error-rate', below: 0.02 },
      { metric: 'latency', quantile: 0.95, belowMs: 150 },
    ],
  }
  const both = (errors: number, slow: number) =>
    Array.from({ length: 100 }, (_, second) => batch(second, sample(100, errors, slow), sample(100, errors, slow)))
  assert.deepEqual(judge(how, both(4, 0)).numbers.cause, 'threshold-0')
  assert.match(judge(how, both(4, 0)).reason, /^error rate below 2 % is not kept: 4 % \(400 of 10,000\)/)
  assert.deepEqual(judge(how, both(0, 9)).numbers.cause, 'threshold-1')
  assert.match(judge(how, both(0, 9)).reason, /^p95 below 150 ms is not kept: 9 % \(900 of 10,000\)/)
  assert.equal(judge(how, both(2, 5)).verdict, 'inconclusive')
  const alone = { ...how, compared: false }
  const only = (errors: number) => [batch(1, sample(0, 0), sample(10_000, errors, 3))]
  assert.equal(judge(alone, only(400)).numbers.cause, 'threshold-0')
  assert.equal(judge(alone, only(20)).verdict, 'pass')
})

test('restarts are judged by how long instances ran, and metrics of a team by what they are counted of', () => {
  const hour = 3_600_000
  const restarts = (canary: number) =>
    batch(1, sample(100, 0, 0, { instanceMs: 9 * hour, restarts: 1 }), {
      ...sample(5, 0, 0, { instanceMs: hour }),
      restarts: canary,
    })
  assert.deepEqual(judge(errorsOnly, [restarts(9)]).numbers.cause, 'restarts')
  assert.equal(judge(errorsOnly, [restarts(1)]).verdict, 'inconclusive')
  const without = batch(1, sample(100, 0), sample(5, 0, 0, { restarts: 50 }))
  assert.equal(judge(errorsOnly, [without]).verdict, 'inconclusive')
  const checkouts = (events: number) => ({ metrics: { checkout: { events, of: 50 } } })
  const own = [batch(1, sample(100, 0, 0, checkouts(1)), sample(100, 0, 0, checkouts(25)))]
  assert.deepEqual(judge({ ...plan, metrics: ['checkout'] }, own).numbers.cause, 'own:checkout')
  assert.equal(judge(plan, own).verdict, 'inconclusive')
})

test('a state is plain JSON, follows from the batches alone, and a batch without counts changes only the time', () => {
  const random = randomFrom(3)
  const bad = { requests: 2, share: 0.2, baseline: { errorRate: 0.01, latency: logNormal(50, 0.5) } }
  const seconds = Array.from({ length: 40 }, (_, at) =>
    secondOf(random, at * 7, { ...bad, canary: { errorRate: 0.02, latency: logNormal(60, 0.5) } }),
  )
  const whole = seconds.reduce(take, begin(plan))
  const stored = seconds.reduce((state, one) => JSON.parse(JSON.stringify(take(state, one))), begin(plan))
  const sparse = seconds.flatMap((one) => [one, batch(one.at + 500, sample(0, 0), sample(0, 0))])
  assert.deepEqual(stored, whole)
  assert.deepEqual({ ...sparse.reduce(take, begin(plan)), at: 39 * 7000 }, whole)
})

test('of identical releases that are looked at every second, at most one in a hundred is stopped', () => {
  const behaviour = { errorRate: 0.02, latency: logNormal(50, 0.5) }
  let stopped = 0
  for (let pair = 0; pair < 200; pair += 1) {
    const random = randomFrom(100 + pair)
    let state = begin(plan)
    for (let second = 0; second < 300; second += 1) {
      // The weight rises, and both get worse together.
      const share = second < 100 ? 0.05 : second < 200 ? 0.25 : 0.5
      const both = { ...behaviour, errorRate: second % 100 < 50 ? 0.02 : 0.1 }
      state = take(state, secondOf(random, second, { requests: 20, share, baseline: both, canary: both }))
    }
    if (state.failed !== null) stopped += 1
  }
  assert.ok(stopped <= 2, `${stopped} of 200`)
})
