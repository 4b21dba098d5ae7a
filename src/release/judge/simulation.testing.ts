import { latencyEdgesMs } from '../../edge/protocol.ts'
import type { Batch, Sample } from './sample.ts'

/** Uniform numbers from 0 up to 1, the same for the same seed (sfc32). */
export const randomFrom = (seed: number): (() => number) => {
  let [a, b, c, counter] = [seed | 0, 0x9e3779b9, 0x243f6a88, 1]
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return (sum >>> 0) / 4_294_967_296
  }
  for (let warmUp = 0; warmUp < 15; warmUp += 1) next()
  return next
}

/** Knuth's method, in parts that do not underflow. */
export const poisson = (random: () => number, mean: number): number => {
  let sum = 0
  let rest = mean
  for (; rest > 500; rest -= 500) sum += smallPoisson(random, 500)
  return sum + smallPoisson(random, rest)
}
const smallPoisson = (random: () => number, mean: number): number => {
  const limit = Math.exp(-mean)
  let count = 0
  for (let product = random(); product > limit; product *= random()) count += 1
  return count
}

export type Behaviour = {
  readonly errorRate: number
  /** Shares of requests by bucket of latency, one more than there are edges; null: latency is left out. */
  readonly latency: readonly number[] | null
}

/** What a version with this behaviour counts when requests come independently, so many on average. */
export const sampleOf = (random: () => number, requests: number, { errorRate, latency }: Behaviour): Sample => {
  const total = poisson(random, requests)
  let errors = 0
  const counts = latency === null ? null : latencyEdgesMs.map(() => 0)
  for (let one = 0; one < total; one += 1) {
    if (random() < errorRate) errors += 1
    // Slower than each edge below its own latency.
    if (counts && latency)
      for (let edge = 0, rest = random(); edge < counts.length; edge += 1) {
        rest -= latency[edge] ?? 0
        if (rest < 0) break
        counts[edge] = (counts[edge] ?? 0) + 1
      }
  }
  return { requests: total, errors, slower: counts ?? noneSlower, restarts: 0 }
}
const noneSlower = latencyEdgesMs.map(() => 0)

/** Shares by bucket of a log-normal latency about a median; `alsoSlow` of the requests take one second more. */
export const logNormal = (medianMs: number, sigma: number, alsoSlow = 0): number[] => {
  const below = (ms: number): number => {
    const usual = (bound: number): number => (bound <= 0 ? 0 : normal(Math.log(bound / medianMs) / sigma))
    return (1 - alsoSlow) * usual(ms) + alsoSlow * usual(ms - 1000)
  }
  let before = 0
  const shares = latencyEdgesMs.map((edge) => {
    const until = below(edge)
    const share = Math.max(0, until - before)
    before = until
    return share
  })
  return [...shares, Math.max(0, 1 - before)]
}

/** The normal distribution function (Abramowitz and Stegun 7.1.26 has errors below 1.5e-7, enough for a simulation). */
const normal = (z: number): number => {
  const x = Math.abs(z) / Math.SQRT2
  const t = 1 / (1 + 0.3275911 * x)
  const poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
  const erf = 1 - poly * Math.exp(-x * x)
  return z >= 0 ? (1 + erf) / 2 : (1 - erf) / 2
}

/** One second of two versions: requests a second in all, the canary's share of them. */
export const secondOf = (
  random: () => number,
  second: number,
  { requests, share, baseline, canary }: { requests: number; share: number; baseline: Behaviour; canary: Behaviour },
): Batch => ({
  at: second * 1000,
  baseline: sampleOf(random, requests * (1 - share), baseline),
  canary: sampleOf(random, requests * share, canary),
})
