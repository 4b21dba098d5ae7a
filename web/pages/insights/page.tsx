import { useQuery } from '@tanstack/react-query'
import { useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useMemo } from 'react'
import { type Asked, type Bucket, learnedServices } from '../../api/learn-queries.ts'
import { t } from '../../texts/en.ts'
import { PageHead } from '../../ui/parts.tsx'
import { changedSearch } from '../../ui/search.ts'
import { Choice, Tabs } from '../../ui/tabs.tsx'
import { CalmsTab } from './calms.tsx'
import { Delivery } from './delivery.tsx'
import { DigestTab } from './digest.tsx'
import { FlowTab } from './flow.tsx'
import { ToilTab } from './toil.tsx'

const dayMs = 86_400_000
const hourMs = 3_600_000
const periods = { month: 30, quarter: 90, half: 182, year: 365, years: 1_095 } as const
type Period = keyof typeof periods
const periodNames: readonly Period[] = ['month', 'quarter', 'half', 'year', 'years']
const bucketNames: readonly Bucket[] = ['day', 'week', 'month', 'quarter', 'year']
/** Where nobody says: bars that can be told apart, and enough of them. */
const fitting: Readonly<Record<Period, Bucket>> = {
  month: 'day',
  quarter: 'week',
  half: 'week',
  year: 'month',
  years: 'quarter',
}

const tabs = ['delivery', 'flow', 'calms', 'toil', 'digest'] as const

/** What deliveries come to, whose, where, and over which time. */
export const InsightsPage = () => {
  const { project } = useParams({ from: '/shell/projects/$project/insights' })
  const search = useSearch({ from: '/shell/projects/$project/insights' })
  const period = periodNames.find((name) => name === search.period) ?? 'quarter'
  const bucket = bucketNames.find((name) => name === search.bucket) ?? fitting[period]
  const tab = tabs.find((name) => name === search.tab) ?? 'delivery'
  const { data: places = [] } = useQuery(learnedServices(project))
  const environment = search.environment ?? placeOf(places.map((one) => one.environment))
  // By the whole hour, so that what is asked stays the same question while somebody looks.
  const hour = Math.floor(Date.now() / hourMs) * hourMs
  const { service } = search
  const asked = useMemo(
    (): Asked => ({ project, service, environment, since: hour - periods[period] * dayMs, until: undefined }),
    [project, service, environment, period, hour],
  )
  return (
    <>
      <PageHead
        title={t.insights.title}
        actions={
          tab !== 'digest' && <Filters project={project} period={period} bucket={bucket} environment={environment} />
        }
      />
      <Tabs label={t.insights.title} tabs={tabs} chosen={tab} names={t.insights.tabs} />
      {tab === 'flow' && <FlowTab asked={asked} bucket={bucket} />}
      {tab === 'calms' && <CalmsTab asked={asked} />}
      {tab === 'digest' && <DigestTab project={project} />}
      {tab === 'toil' && <ToilTab project={project} since={asked.since} />}
      {tab === 'delivery' && <Delivery asked={asked} bucket={bucket} behind={search.behind} at={search.at} />}
    </>
  )
}

/** Production where there is one, else what comes last. */
const placeOf = (names: readonly string[]): string =>
  names.length === 0 || names.includes('production') ? 'production' : (names.at(-1) ?? 'production')

const Filters = ({
  project,
  period,
  bucket,
  environment,
}: {
  project: string
  period: Period
  bucket: Bucket
  environment: string
}) => {
  const { service } = useSearch({ from: '/shell/projects/$project/insights' })
  const navigate = useNavigate({ from: '/projects/$project/insights' })
  const { data: places = [] } = useQuery(learnedServices(project))
  const go = (change: { service?: string | undefined; environment?: string; period?: string; bucket?: string }) =>
    void navigate({ search: (before) => changedSearch(before, { ...change, at: undefined }), replace: true })
  const names = [...new Set([...places.map((one) => one.service), ...(service === undefined ? [] : [service])])]
  const environmentNames = [...new Set([...places.map((one) => one.environment), environment])]
  return (
    <fieldset aria-label={t.insights.filters} className="m-0 flex min-w-0 flex-wrap gap-2 border-0 p-0">
      <Choice
        label={t.insights.service}
        value={service ?? ''}
        options={[
          { value: '', name: t.insights.allServices },
          ...names.toSorted().map((value) => ({ value, name: value })),
        ]}
        choose={(value) => go({ service: value === '' ? undefined : value })}
      />
      <Choice
        label={t.insights.environment}
        value={environment}
        options={environmentNames.map((value) => ({ value, name: value }))}
        choose={(value) => go({ environment: value })}
      />
      <Choice
        label={t.insights.period}
        value={period}
        options={periodNames.map((value) => ({ value, name: t.insights.periods[value] }))}
        choose={(value) => go({ period: value })}
      />
      <Choice
        label={t.insights.bucket}
        value={bucket}
        options={bucketNames.map((value) => ({ value, name: `${t.insights.bucket} ${t.insights.buckets[value]}` }))}
        choose={(value) => go({ bucket: value })}
      />
    </fieldset>
  )
}
