import type { FlowAnswer } from '../learn/flow/question.ts'
import type { StageName } from '../learn/flow/stages.ts'
import type { StageFigures, Stream } from '../learn/flow/value-stream.ts'
import { percent, sparkline, time } from './insights-view.ts'
import { bold, dim, printable, yellow } from './output.ts'

/** What people call the stages. */
export const stageWords: Readonly<Record<StageName, string>> = {
  ...{ coding: 'writing', 'review-wait': 'waiting for review', review: 'review', 'merge-wait': 'waiting to be merged' },
  ...{ 'merge-queue': 'merge queue', 'runner-wait': 'waiting for a runner', checks: 'build and test' },
  ...{ packaging: 'packaging', 'release-wait': 'waiting for the release', 'approval-wait': 'waiting for approval' },
  ...{ rollout: 'rollout', watch: 'watched' },
}

/** A row a stage: how long, how much a week, and against the period before. */
export const stageRows = ({ now, before, bottleneck }: FlowAnswer): string[][] => {
  const all = now.activeMs + now.waitingMs
  return now.stages.map((one) => {
    const was = before.stages.find(({ stage }) => stage === one.stage)
    const word = stageWords[one.stage]
    return [
      one.stage === bottleneck?.stage ? yellow(`${word} ◂`) : word,
      one.isWaiting ? 'waiting' : 'active',
      time(one.median),
      dim(`p90 ${time(one.p90)}, n ${one.n}`),
      time(one.perWeekMs),
      percent(all === 0 ? null : one.sumMs / all),
      movedSince(one, was),
    ]
  })
}

const movedSince = ({ median }: StageFigures, was: StageFigures | undefined): string => {
  const before = was?.median ?? null
  if (before === null || median === null) return dim('no data')
  if (before === median) return dim('the same')
  return `${median > before ? '+' : '-'}${time(Math.abs(median - before))}`
}

/** What the stages come to, in a few sentences. */
export const flowLines = (answer: FlowAnswer): string[] => {
  const { now, before, bottleneck, bottleneckBefore, changed, batch, progress, rhythm } = answer
  const days = Math.round((answer.span.until - answer.span.from) / 86_400_000)
  return [
    `${liveLine(answer)}  ${dim(earlierLine(answer.before, days))}`,
    `flow efficiency ${percent(now.efficiency)}  ${dim(`${percent(before.efficiency)} before`)}`,
    bottleneck
      ? `${bold('bottleneck')}: ${stageWords[bottleneck.stage]} takes ${time(bottleneck.perWeekMs)} a week, ${percent(bottleneck.share)} of all time  ${dim(`${time(bottleneckBefore)} a week before`)}`
      : now.changes === 0
        ? 'no bottleneck: nothing went live'
        : 'no bottleneck: nothing took any time',
    ...(changed
      ? [`changed most: ${stageWords[changed.stage]}, from ${time(changed.before)} to ${time(changed.now)}`]
      : []),
    `batch (median of a deployment): ${figure(batch.commits.median, 'commits')}, ${figure(batch.lines.median, 'lines')}`,
    `in progress: ${progress.open} open${progress.open === 0 ? '' : ` (median age ${time(progress.ages.median)})`}, ${progress.merged} merged and not live`,
    `deployments: ${rhythm.n}, fully automatic ${percent(rhythm.automatic.value)}; rollbacks: ${rhythm.rollbacks.machine} by machine, ${rhythm.rollbacks.hand} by hand${rhythm.rollbacks.unknown > 0 ? `, ${rhythm.rollbacks.unknown} of which nobody says` : ''}`,
    ...(now.unordered > 0
      ? [
          dim(
            `${now.unordered} moments contradict later ones and are left out: a clock was wrong, or it was done again`,
          ),
        ]
      : []),
  ]
}

const liveLine = ({ now, buckets }: FlowAnswer): string =>
  now.changes === 0
    ? 'no change went live'
    : `${now.changes} changes live; from the first commit ${time(now.total.median)} (median; p90 ${time(now.total.p90)})  ${sparkline(buckets.map(({ total }) => total.median))}`

const earlierLine = (before: Stream, days: number): string =>
  before.changes === 0
    ? `none in the ${days} days before`
    : `${before.changes} and ${time(before.total.median)} in the ${days} days before`

const figure = (value: number | null, what: string): string =>
  value === null ? `${what}: no data` : `${Math.round(value * 10) / 10} ${what}`

export const openRows = ({ progress }: FlowAnswer): string[][] =>
  progress.oldest
    .slice(0, 5)
    .map((one) => [
      one.number === null ? printable(one.change) : `${one.repository} !${one.number}`,
      time(one.ageMs),
      one.isApproved ? 'approved' : one.isReviewed ? 'reviewed' : 'waits for a review',
    ])

const weekdays = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun']

/** A line a weekday, a character an hour; the fullest hour of the week is the highest bar. */
export const rhythmLines = ({ rhythm, zone }: FlowAnswer): string[] => {
  if (rhythm.n === 0) return []
  const most = Math.max(...rhythm.byHour.flat())
  return [
    dim(`deployments by hour (${zone})`),
    ...weekdays.map((day, at) => {
      const hours = rhythm.byHour[at] ?? []
      // A last value that is left out again, so that all days have one scale.
      const bars = sparkline([...hours.map((n) => (n === 0 ? null : n)), most])
      return `  ${day} ${bars.slice(0, -1)} ${hours.reduce((sum, n) => sum + n, 0)}`
    }),
  ]
}
