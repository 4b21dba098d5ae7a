import type { Measure, MeasureName } from '../learn/calms/measures.ts'
import type { CalmsAnswer } from '../learn/calms/question.ts'
import { percent, time } from './insights-view.ts'

/** What each measure is called. */
export const measureTexts: Readonly<Record<MeasureName, string>> = {
  'automatic-deployments': 'deployments that nobody had to do anything for',
  'machine-rollbacks': 'rollbacks decided by the machine',
  'batch-commits': 'commits a deployment, median',
  'batch-lines': 'lines a deployment, median',
  'in-progress': 'changes that are open',
  'lead-time': 'lead time, median',
  'traced-deployments': 'deployments that lead back to their commits',
  'services-with-slo': 'services with an objective (SLO)',
  reviewers: 'people who do more than half of the reviews',
  'bus-factor': 'people who wrote more than half of a repository, the fewest',
  postmortems: 'postmortems published',
  'closed-actions': 'actions of postmortems that are closed',
}

export const valueText = (value: number | null, unit: Measure['unit']): string => {
  if (value === null) return 'no data'
  if (unit === 'share') return percent(value)
  return unit === 'ms' ? time(value) : String(Math.round(value * 10) / 10)
}

const parts = ['automation', 'lean', 'measurement', 'sharing'] as const

/** A line a measure: part, measure, value, n, what it was, why there is none. */
export const calmsRows = (answer: CalmsAnswer): string[][] =>
  parts.flatMap((part) =>
    answer[part].map(({ name, unit, value, n, before, why }, place) => [
      ...[place === 0 ? part : '', measureTexts[name], valueText(value, unit)],
      why ?? [`n ${n}`, ...(before === null ? [] : [`before: ${valueText(before, unit)}`])].join(', '),
    ]),
  )
