import type { CalmsAnswer } from './calms/question.ts'
import type { DoraAnswer } from './dora/question.ts'
import type { FlowAnswer } from './flow/question.ts'
import type { ToilAnswer } from './toil/question.ts'

type Cell = string | number | null | undefined

/**
 * Tables for spreadsheets (RFC 4180, but with line feeds): times in milliseconds, nothing where there is no data. The command line and
 * the web hand these on as they are.
 */
const tableOf = (head: readonly string[], rows: readonly (readonly Cell[])[]): string =>
  [head, ...rows].map((row) => `${row.map(cellOf).join(',')}\n`).join('')

/** What people wrote and a spreadsheet would take for a formula gets an apostrophe before it (OWASP, CSV injection). */
const cellOf = (value: Cell): string => {
  if (typeof value !== 'string') return String(value ?? '')
  const text = /^[=+\-@\t\r＝＋－＠]/.test(value) ? `'${value}` : value
  return /[",;\r\n\t]|^'|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** A line a bucket. */
export const doraCsv = ({ buckets }: Pick<DoraAnswer, 'buckets'>): string =>
  tableOf(
    [
      ...['from', 'until', 'deployments', 'deployments_per_day', 'lead_time_median_ms', 'lead_time_p90_ms', 'commits'],
      ...['change_fail_rate', 'failed', 'judged', 'pending', 'recovery_median_ms', 'recovery_p90_ms', 'recoveries'],
      ...['open', 'rework_rate', 'unplanned'],
    ],
    buckets.map(({ span: of, figures }) => {
      const { deployments, leadTime, changeFailRate, recovery, rework } = figures
      return [
        ...[new Date(of.from).toISOString(), new Date(of.until).toISOString(), deployments.n, deployments.perDay],
        ...[leadTime.median, leadTime.p90, leadTime.n, changeFailRate.value, changeFailRate.failed, changeFailRate.n],
        ...[changeFailRate.pending, recovery.median, recovery.p90, recovery.n, recovery.open, rework.value],
        rework.unplanned,
      ]
    }),
  )

/** A line a stage, with what it was in the span of the same length before. */
export const flowCsv = ({ now, before }: Pick<FlowAnswer, 'now' | 'before'>): string =>
  tableOf(
    [
      ...['stage', 'kind', 'median_ms', 'p90_ms', 'changes', 'per_week_ms'],
      ...['median_before_ms', 'per_week_before_ms'],
    ],
    now.stages.map((one) => {
      const was = before.stages.find(({ stage }) => stage === one.stage)
      const kind = one.isWaiting ? 'waiting' : 'active'
      return [one.stage, kind, one.median, one.p90, one.n, one.perWeekMs, was?.median, was?.perWeekMs]
    }),
  )

const parts = ['automation', 'lean', 'measurement', 'sharing'] as const

/** A line a statement of the last survey, then a line a measure. */
export const calmsCsv = (answer: Pick<CalmsAnswer, 'culture' | (typeof parts)[number]>): string => {
  const { last, before } = answer.culture
  const was = before?.result.statements ?? []
  return tableOf(
    ['part', 'measure', 'unit', 'value', 'n', 'before'],
    [
      ...(last?.result.statements ?? []).map(({ statement, sum }, place) => [
        ...['culture', statement, '1-7', sum?.mean, sum?.n, was[place]?.sum?.mean],
      ]),
      ...parts.flatMap((part) =>
        answer[part].map(({ name, unit, value, n, before: earlier }) => [part, name, unit, value, n, earlier]),
      ),
    ],
  )
}

/** A line for each that is done again and again; no minutes where nobody has entered any. */
export const toilCsv = ({ candidates }: Pick<ToilAnswer, 'candidates'>): string =>
  tableOf(
    ['what', 'source', 'times', 'minutes'],
    candidates.map(({ what, source, times, minutes }) => [what, source, times, minutes]),
  )
