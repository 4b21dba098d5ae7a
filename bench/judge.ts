import { availableParallelism } from 'node:os'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { begin, take, verdict } from '../src/release/judge/judge.ts'
import { logNormal, randomFrom, secondOf } from '../src/release/judge/simulation.testing.ts'
import { type Difference, expectedSeconds } from './judge/growth.ts'
import {
  alone,
  brokenClients,
  bursts,
  drifting,
  driftingTogether,
  errors,
  everything,
  identical,
  identicalAlone,
  identicalLive,
  latency,
  plan,
  ramped,
  type Simulation,
  steady,
  stickyClients,
  usual,
  worseBy,
  worseLive,
} from './judge/rollouts.ts'

/**
 * `npm run bench -- judge`: how often identical releases are stopped, and how soon worse ones are. The same figures with every run: each
 * simulated rollout has the seed of its place.
 */
type Say = (name: string, figure: string) => void
type Row = {
  readonly name: string
  readonly runs: number
  readonly play: Simulation
  readonly expected: string
  readonly of: 'alarms' | 'delays'
  /** What the method's own formula expects. */
  readonly growth?: Difference
}

const alarms = (runs: number, name: string, expected: string, play: Simulation): Row => ({
  ...{ name: `identical, ${name}`, runs, play, expected, of: 'alarms' },
})
const delays = (runs: number, name: string, expected: string, play: Simulation): Row => ({
  ...{ name, runs, play, expected, of: 'delays' },
})

const pairs = 10_000
const always = (): number => 0.05
const guarantee: readonly Row[] = [
  alarms(
    pairs,
    'errors alone, 5 % all the time',
    '0.35 %',
    identicalAlone(always, () => 0.01),
  ),
  alarms(
    pairs,
    'errors alone, 5 -> 25 -> 50 %',
    '0.43 %',
    identicalAlone(ramped, () => 0.01),
  ),
  alarms(pairs, 'errors alone, 5 -> 25 -> 50 %, drifting together', '<= 1 %', identicalAlone(ramped, drifting)),
  alarms(
    pairs,
    'judged by errors, 5 -> 25 -> 50 %, drifting together',
    '<= 1 %',
    identical(ramped, (at) => errors(drifting(at))),
  ),
  alarms(pairs, 'all that is judged, 5 % all the time', '<= 1 %', identicalLive(20, always, steady)),
  alarms(pairs, 'all that is judged, 5 -> 25 -> 50 %', '<= 1 %', identicalLive(20, ramped, steady)),
  alarms(
    pairs,
    'all that is judged, 5 -> 25 -> 50 %, drifting together',
    '<= 1 %',
    identicalLive(20, ramped, driftingTogether),
  ),
  alarms(
    pairs,
    'all in one judging, 5 -> 25 -> 50 %, drifting together',
    '<= 1 %',
    identical(ramped, driftingTogether, everything),
  ),
]

const tenSeconds = 10_000
const traps: readonly Row[] = [
  alarms(500, 'bursts of 3 errors, each counted', '17 %', bursts(3, 0)),
  alarms(500, '  counted once per client and route', '<= 1 %', bursts(3, tenSeconds)),
  alarms(500, 'bursts of 10 errors, each counted', '47 %', bursts(10, 0)),
  alarms(500, '  counted once per client and route', '<= 1 %', bursts(10, tenSeconds)),
  alarms(100, '100 broken clients, counted per version', 'all', brokenClients(true)),
  alarms(100, '  counted once per client and route', '<= 1 %', brokenClients(false)),
  alarms(200, 'sticky, 3 broken clients', 'many', stickyClients(tenSeconds)),
  alarms(200, '  with a window as long as they stick', '<= 1 %', stickyClients(3_600_000)),
]

/** Errors before and after, in per cent, at so many requests a second; median and 90th percentile in seconds as statistics.md has them. */
const cells = [
  [20, 0.1, 1, '356 / 671'],
  [20, 0.1, 5, '54 / 107'],
  [20, 1, 2, 'half in 30 min'],
  [20, 1, 5, '130 / 272'],
  [100, 0.1, 1, '73 / 157'],
  [100, 0.1, 5, '10 / 22'],
  [100, 1, 2, '214 / 449'],
  [100, 1, 5, '30 / 62'],
  [1000, 0.1, 1, '9 / 20'],
  [1000, 0.1, 5, '1 / 3'],
  [1000, 1, 2, '32 / 65'],
  [1000, 1, 5, '4 / 7'],
] as const
const found = cells.map(([total, before, after, expected]) => ({
  ...delays(400, `${total}/s, ${before} -> ${after} % errors`, expected, alone(total, before / 100, after / 100)),
  growth: { total, share: 0.05, before, after },
}))
const withEverything = cells
  .filter(([total]) => total === 100)
  .map(([total, before, after]) => {
    const behaviour = (percent: number) => ({ errorRate: percent / 100, latency: usual })
    const play = worseBy(total, behaviour(before), behaviour(after), everything)
    return delays(200, `${total}/s, ${before} -> ${after} % errors, with latency`, 'some longer', play)
  })
const live = (
  [
    ['0.1 -> 5 % errors', { errorRate: 0.001, latency: usual }, { errorRate: 0.05, latency: usual }, '<= 15'],
    ['all twice as slow', latency(usual), latency(logNormal(100, 0.5)), '<= 15'],
  ] as const
).map(([name, before, after, expected]) => delays(200, `100/s, ${name}, as live`, expected, worseLive(before, after)))
const slower = (
  [
    ['all 1.2 times as slow', logNormal(60, 0.5), '84'],
    ['all twice as slow', logNormal(100, 0.5), '6'],
    ['5 % one second slower', logNormal(50, 0.5, 0.05), '11'],
    ['1 % one second slower', logNormal(50, 0.5, 0.01), '64'],
  ] as const
).map(([name, shares, expected]) =>
  delays(200, `100/s, ${name}`, expected, worseBy(100, latency(usual), latency(shares), everything)),
)

const rows: readonly Row[] = [...live, ...found, ...withEverything, ...slower, ...traps, ...guarantee]

const threads = Math.max(1, Math.min(2, availableParallelism() - 1))

/** The outcomes of a row, played by some threads. */
const playAll = async (row: number, runs: number): Promise<(number | null)[]> => {
  const parts = Array.from({ length: threads }, async (_, part) => {
    const worker = new Worker(new URL(import.meta.url), { workerData: { row, from: part, step: threads, runs } })
    const outcomes = await new Promise<(number | null)[]>((resolve, reject) => {
      worker.once('message', resolve)
      worker.once('error', reject)
    })
    await worker.terminate()
    return outcomes
  })
  return (await Promise.all(parts)).flat()
}

if (!isMainThread && parentPort && typeof workerData?.row === 'number') {
  const { row, from, step, runs } = workerData
  const outcomes: (number | null)[] = []
  for (let seed = from; seed < runs; seed += step) outcomes.push(rows[row]?.play(seed + 1) ?? null)
  parentPort.postMessage(outcomes)
}

const quantileOf = (delays: readonly (number | null)[], share: number): string => {
  const sorted = delays.map((delay) => delay ?? Number.POSITIVE_INFINITY).toSorted((a, b) => a - b)
  const at = (place: number): number => sorted[Math.min(Math.max(Math.round(place), 0), sorted.length - 1)] ?? 0
  const value = at(Math.floor(sorted.length * share))
  if (!Number.isFinite(value)) return 'never'
  // A quantile's standard error by the order statistics on both sides of it: their ranks are binomial.
  const ranks = Math.sqrt(sorted.length * share * (1 - share))
  const error = (at(sorted.length * share + ranks) - at(sorted.length * share - ranks)) / 2
  return `${value} ± ${Number.isFinite(error) ? error.toFixed(error < 10 ? 1 : 0) : '?'}`
}

const grown = (growth: Difference | undefined): string => {
  if (!growth) return ''
  const { mixture, oracle } = expectedSeconds(growth, plan.alpha)
  return `; by its mean growth ${mixture.toFixed(0)}, by that of a bet on the true ratio alone ${oracle.toFixed(0)}`
}

/** What a look costs, with sixteen metrics of which all moved. */
const measureSpeed = (say: Say): void => {
  const random = randomFrom(1)
  const batches = Array.from({ length: 200 }, (_, at) =>
    secondOf(random, at, { requests: 1000, share: 0.1, baseline: latency(usual), canary: latency(usual) }),
  )
  let state = begin(everything)
  const took: number[] = []
  for (let round = 0; round < 40; round += 1) {
    const began = performance.now()
    for (const batch of batches) state = take(state, batch)
    took.push(((performance.now() - began) / batches.length) * 1000)
  }
  const began = performance.now()
  for (let round = 0; round < 500; round += 1) verdict(state)
  say(
    'judge: taking in one batch, microseconds',
    `${Math.min(...took).toFixed(1)} (errors, 11 bounds of latency, restarts)`,
  )
  say('judge: a verdict with all its numbers, microseconds', ((performance.now() - began) * 2).toFixed(0))
}

/** `part`: of the rollouts of each row; `words`: only rows whose name has one of them. */
export const measureJudge = async (say: Say, part = 1, words: readonly string[] = ['']): Promise<void> => {
  measureSpeed(say)
  for (const [place, { name, runs: all, expected, of, growth }] of rows.entries()) {
    if (!words.some((word) => name.includes(word))) continue
    const runs = Math.ceil(all * part)
    const outcomes = await playAll(place, runs)
    const stopped = outcomes.filter((one) => one !== null).length
    const percent = ((100 * stopped) / runs).toFixed(of === 'alarms' ? 2 : 0)
    say(
      `judge: ${name}`,
      of === 'alarms'
        ? `${stopped} of ${runs} stopped, ${percent} % (expected ${expected})`
        : `${quantileOf(outcomes, 0.5)} / ${quantileOf(outcomes, 0.9)} s, ${percent} % found (n ${runs}; expected ${expected}${grown(growth)})`,
    )
  }
}
