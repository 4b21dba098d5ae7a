import { useQuery } from '@tanstack/react-query'
import { Link, useParams, useSearch } from '@tanstack/react-router'
import { useMemo } from 'react'
import { type Asked, learnedServices, zone } from '../../api/learn-queries.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { PageHead, Panel } from '../../ui/parts.tsx'
import { changedSearch } from '../../ui/search.ts'
import { Tabs } from '../../ui/tabs.tsx'
import { CalmsTab } from './calms.tsx'
import { Delivery } from './delivery.tsx'
import { DigestTab } from './digest.tsx'
import { Days, type Filtered, Filters } from './filters.tsx'
import { FlowTab } from './flow.tsx'
import { rangeOf } from './range.ts'
import { ToilTab } from './toil.tsx'

const tabs = ['delivery', 'flow', 'calms', 'toil', 'digest'] as const
const hourMs = 3_600_000

/** What of the filters each of the answers takes; a digest is always of a week. */
const filteredBy: Readonly<Record<(typeof tabs)[number], Filtered | null>> = {
  delivery: { ofServices: true, inBuckets: true },
  flow: { ofServices: true, inBuckets: false },
  calms: { ofServices: true, inBuckets: false },
  toil: { ofServices: false, inBuckets: false },
  digest: null,
}

/** What deliveries come to, whose, where, and over which time. */
export const InsightsPage = () => {
  const { project } = useParams({ from: '/shell/projects/$project/insights' })
  const search = useSearch({ from: '/shell/projects/$project/insights' })
  const tab = tabs.find((name) => name === search.tab) ?? 'delivery'
  const { data: places = [] } = useQuery(learnedServices(project))
  const environment = search.environment ?? placeOf(places.map((one) => one.environment))
  const { service, period, from, to, zone: named, bucket } = search
  const hour = Math.floor(Date.now() / hourMs) * hourMs
  const { range, wrong } = useMemo(
    () => rangeOf({ period, from, to, zone: named, bucket }, zone(), hour),
    [period, from, to, named, bucket, hour],
  )
  const asked: Asked = {
    ...{ project, service, environment },
    ...{ since: range.since, until: range.until, zone: range.zone },
  }
  const filtered = filteredBy[tab]
  return (
    <>
      <PageHead
        title={t.insights.title}
        actions={filtered && <Filters {...{ project, range, environment, filtered }} />}
      />
      <Tabs label={t.insights.title} tabs={tabs} chosen={tab} names={t.insights.tabs} />
      {filtered && range.period === null && <Days range={range} />}
      {filtered && wrong.length > 0 ? (
        <Wrong all={wrong} />
      ) : (
        <>
          {tab === 'flow' && <FlowTab asked={asked} bucket={range.bucket} />}
          {tab === 'calms' && <CalmsTab asked={asked} bucket={range.bucket} />}
          {tab === 'digest' && <DigestTab project={project} />}
          {tab === 'toil' && <ToilTab asked={asked} bucket={range.bucket} />}
          {tab === 'delivery' && <Delivery asked={asked} bucket={range.bucket} behind={search.behind} at={search.at} />}
        </>
      )}
    </>
  )
}

const noTime = { period: undefined, from: undefined, to: undefined, zone: undefined, bucket: undefined, at: undefined }

/** What the address says that cannot be asked, and a way to what can be. */
const Wrong = ({ all }: { all: readonly string[] }) => (
  <Panel>
    <div role="alert">
      <strong className="font-semibold text-bad">{t.insights.range.wrongTitle}</strong>
      <ul className="my-2 pl-5">
        {all.map((text) => (
          <li key={text}>
            <Foreign>{text}</Foreign>
          </li>
        ))}
      </ul>
    </div>
    <Link to="." search={(before) => changedSearch(before, noTime)} className="text-accent underline">
      {t.insights.range.instead}
    </Link>
  </Panel>
)

/** Production where there is one, else what comes last. */
const placeOf = (names: readonly string[]): string =>
  names.length === 0 || names.includes('production') ? 'production' : (names.at(-1) ?? 'production')
