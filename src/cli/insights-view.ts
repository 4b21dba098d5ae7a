import type { Figures } from '../learn/dora/figures.ts'
import type { Level } from '../learn/dora/levels.ts'
import type { DoraAnswer } from '../learn/dora/question.ts'
import { type VersionNames, versionName } from '../names.ts'
import { bold, dim, printable, span } from './output.ts'

/** What a deployment brought where. */
export type Deployed = VersionNames & { readonly service: string; readonly environment: string }

/** A deployment by what it brought, as `shop 1a2b3c4`; one of which that is not known by itself. */
export const deployedName = ({
  deployment,
  version,
}: {
  readonly deployment: string | null
  readonly version: Deployed | null
}): string =>
  printable(version === null ? (deployment ?? '') : [version.service, versionName(version) ?? deployment].join(' '))

const bars = '▁▂▃▄▅▆▇█'

/** A small chart: one character a value, from the smallest that there could be to the largest that there is; `·` for no data. */
export const sparkline = (values: readonly (number | null)[]): string => {
  const largest = Math.max(0, ...values.map((value) => value ?? 0))
  return values
    .map((value) =>
      value === null ? '·' : (bars[largest === 0 ? 0 : Math.round((value / largest) * (bars.length - 1))] ?? '·'),
    )
    .join('')
}

export const percent = (share: number | null): string => (share === null ? 'no data' : `${round(share * 100)} %`)
export const time = (ms: number | null): string => (ms === null ? 'no data' : span(ms))
const round = (value: number): string => (value >= 10 ? value.toFixed(0) : String(Math.round(value * 10) / 10))

const often = (perDay: number | null): string => {
  if (perDay === null) return 'no data'
  if (perDay >= 1) return `${round(perDay)} a day`
  return perDay >= 1 / 7 ? `${round(perDay * 7)} a week` : `${round(perDay * 30.44)} a month`
}

const levelOf = (level: Level | null): string => (level ? `${level.level} (${level.year})` : '')
const scoreOf = (score: number | null): string => (score === null ? '' : `${score}/10`)

type Row = {
  readonly name: string
  readonly figure: string
  readonly detail: string
  readonly level: string
  readonly score: string
  readonly chart: string
}

/** The five metrics, each with its chart over the buckets. */
export const doraRows = ({ total, levels, quickCheck, buckets, perDay }: DoraAnswer): Row[] => {
  const over = (of: (figures: Figures) => number | null): string => sparkline(buckets.map(({ figures }) => of(figures)))
  const { leadTime, deployments, changeFailRate, recovery, rework } = total
  return [
    {
      name: 'deployments',
      figure: often(deployments.perDay),
      detail: `n ${deployments.n}${perDay.p90 === null ? '' : `, p90 ${round(perDay.p90)} a day`}`,
      level: levelOf(levels.deployments),
      score: scoreOf(quickCheck.deployments),
      chart: over((figures) => (figures.deployments.n === 0 ? null : figures.deployments.n)),
    },
    {
      name: 'lead time',
      figure: time(leadTime.median),
      detail: timesOf(leadTime),
      level: levelOf(levels.leadTime),
      score: scoreOf(quickCheck.leadTime),
      chart: over((figures) => figures.leadTime.median),
    },
    {
      name: 'change fail rate',
      figure: percent(changeFailRate.value),
      detail: [
        `${changeFailRate.failed} of ${changeFailRate.n}`,
        ...(changeFailRate.suspected > 0 ? [`${changeFailRate.suspected} suspected`] : []),
        ...(changeFailRate.pending > 0 ? [`${changeFailRate.pending} not judged yet`] : []),
      ].join(', '),
      level: levelOf(levels.changeFailRate),
      score: scoreOf(quickCheck.changeFailRate),
      chart: over((figures) => figures.changeFailRate.value),
    },
    {
      name: 'recovery',
      figure: time(recovery.median),
      detail: [timesOf(recovery), ...(recovery.open > 0 ? [`${recovery.open} open`] : [])].join(', '),
      level: levelOf(levels.recovery),
      score: scoreOf(quickCheck.recovery),
      chart: over((figures) => figures.recovery.median),
    },
    {
      name: 'rework rate',
      figure: percent(rework.value),
      detail: `${rework.unplanned} of ${rework.n}`,
      level: '',
      score: scoreOf(quickCheck.rework),
      chart: over((figures) => figures.rework.value),
    },
  ]
}

const timesOf = ({ p90, n }: { readonly p90: number | null; readonly n: number }): string =>
  p90 === null ? `n ${n}` : `p90 ${span(p90)}, n ${n}`

/** Whose figures they are, in a line. */
export const scopeLine = ({
  scope,
  services,
  span: of,
  bucket,
  zone,
}: Pick<DoraAnswer, 'scope' | 'services' | 'span' | 'bucket' | 'zone'>): string => {
  const days = Math.round((of.until - of.from) / 86_400_000)
  return `${bold(whoseOf(scope.services, services))} in ${scope.environment}, ${days} days by the ${bucket} (${zone})`
}

const whoseOf = (named: readonly string[], known: number): string => {
  if (known === 0) return named.length === 0 ? 'no service yet' : `nothing is known of ${named.join(' and ')}`
  if (named.length === 1) return named.join()
  const missing = named.length > known ? ` of ${named.length} named` : ''
  if (known > 1) return `a blend of ${known} services${missing}`
  return named.length > 0 ? `one service${missing}` : 'the only service'
}

/** What to do where nothing was ever deployed; null where something was. */
export const emptyLine = ({ scope, services }: Pick<DoraAnswer, 'scope' | 'services'>): string | null =>
  services > 0
    ? null
    : scope.services.length > 0
      ? dim('next: headway status names the services; --environment says where')
      : dim(
          'next: git push headway main deploys one; headway events sources add and headway import tell what others deployed',
        )

/** What was left out and why; empty where nothing was. */
export const droppedLines = ({ total, relativeError }: DoraAnswer): string[] => {
  const { first, merge, negative, unknown, again } = total.leadTime.dropped
  const said = [
    [first, 'in the first deployment of a service'],
    [merge, 'merge commits'],
    [negative, 'committed after they were live: a clock is wrong'],
    [unknown, 'nobody knows when'],
    [again, 'live before'],
  ] as const
  const commits = said.filter(([n]) => n > 0).map(([n, why]) => `${n} ${why}`)
  const recoveries = total.recovery.dropped.negative
  return [
    ...(commits.length > 0 ? [dim(`commits without a lead time: ${commits.join('; ')}`)] : []),
    ...(recoveries > 0 ? [dim(`${recoveries} restored before they were deployed: a clock is wrong`)] : []),
    ...(relativeError > 0 ? [dim(`times are right to ${relativeError * 100} %`)] : []),
  ]
}
