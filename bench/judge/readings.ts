import { poisson, randomFrom } from '../../src/release/judge/simulation.testing.ts'

/**
 * `sh scripts/node bench/judge/readings.ts [runs]`: the delays of section 1 of the method by its formula and nothing else, in ordinary
 * floating point and with none of the judge's own code, once for each way in which the formula, or its table, can be read. The same
 * figures with every run. What came of it: docs/decisions/0014-which-delays-hold.md.
 */
type Reading = {
  readonly alpha: number
  /** Logarithms of the ratios that are bet on. */
  readonly deltas: readonly number[]
  /** Share of the canary that the bets are settled by: that which was set, or that which each second had. */
  readonly share: 'set' | 'seen'
  /** The canary's traffic is part of the whole, or beside it. */
  readonly traffic: 'part' | 'beside'
  readonly evidence: 'mean' | 'largest' | 'true ratio' | 'baseline known'
  readonly looksPerSecond: number
  /** An error of a client counts once in ten seconds; there are a thousand clients. */
  readonly isCountedOnce: boolean
  /** Runs that were not stopped by so many times the time that a bet on the true ratio alone takes are left out; the others are all there is. */
  readonly endsAfter: number
}
type Cell = readonly [perSecond: number, before: number, after: number, median: number, slowest: number | null]

const design: readonly Cell[] = [
  [20, 0.1, 1, 356, 671],
  [20, 0.1, 5, 54, 107],
  [20, 1, 2, 1800, null], // "found in half the runs within 30 min"
  [20, 1, 5, 130, 272],
  [100, 0.1, 1, 73, 157],
  [100, 0.1, 5, 10, 22],
  [100, 1, 2, 214, 449],
  [100, 1, 5, 30, 62],
  [1000, 0.1, 1, 9, 20],
  [1000, 0.1, 5, 1, 3],
  [1000, 1, 2, 32, 65],
  [1000, 1, 5, 4, 7],
]
const ofCanary = 0.05
const hour = 3600

const spread = (from: number, to: number): number[] =>
  Array.from({ length: 40 }, (_, place) => from + (place * (to - from)) / 39)
const logSpaced = spread(Math.log(1.25), Math.log(100))
const literal: Reading = {
  alpha: 0.01,
  deltas: logSpaced,
  share: 'set',
  traffic: 'part',
  evidence: 'mean',
  looksPerSecond: 1,
  isCountedOnce: false,
  endsAfter: Number.POSITIVE_INFINITY,
}
const readings: Readonly<Record<string, Reading>> = {
  'to the letter': literal,
  'to the letter, of those found early': { ...literal, endsAfter: 3 },
  'share as seen in each second': { ...literal, share: 'seen' },
  'canary beside the whole traffic': { ...literal, traffic: 'beside' },
  'errors counted once in 10 s': { ...literal, isCountedOnce: true },
  'both sides': { ...literal, deltas: [...logSpaced, ...logSpaced.map((delta) => -delta)] },
  'deltas, not ratios, log-spaced': {
    ...literal,
    deltas: spread(Math.log(Math.log(1.25)), Math.log(Math.log(100))).map(Math.exp),
  },
  'ratios evenly spaced': { ...literal, deltas: spread(1.25, 100).map(Math.log) },
  'alpha 0.005 (split)': { ...literal, alpha: 0.005 },
  'alpha 0.02': { ...literal, alpha: 0.02 },
  'alpha 0.05': { ...literal, alpha: 0.05 },
  'the best bet, not the mean (no guarantee)': { ...literal, evidence: 'largest' },
  'the true ratio known': { ...literal, evidence: 'true ratio' },
  "the old version's rate known": { ...literal, evidence: 'baseline known' },
  'ten looks a second': { ...literal, looksPerSecond: 10 },
}

const mean = (values: readonly number[]): number => {
  const largest = Math.max(...values)
  return largest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - largest), 0) / values.length)
}

/** The second in which one run is stopped; infinite where it is not within the hour. */
const stoppedAt = (reading: Reading, [perSecond, before, after]: Cell, seed: number): number => {
  const random = randomFrom(seed)
  const enough = Math.log(1 / reading.alpha)
  const looks = reading.looksPerSecond
  const canary = (perSecond * ofCanary) / looks
  const baseline = (reading.traffic === 'beside' ? perSecond : perSecond * (1 - ofCanary)) / looks
  const [rateBefore, rateAfter] = [before / 100, after / 100]
  const deltas = reading.evidence === 'true ratio' ? [Math.log(after / before)] : reading.deltas
  const costsAt = (share: number): number[] => deltas.map((delta) => Math.log(1 - share + share * Math.exp(delta)))
  const usual = costsAt(canary / (canary + baseline))
  const repeats = ((ofCanary * rateAfter + (1 - ofCanary) * rateBefore) * 10 * perSecond) / 1000
  const counted = (mean: number): number => poisson(random, reading.isCountedOnce ? mean / (1 + repeats) : mean)
  const bets = deltas.map(() => 0)
  for (let look = 1; look <= hour * looks; look += 1) {
    const x = counted(canary * rateAfter)
    const n = x + counted(baseline * rateBefore)
    let costs = usual
    if (reading.share === 'seen') {
      const [requests, others] = [x + poisson(random, canary * (1 - rateAfter)), poisson(random, baseline) + n - x]
      if (requests === 0 || n === 0) continue
      costs = costsAt(requests / (requests + others))
    }
    for (const [place, delta] of deltas.entries()) {
      const known = canary * rateBefore * (Math.exp(delta) - 1)
      const cost = reading.evidence === 'baseline known' ? known : n * (costs[place] ?? 0)
      bets[place] = (bets[place] ?? 0) + delta * x - cost
    }
    const largest = Math.max(...bets)
    if (largest >= enough && (reading.evidence === 'largest' || mean(bets) >= enough)) return look / looks
  }
  return Number.POSITIVE_INFINITY
}

/** When a bet on the true ratio has enough, if in each second exactly as many requests fail as do on average. */
const known = ([perSecond, before, after]: Cell): number => {
  const ratio = after / before
  const x = (perSecond * ofCanary * after) / 100
  const n = x + (perSecond * (1 - ofCanary) * before) / 100
  return Math.log(100) / (Math.log(ratio) * x - n * Math.log(1 - ofCanary + ofCanary * ratio))
}

const isNear = (value: number, wanted: number, part: number): boolean =>
  Math.abs(value - wanted) <= Math.max(1, part * wanted)

const runs = Number(process.argv[2] ?? 1000)
console.log(
  `| reading (n ${runs}) | ${design.map(([rate, from, to]) => `${rate}/s ${from}->${to}`).join(' | ')} | agree |`,
)
for (const [name, reading] of Object.entries(readings)) {
  const cells = design.map((cell) => {
    const all = Array.from({ length: runs }, (_, seed) => stoppedAt(reading, cell, seed + 1))
    const found = all.filter((at) => at <= reading.endsAfter * known(cell)).sort((a, b) => a - b)
    const at = (part: number): number => Math.ceil(found[Math.floor(found.length * part)] ?? Number.POSITIVE_INFINITY)
    const [median, slowest] = [at(0.5), at(0.9)]
    const [, , , wanted, wantedSlowest] = cell
    const inHalfAnHour = all.filter((one) => one <= 1800).length / runs
    const agrees =
      wantedSlowest === null
        ? Math.abs(inHalfAnHour - 0.5) <= 0.08
        : isNear(median, wanted, 0.12) && isNear(slowest, wantedSlowest, 0.15)
    return { text: `${median} / ${slowest}${agrees ? '' : ' *'}`, agrees }
  })
  const agreeing = cells.filter(({ agrees }) => agrees).length
  console.log(`| ${name} | ${cells.map(({ text }) => text).join(' | ')} | ${agreeing} |`)
}
