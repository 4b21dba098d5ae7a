import { shortCommit } from '../names.ts'
import type { Explanation } from '../release/index.ts'
import type { MetricNumbers } from '../release/judge/judge.ts'
import { bold, dim, green, printable, red, span, yellow } from './output.ts'
import { asked, spoken } from './rollout-standing.ts'
import { metricsIn } from './why.ts'

/** A rollout as the API shows it, as far as the commands go by it. */
export type Rollout = {
  readonly deployment: string
  readonly service: string
  readonly environment: string
  readonly commit: string
  readonly strategy: string
  readonly steps: readonly { readonly weightPercent: number; readonly minMs: number; readonly maxMs: number }[]
  readonly step: number | null
  readonly stepStartedAt: number | null
  readonly weightPercent: number
  readonly phase: 'starting' | 'step' | 'watch' | 'undoing' | 'ended'
  readonly watch: { readonly timeMs: number; readonly holdbackPercent: number }
  readonly baseline: { readonly release: string } | null
  readonly paused: { readonly by: string; readonly reason: string } | null
  readonly requestedAt: number
  readonly shiftedAt: number | null
  readonly finishedAt: number | null
  readonly outcome: string | null
}
export type StoryLine = { readonly at: number; readonly seq: number; readonly text: string }
export type RolloutView = {
  readonly rollout: Rollout
  /** Null where nothing was planned yet. */
  readonly why: Explanation | null
  readonly story: readonly StoryLine[]
}

/** So that a line with a bar and its figures fits 80 columns. */
const barWidth = 24

/** A rollout as a screen of a terminal: at most this many lines, the log's oldest left out first. */
export const renderRollout = ({ rollout, why, story }: RolloutView, now: number, height: number): string[] => {
  const head = [
    headline(rollout, now),
    '',
    `  new ${shortCommit(rollout.commit)}  ${bar(rollout.weightPercent / 100)} ${weight(rollout.weightPercent)}`,
    ...(rollout.baseline
      ? [`  old ${' '.repeat(7)}  ${bar(1 - rollout.weightPercent / 100)} ${weight(100 - rollout.weightPercent)}`]
      : []),
    '',
    ...(why?.now ? [...compared(why.now), '', ...judged(why, isInStep(rollout))] : []),
  ]
  const room = Math.max(3, height - head.length - 1)
  return [...head, ...story.slice(-room).map((line) => logLine(line))]
}

/** One line of the log of decisions. */
export const logLine = ({ at, text }: StoryLine): string => `  ${dim(clockTime(at))}  ${printable(text)}`

/** How it stands, in one line for those who are no terminal. */
export const statusLine = ({ rollout, why }: RolloutView, now: number): string => {
  const { requests, errors } = why?.now?.canary ?? { requests: 0, errors: 0 }
  const said = why?.now && asked(why.now, isInStep(rollout) ? why.latency : null)
  const verdicts = said?.map(({ name, judgement: { verdict } }) => `${name}${verdict}`).join(', ')
  const counted = verdicts ? `, ${errors} of ${requests} requests failed, ${verdicts}` : ''
  return `  ${clockTime(now)}  ${rollout.phase} at ${weight(rollout.weightPercent).trim()}${counted}`
}

const headline = (rollout: Rollout, now: number): string => {
  const { service, environment, commit, strategy } = rollout
  const name = bold(`${printable(service)} ${shortCommit(commit)} in ${environment}`)
  return `${name}  ${strategy}, ${phaseOf(rollout, now)}${rollout.paused && ['step', 'watch'].includes(rollout.phase) ? `, ${yellow(`paused by ${printable(rollout.paused.by)}`)}` : ''}`
}

const phaseOf = (rollout: Rollout, now: number): string => {
  const { phase, outcome, step, steps, stepStartedAt, shiftedAt, watch, requestedAt, finishedAt } = rollout
  if (phase === 'ended') {
    const took = finishedAt === null ? '' : ` after ${span(finishedAt - requestedAt)}`
    return `${outcome === 'succeeded' ? green(outcome) : red(outcome ?? 'ended')}${took}`
  }
  if (phase === 'undoing') return red('taken back')
  if (phase === 'starting') return `starting for ${span(now - requestedAt)}`
  if (phase === 'watch') {
    const held = watch.holdbackPercent > 0 ? ` beside ${watch.holdbackPercent} % of the old` : ''
    return `watched for ${span(now - (shiftedAt ?? now))} of ${span(watch.timeMs)}${held}`
  }
  const rules = steps[step ?? 0]
  const since = span(now - (stepStartedAt ?? now))
  const bounds = rules ? ` (${span(rules.minMs)} to ${span(rules.maxMs)})` : ''
  return `step ${(step ?? 0) + 1} of ${steps.length} for ${since}${bounds}`
}

const bar = (share: number): string => {
  const full = Math.round(Math.min(1, Math.max(0, share)) * barWidth)
  return '█'.repeat(full) + dim('░'.repeat(barWidth - full))
}

const weight = (share: number): string => `${Number(share.toFixed(1))} %`.padStart(7)

type Now = NonNullable<Explanation['now']>

/** Only a step waits for what latency comes to; afterwards it is not looked at any more. */
const isInStep = ({ phase }: Pick<Rollout, 'phase'>): boolean => phase === 'step'

const compared = ({ canary, baseline }: Now): string[] => {
  const row = (name: string, requests: string, errors: string, latency: string): string =>
    `  ${name.padEnd(5)}${requests.padStart(10)}   ${errors.padEnd(28)}${latency}`
  const side = (name: string, shown: Now['canary']): string =>
    row(name, String(shown.requests), errorsOf(shown), p95Of(shown))
  return [dim(row('', 'requests', 'errors', 'p95')), side('new', canary), side('old', baseline)]
}

/** The rate, and between what the true one lies. */
const errorsOf = ({ requests, errors, errorRate }: Now['canary']): string =>
  requests === 0
    ? 'no data'
    : `${percent(errors / requests)} (${percent(errorRate.from)} to ${percent(errorRate.until)})`

/** A bound that is not known is not made up. */
const p95Of = ({ requests, latency }: Now['canary']): string => {
  const band = latency.find(({ quantile }) => quantile === 0.95)
  if (!band || requests === 0) return 'no data'
  if (band.untilMs !== null) return `${band.fromMs} to ${band.untilMs} ms`
  return band.fromMs === 0 ? 'not known yet' : `above ${band.fromMs} ms, no upper bound yet`
}

const percent = (share: number): string => `${Number((share * 100).toFixed(share < 0.01 ? 2 : 1))} %`

const judged = ({ now, latency, series, plan }: Explanation, isStep: boolean): string[] => {
  const alpha = now?.alpha ?? plan.alpha
  const line = Math.log(1 / alpha)
  const lnE = series.at(-1)?.lnE ?? 0
  return [
    `  evidence against the new version  ${bar(lnE / line)} ${odds(lnE)} of ${Math.round(1 / alpha)} to 1`,
    ...(series.length > 1 ? [`  ${dim('its course'.padEnd(32))}  ${spark(series.map((one) => one.lnE / line))}`] : []),
    ...ownIn(now),
    ...(now ? asked(now, isStep ? latency : null).map((one) => `  ${spoken(one)}`) : []),
    '',
  ]
}

/** The team's own metrics, also those of which nothing was seen. */
const ownIn = (now: Explanation['now']): string[] =>
  metricsIn(now?.numbers ?? {})
    .filter(({ metric }) => metric.startsWith('own:'))
    .map(({ metric, canary, baseline, lnE }) => {
      const name = printable(metric.slice('own:'.length))
      const isSeen = canary.of + baseline.of > 0
      return `  ${name}: ${isSeen ? `new ${shareOf(canary)}, old ${shareOf(baseline)}, evidence ${odds(lnE)} to 1` : 'nothing seen of it yet'}`
    })

const shareOf = ({ events, of }: MetricNumbers['canary']): string =>
  of === 0 ? 'no data' : `${percent(events / of)} of ${Number(of.toPrecision(6))}`

const odds = (lnE: number): string =>
  lnE > 14 ? `10^${Math.floor(lnE / Math.LN10)}` : Math.max(0, Math.exp(lnE)).toFixed(lnE < 1 ? 1 : 0)

const blocks = '▁▂▃▄▅▆▇█'
/** A row of bars, each a share of the line that it must not cross. */
const spark = (shares: readonly number[]): string => {
  const every = Math.max(1, Math.ceil(shares.length / barWidth))
  return shares
    .filter((_, place) => (shares.length - 1 - place) % every === 0)
    .map((share) => blocks[Math.min(7, Math.max(0, Math.floor(share * 8)))] ?? '')
    .join('')
}

const clockTime = (at: number): string => new Date(at).toTimeString().slice(0, 8)
