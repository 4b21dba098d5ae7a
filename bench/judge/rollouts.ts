import { Samples } from '../../src/edge/samples.ts'
import { lnMeanExp } from '../../src/release/judge/arithmetic.ts'
import { bet, costs, noBets, worse } from '../../src/release/judge/grid.ts'
import { type Batch, begin, type JudgePlan, take } from '../../src/release/judge/judge.ts'
import {
  type Behaviour,
  logNormal,
  randomFrom,
  sampleOf,
  secondOf,
} from '../../src/release/judge/simulation.testing.ts'

// Rollouts as they might be, a look every second; a seed is one of them.

export const plan: JudgePlan = { alpha: 0.01, tolerance: 0, latency: false, thresholds: [] }
const requests = 100
const few = 20
const hour = 3600
export const usual = logNormal(50, 0.5)

export const ramped = (second: number): number => (second < 1200 ? 0.05 : second < 2400 ? 0.25 : 0.5)
export const errors = (errorRate: number): Behaviour => ({ errorRate, latency: null })
/** 0.1 % errors, and this latency. */
export const latency = (shares: readonly number[]): Behaviour => ({ errorRate: 0.001, latency: shares })
export const everything: JudgePlan = { ...plan, latency: true }

/** From 0.1 % to 2 % and back every ten minutes, and three minutes of an outage. */
export const drifting = (second: number): number =>
  second >= 2000 && second < 2180 ? 0.2 : 0.0105 - 0.0095 * Math.cos((second * Math.PI) / 300)

/** One rollout; the second in which it was stopped, null: never. */
export type Simulation = (seed: number) => number | null

const judged = (seconds: number, how: JudgePlan, batchAt: (random: () => number, second: number) => Batch) => {
  return (seed: number): number | null => {
    const random = randomFrom(seed)
    let state = begin(how)
    for (let second = 1; second <= seconds; second += 1) {
      state = take(state, batchAt(random, second))
      if (state.failed !== null) return second
    }
    return null
  }
}
/** Identical versions before one judge, `few` requests a second. */
export const identical = (share: (second: number) => number, behaviourAt: (second: number) => Behaviour, how = plan) =>
  judged(hour, how, (random, second) => {
    const both = behaviourAt(second)
    return secondOf(random, second, { requests: few, share: share(second), baseline: both, canary: both })
  })

/**
 * All of a rollout as it is judged live: errors against the old version and latency against a fresh instance of it, which has as many
 * requests as one of the canary's three. Each with its part of the chance to be wrong.
 */
export const asLive = (
  total: number,
  share: (second: number) => number,
  behaviours: (second: number) => { readonly before: Behaviour; readonly after: Behaviour },
  { seconds = hour, instances = 1 } = {},
): Simulation => {
  return (seed) => {
    const random = randomFrom(seed)
    let [forErrors, forLatency] = [begin(errorsOfAll), begin(latencyOfAll)]
    for (let second = 1; second <= seconds; second += 1) {
      const { before, after } = behaviours(second)
      const ofCanary = share(second)
      const ofFresh = ofCanary / instances
      const canary = sampleOf(random, total * ofCanary, after)
      const at = second * 1000
      const old = sampleOf(random, total * Math.max(0, 1 - ofCanary - ofFresh), before)
      forErrors = take(forErrors, { at, baseline: old, canary })
      forLatency = take(forLatency, { at, baseline: sampleOf(random, total * ofFresh, before), canary })
      if (forErrors.failed !== null || forLatency.failed !== null) return second
    }
    return null
  }
}
const errorsOfAll: JudgePlan = { ...plan, alpha: 0.0075, focus: 'errors' }
const latencyOfAll: JudgePlan = { ...plan, alpha: 0.0025, latency: true, focus: 'latency' }
export const identicalLive = (
  total: number,
  share: (second: number) => number,
  behaviourAt: (second: number) => Behaviour,
): Simulation =>
  asLive(
    total,
    share,
    (second) => {
      const both = behaviourAt(second)
      return { before: both, after: both }
    },
    { instances: 3 },
  )
export const steady = (): Behaviour => ({ errorRate: 0.01, latency: usual })
/** Errors drift and fail for three minutes; latency doubles for five minutes in fifteen. */
export const driftingTogether = (second: number): Behaviour => ({
  errorRate: drifting(second),
  latency: second % 900 >= 600 ? atWorst : usual,
})
const atWorst = logNormal(100, 0.5)
export const worseLive = (before: Behaviour, after: Behaviour): Simulation =>
  asLive(
    100,
    () => 0.05,
    () => ({ before, after }),
    { seconds: 1800 },
  )

type Second = { readonly total: number; readonly share: number; readonly before: number; readonly after: number }

/** The process of the errors alone, on each second; the judge gives it half of the wager. */
const errorsAlone = (seconds: number, at: (second: number) => Second): Simulation => {
  const enough = Math.log(1 / plan.alpha)
  return (seed) => {
    const random = randomFrom(seed)
    let bets = noBets(worse)
    for (let second = 1; second <= seconds; second += 1) {
      const { total, share, before, after } = at(second)
      const baseline = sampleOf(random, total * (1 - share), errors(before))
      const canary = sampleOf(random, total * share, errors(after))
      const events = { canary: canary.errors, total: baseline.errors + canary.errors }
      if (events.total === 0 || canary.requests === 0) continue
      bets = bet(worse, bets, costs(worse, canary.requests / (baseline.requests + canary.requests)), events)
      if (lnMeanExp(bets) >= enough) return second
    }
    return null
  }
}
export const alone = (total: number, before: number, after: number): Simulation =>
  errorsAlone(1800, () => ({ total, share: 0.05, before, after }))
export const identicalAlone = (share: (second: number) => number, rate: (second: number) => number): Simulation =>
  errorsAlone(hour, (second) => ({ total: few, share: share(second), before: rate(second), after: rate(second) }))
export const worseBy = (total: number, baseline: Behaviour, canary: Behaviour, how: JudgePlan): Simulation =>
  judged(1800, how, (random, second) => secondOf(random, second, { requests: total, share: 0.05, baseline, canary }))

/**
 * Errors that come in bursts: a client that fails repeats its request so often, on the same version (its connection is kept open).
 * Counted by the edge's own counters, once per client and route in the window (0: each).
 */
export const bursts = (length: number, windowMs: number): Simulation =>
  counted(windowMs, (random, count) => {
    for (let one = 0; one < requests; one += 1) {
      const version = random() < 0.05 ? 'canary' : 'baseline'
      const failed = random() < 0.005
      const client = `${Math.floor(random() * 100_000)}`
      for (let repeat = 0; repeat < (failed ? length : 1); repeat += 1) count(version, failed, client)
    }
  })

/** A hundred clients of a thousand always fail; each request goes to either version. `perVersion`: their errors count for each. */
export const brokenClients = (perVersion: boolean): Simulation =>
  counted(10_000, (random, count) => {
    for (let one = 0; one < requests; one += 1) {
      const version = random() < 0.05 ? 'canary' : 'baseline'
      const client = Math.floor(random() * 1000)
      count(version, client < 100, perVersion ? `${version}-${client}` : `${client}`)
    }
  })

/** Three of a thousand clients always fail, and each client stays with the version that it met first. */
export const stickyClients = (windowMs: number): Simulation => {
  return (seed) => {
    const place = randomFrom(seed + 1_000_000)
    const home = Array.from({ length: 1000 }, () => (place() < 0.05 ? 'canary' : 'baseline'))
    return counted(windowMs, (random, count) => {
      for (let one = 0; one < requests; one += 1) {
        const client = Math.floor(random() * 1000)
        count(home[client] ?? '', client < 3, `${client}`)
      }
    })(seed)
  }
}

const counted = (
  errorWindowMs: number,
  serve: (random: () => number, count: (version: string, failed: boolean, client: string) => void) => void,
): Simulation => {
  return (seed) => {
    const random = randomFrom(seed)
    let now = 0
    const clock = { now: () => now, monotonicMs: () => now, sleep: async () => {} }
    const samples = new Samples('epoch', clock)
    const pools = ['baseline', 'canary'].map((version) => ({ version, weight: 1, endpoints: [] }))
    samples.judge([{ hosts: [], service: 's', pools, sample: { errorWindowMs } }])
    const about = { service: 's', durationMs: 1, method: 'GET', path: '/', mirrored: false }
    let state = begin(plan)
    const last = new Map<string, { requests: number; errors: number }>()
    for (let second = 1; second <= 1800; second += 1) {
      now = second * 1000
      serve(random, (version, failed, client) =>
        samples.count({ ...about, version, failed, client, status: failed ? 500 : 200 }),
      )
      const since = new Map(
        samples.snapshot().services[0]?.versions.map((one) => {
          const before = last.get(one.version) ?? { requests: 0, errors: 0 }
          last.set(one.version, one)
          const moved = { requests: one.requests - before.requests, errors: one.errors - before.errors }
          return [one.version, { ...moved, slower: [], restarts: 0 }]
        }),
      )
      const [baseline, canary] = [since.get('baseline'), since.get('canary')]
      if (baseline && canary) state = take(state, { at: now, baseline, canary })
      if (state.failed !== null) return second
    }
    return null
  }
}
