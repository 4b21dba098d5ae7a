import type { Dora, Figures } from '../../api/learn-queries.ts'
import { t } from '../../texts/en.ts'
import { count, percent, span } from '../../ui/format.ts'

export type MetricName = keyof typeof t.insights.metric
type Behind = keyof typeof t.insights.behind
/** A remark that leads to the deployments that it speaks of. */
export type Remark = { readonly text: string; readonly behind: Behind | null }
/** One of the five, as it is shown. */
export type Metric = {
  readonly name: MetricName
  readonly figure: string | null
  readonly remarks: readonly Remark[]
  readonly level: Dora['levels']['leadTime']
  readonly score: number | null
  /** A bar for each bucket; null: no data, which is not 0. */
  readonly bars: readonly Bar[]
  readonly behind: Behind
}
export type Bar = { readonly value: number | null; readonly bad: number; readonly told: string }

/** So often, in the unit in which it is at least once. */
export const often = (perDay: number | null): string | null => {
  if (perDay === null) return null
  const { day, week, month } = t.insights.often
  if (perDay >= 1) return day(digits(perDay))
  return perDay >= 1 / 7 ? week(digits(perDay * 7)) : month(digits(perDay * 30.44))
}

const digits = (value: number): string =>
  value >= 10 ? count(value) : new Intl.NumberFormat('en', { maximumFractionDigits: 1 }).format(value)

const plain = (text: string): Remark => ({ text, behind: null })
const someOf = (amount: number, say: (count: string) => string, behind: Behind): readonly Remark[] =>
  amount === 0 ? [] : [{ text: say(count(amount)), behind }]

/** The five metrics, in the order in which DORA names them. */
export const metricsOf = ({ total, perDay, levels, quickCheck, buckets }: Dora): readonly Metric[] => {
  const { leadTime, deployments, changeFailRate, recovery, rework } = total
  const over = (of: (figures: Figures) => Omit<Bar, 'told'>, say: (value: number) => string): readonly Bar[] =>
    buckets.map(({ figures }) => {
      const { value, bad } = of(figures)
      return { value, bad, told: value === null ? t.insights.noData : say(value) }
    })
  return [
    {
      name: 'leadTime',
      figure: leadTime.median === null ? null : span(leadTime.median),
      remarks: [
        ...(leadTime.p90 === null ? [] : [plain(t.insights.p90(span(leadTime.p90)))]),
        plain(t.insights.n(count(leadTime.n))),
        ...droppedOf(leadTime.dropped),
      ],
      level: levels.leadTime,
      score: quickCheck.leadTime,
      bars: over((figures) => ({ value: figures.leadTime.median, bad: 0 }), span),
      behind: 'all',
    },
    {
      name: 'deployments',
      figure: often(deployments.perDay),
      remarks: [
        plain(t.insights.counted(count(deployments.n))),
        ...(perDay.p90 === null ? [] : [plain(t.insights.busiest(digits(perDay.p90)))]),
      ],
      level: levels.deployments,
      score: quickCheck.deployments,
      bars: over(
        ({ deployments: { n }, changeFailRate: { failed } }) => ({ value: n === 0 ? null : n, bad: failed }),
        count,
      ),
      behind: 'all',
    },
    {
      name: 'changeFailRate',
      figure: changeFailRate.value === null ? null : percent(changeFailRate.value),
      remarks: [
        { text: t.insights.of(count(changeFailRate.failed), count(changeFailRate.n)), behind: 'failed' },
        ...someOf(changeFailRate.suspected, t.insights.suspected, 'suspected'),
        ...someOf(changeFailRate.pending, t.insights.pending, 'pending'),
      ],
      level: levels.changeFailRate,
      score: quickCheck.changeFailRate,
      bars: over(({ changeFailRate: { value } }) => ({ value, bad: value ?? 0 }), percent),
      behind: 'failed',
    },
    {
      name: 'recovery',
      figure: recovery.median === null ? null : span(recovery.median),
      remarks: [
        ...(recovery.p90 === null ? [] : [plain(t.insights.p90(span(recovery.p90)))]),
        plain(t.insights.n(count(recovery.n))),
        ...someOf(recovery.open, t.insights.open, 'open'),
        ...someOf(recovery.dropped.negative, t.insights.droppedRecoveries, 'failed'),
      ],
      level: levels.recovery,
      score: quickCheck.recovery,
      bars: over((figures) => ({ value: figures.recovery.median, bad: 0 }), span),
      behind: 'failed',
    },
    {
      name: 'rework',
      figure: rework.value === null ? null : percent(rework.value),
      remarks: [{ text: t.insights.of(count(rework.unplanned), count(rework.n)), behind: 'rework' }],
      level: null,
      score: quickCheck.rework,
      bars: over((figures) => ({ value: figures.rework.value, bad: 0 }), percent),
      behind: 'rework',
    },
  ]
}

type Dropped = Figures['leadTime']['dropped']
const droppedNames = ['first', 'merge', 'negative', 'unknown', 'again'] as const

const droppedOf = (dropped: Dropped): readonly Remark[] => {
  const all = droppedNames.reduce((sum, name) => sum + dropped[name], 0)
  if (all === 0) return []
  const why = droppedNames
    .filter((name) => dropped[name] > 0)
    .map((name) => t.insights.why[name](count(dropped[name])))
    .join(', ')
  return [{ text: t.insights.dropped(count(all), why), behind: 'dropped' }]
}
