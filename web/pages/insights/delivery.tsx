import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { type Asked, type Bucket, behinds, type Dora, dora } from '../../api/learn-queries.ts'
import { t } from '../../texts/en.ts'
import { dateIn, percent } from '../../ui/format.ts'
import { Panel } from '../../ui/parts.tsx'
import { changedSearch } from '../../ui/search.ts'
import { Loaded, Skeleton } from '../../ui/states.tsx'
import { Choice } from '../../ui/tabs.tsx'
import { behindNamed, Deployments } from './behind.tsx'
import { ExportButtons, spanName } from './export.tsx'
import { metricsOf } from './figures.ts'
import { MetricRow } from './metric-row.tsx'
import { Window } from './window.tsx'

/** DORA's five metrics, and what they were made from. */
export const Delivery = ({
  asked,
  bucket,
  behind,
  at,
}: {
  asked: Asked
  bucket: Bucket
  behind: string | undefined
  at: number | undefined
}) => {
  const query = useQuery(dora(asked, bucket))
  return (
    <Loaded query={query} waiting={<Skeleton rows={5} rowClass="h-28" />}>
      {(answer) =>
        answer.services === 0 ? (
          <Nothing />
        ) : (
          <div className="flex flex-col gap-4">
            <Metrics answer={answer} asked={asked} bucket={bucket} at={at} />
            <Behind answer={answer} asked={asked} bucket={bucket} behind={behindNamed(behind)} at={at} />
            <Window project={asked.project} />
          </div>
        )
      }
    </Loaded>
  )
}

const Nothing = () => (
  <Panel>
    <p className="m-0 mb-2">{t.insights.none}</p>
    <p className="m-0 text-soft">
      {t.insights.noneNext}{' '}
      <Link to="/settings" search={{ tab: 'import' }} className="text-accent underline">
        {t.insights.importHow}
      </Link>
    </p>
  </Panel>
)

const Metrics = ({
  answer,
  asked,
  bucket,
  at,
}: {
  answer: Dora
  asked: Asked
  bucket: Bucket
  at: number | undefined
}) => {
  const { services, relativeError } = answer
  const starts = answer.buckets.map(({ span }) => span.from)
  const names = starts.map((start) => bucketName(start, bucket, answer.zone))
  return (
    <Panel
      isFlush
      title={<span>{spanName(answer.span, answer.zone)}</span>}
      aside={
        <>
          {services > 1 && <span>{t.insights.blend(services)}</span>}
          {relativeError > 0 && <span>{t.insights.roughly(percent(relativeError))}</span>}
          <ExportButtons what="dora" asked={asked} bucket={bucket} answer={answer} />
        </>
      }
    >
      <ul className="m-0 list-none border-t border-line p-0">
        {metricsOf(answer).map((metric) => (
          <MetricRow key={metric.name} metric={metric} names={names} starts={starts} chosen={at} />
        ))}
      </ul>
    </Panel>
  )
}

const Behind = ({
  answer,
  asked,
  bucket,
  behind,
  at,
}: {
  answer: Dora
  asked: Asked
  bucket: Bucket
  behind: (typeof behinds)[number]
  at: number | undefined
}) => {
  const navigate = useNavigate()
  const chosen = answer.buckets.find(({ span }) => span.from === at)?.span
  const within = chosen ? { ...asked, since: chosen.from, until: chosen.until } : asked
  const go = (change: { behind?: string | undefined; at?: number | undefined }): void =>
    void navigate({ to: '.', search: (before) => changedSearch(before, change), replace: true, resetScroll: false })
  return (
    <div id="behind" className="scroll-mt-4">
      <Deployments
        key={`${behind} ${at}`}
        asked={within}
        behind={behind}
        choices={
          <>
            <Choice
              label={t.insights.when}
              value={chosen ? String(chosen.from) : ''}
              options={[
                { value: '', name: t.insights.wholePeriod },
                ...answer.buckets
                  .map(({ span }) => ({ value: String(span.from), name: bucketName(span.from, bucket, answer.zone) }))
                  .toReversed(),
              ]}
              choose={(value) => go({ at: value === '' ? undefined : Number(value) })}
            />
            <Choice
              label={t.insights.columns.what}
              value={behind}
              options={behinds.map((value) => ({ value, name: t.insights.behind[value] }))}
              choose={(value) => go({ behind: value === 'all' ? undefined : value })}
            />
          </>
        }
      />
    </div>
  )
}

const bucketName = (start: number, bucket: Bucket, timeZone: string): string => {
  const date = dateIn(timeZone)
  if (bucket === 'day') return date(start)
  if (bucket === 'week') return t.insights.weekOf(date(start))
  const year = new Intl.DateTimeFormat('en', { year: 'numeric', timeZone }).format(start)
  if (bucket === 'year') return year
  if (bucket === 'quarter') {
    const month = Number(new Intl.DateTimeFormat('en', { month: 'numeric', timeZone }).format(start))
    return t.insights.quarterOf(Math.ceil(month / 3), year)
  }
  return new Intl.DateTimeFormat('en', { month: 'long', year: 'numeric', timeZone }).format(start)
}
