import { versionName } from '../../names.ts'
import type { CalmsAnswer } from '../calms/question.ts'
import type { Span } from '../dora/calendar.ts'
import type { Figures } from '../dora/figures.ts'
import type { FlowAnswer } from '../flow/question.ts'
import type { Version } from '../queries.ts'
import type { ToilAnswer } from '../toil/question.ts'

export type DigestInput = {
  readonly project: string
  readonly span: Span
  readonly zone: string
  readonly now: Figures
  readonly before: Figures
  readonly flow: FlowAnswer
  readonly toil: ToilAnswer
  readonly culture: CalmsAnswer['culture']
  readonly incidents: readonly {
    readonly title: string
    readonly service: string | null
    readonly beganAt: number
    readonly resolvedAt: number | null
    /** What brought it; null: no deployment that is known. */
    readonly version: Version | null
  }[]
}

/** What a week came to, for people to read: figures against the week before, where the time went, what went wrong. */
export const digestOf = (input: DigestInput): string => {
  const { project, span, zone } = input
  return [
    `# ${project}: the week until ${dateIn(zone, span.until)}`,
    `From ${dateIn(zone, span.from)} (${zone}), production, all services together.`,
    metricsOf(input),
    `## Flow\n\n${flowOf(input.flow).join('\n')}`,
    `## Incidents\n\n${incidentsOf(input).join('\n')}`,
    `## Toil\n\n${toilOf(input.toil).join('\n')}`,
    ...cultureOf(input),
    'The same, and what is behind each figure: `headway insights --since 7d`.',
  ]
    .map((part) => `${part}\n`)
    .join('\n')
}

const metricsOf = ({ now, before }: DigestInput): string => {
  const row = (name: string, figure: (figures: Figures) => string): string =>
    `| ${name} | ${figure(now)} | ${figure(before)} |`
  return [
    '| | this week | the week before |\n|---|---|---|',
    row('deployments', ({ deployments }) => String(deployments.n)),
    row('lead time', ({ leadTime }) => `${lengthOf(leadTime.median)}${leadTime.n > 0 ? ` (n ${leadTime.n})` : ''}`),
    row('change fail rate', ({ changeFailRate: { value, failed, n } }) =>
      value === null ? noData : `${percentOf(value)} (${failed} of ${n})`,
    ),
    row(
      'recovery',
      ({ recovery }) => `${lengthOf(recovery.median)}${recovery.open > 0 ? `, ${recovery.open} open` : ''}`,
    ),
    row('rework rate', ({ rework }) => percentOf(rework.value)),
  ].join('\n')
}

const flowOf = ({ now, before, bottleneck, bottleneckBefore, progress, rhythm }: FlowAnswer): string[] => [
  now.changes === 0
    ? `- No change went live (${before.changes} the week before).`
    : `- ${changesIn(now.changes)} went live (${before.changes} the week before), ${lengthOf(now.total.median)} from the first commit (median).`,
  bottleneck
    ? `- Bottleneck: ${bottleneck.stage.replace('-', ' ')}, ${lengthOf(bottleneck.perWeekMs)} this week, ${percentOf(bottleneck.share)} of all time (${lengthOf(bottleneckBefore)} the week before).`
    : '- No bottleneck: nothing went live, or nothing took any time.',
  `- ${openIn(progress)}.`,
  ...(rhythm.automatic.value === null
    ? []
    : [`- Nobody had to do anything for ${percentOf(rhythm.automatic.value)} of the deployments.`]),
]

const changesIn = (changes: number): string => (changes === 1 ? '1 change' : `${changes} changes`)

const openIn = ({ open, ages }: FlowAnswer['progress']): string =>
  open === 0
    ? '0 changes are open'
    : open === 1
      ? `1 change is open, for ${lengthOf(ages.median)}`
      : `${open} changes are open, half of them for ${lengthOf(ages.median)} or longer`

const incidentsOf = ({ incidents, zone }: DigestInput): string[] =>
  incidents.length === 0
    ? ['None.']
    : incidents.map(
        ({ title, service, beganAt, resolvedAt, version }) =>
          `- ${escaped(title)}${service === null ? '' : ` (${service})`}, ${dateIn(zone, beganAt)}: ${
            resolvedAt === null ? '**open**' : `over after ${lengthOf(Math.max(0, resolvedAt - beganAt))}`
          }${version === null ? '' : `; put down to ${[version.service, versionName(version) ?? []].flat().map(escaped).join(' ')}`}`,
      )

const toilOf = ({ minutes, entries, share, line, candidates: [first] }: ToilAnswer): string[] => [
  entries === 0
    ? '- No work by hand was written down.'
    : `- ${lengthOf(minutes * 60_000)} of work by hand were written down${share === null ? '' : `, ${percentOf(share)} of the time there is (line: ${percentOf(line)})`}.`,
  ...(first ? [`- To automate first: ${escaped(first.what)} (${first.times}×).`] : []),
]

/** Only in the week in which a survey was told. */
const cultureOf = ({ culture: { last, before }, span }: DigestInput): string[] => {
  if (!last || last.closedAt < span.from || last.closedAt >= span.until) return []
  const was = before?.result.mean ? ` (${before.result.mean.toFixed(1)} before)` : ''
  return [`## Culture\n\n${last.answers} people said ${last.result.mean?.toFixed(1) ?? noData} of 7${was}.`]
}

const noData = 'no data'
const percentOf = (share: number | null): string => (share === null ? noData : `${Math.round(share * 1000) / 10} %`)

const units = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'min'],
  [1_000, 's'],
] as const
const lengthOf = (ms: number | null): string => {
  if (ms === null) return noData
  const [unitMs, unit] = units.find(([size]) => ms >= 2 * size) ?? [1_000, 's']
  return `${Math.round((ms / unitMs) * 10) / 10} ${unit}`
}

const dateIn = (zone: string, at: number): string =>
  new Intl.DateTimeFormat('en-GB', { timeZone: zone, dateStyle: 'medium', timeStyle: 'short' }).format(at)

/** What others have written is text and no Markdown, no HTML, and one line. */
const escaped = (text: string): string =>
  text
    .replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, ' ')
    .replace(/[\\`*_{}[\]<>()#+!|~@&:.-]/g, (mark) => (/[&<>@:]/.test(mark) ? `&#${mark.charCodeAt(0)};` : `\\${mark}`))
