import { useQuery } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { type ReactNode, useMemo } from 'react'
import { deployments } from '../../api/deployment-queries.ts'
import { type Place, type Traffic, traffic } from '../../api/service-queries.ts'
import { t } from '../../texts/en.ts'
import { Chart, type Mark } from '../../ui/chart.tsx'
import { count, milliseconds, percent, short } from '../../ui/format.ts'
import { Panel } from '../../ui/parts.tsx'
import { changedSearch } from '../../ui/search.ts'
import { Empty, Loaded, Skeleton } from '../../ui/states.tsx'
import { Choice } from '../../ui/tabs.tsx'
import { series } from './series.ts'

const hourMs = 3_600_000
const ranges = { hour: hourMs, sixHours: 6 * hourMs, day: 24 * hourMs, week: 7 * 24 * hourMs } as const
export type Range = keyof typeof ranges
const rangeNames: readonly Range[] = ['hour', 'sixHours', 'day', 'week']
export const rangeNamed = (name: string | undefined): Range => rangeNames.find((one) => one === name) ?? 'hour'

/** What users of a service met: requests, errors, latency, with every deployment marked. */
export const Signals = ({
  project,
  service,
  environment,
  range,
  choice,
}: Place & { range: Range; choice: ReactNode }) => {
  const navigate = useNavigate()
  const query = useQuery(traffic(project, service, environment, ranges[range]))
  const { data: history } = useQuery(deployments(project, 200, service))
  const marks = useMemo(
    () =>
      (history ?? [])
        .filter((one) => one.environment === environment && one.shiftedAt !== null)
        .map(
          (one): Mark => ({
            at: one.shiftedAt ?? one.requestedAt,
            label: t.service.deploymentMark(short(one.commit)),
            colour: one.outcome === 'succeeded' || one.outcome === null ? '--accent' : '--bad',
          }),
        ),
    [history, environment],
  )
  return (
    <Panel
      title={t.service.signals}
      aside={
        <>
          {choice}
          <Choice
            label={t.service.range}
            value={range}
            options={rangeNames.map((value) => ({ value, name: t.service.ranges[value] }))}
            choose={(value) =>
              void navigate({
                to: '.',
                search: (before) => changedSearch(before, { range: value === 'hour' ? undefined : value }),
                replace: true,
              })
            }
          />
        </>
      }
    >
      <Loaded query={query} waiting={<Skeleton rows={2} rowClass="h-44" />}>
        {(data) =>
          data.total.requests === 0 ? <Empty>{t.service.noTraffic}</Empty> : <Charts data={data} marks={marks} />
        }
      </Loaded>
    </Panel>
  )
}

const Charts = ({ data, marks }: { data: Traffic; marks: readonly Mark[] }) => {
  const { at, requests, errors, p50, p95, p99 } = useMemo(() => series(data), [data])
  const lines = useMemo(
    () => ({
      requests: [{ label: t.service.requests, colour: '--accent', values: requests, isFilled: true }],
      errors: [{ label: t.service.errors, colour: '--bad', values: errors, isFilled: true }],
      latency: [
        { label: 'p50', colour: '--soft', values: p50 },
        { label: 'p95', colour: '--accent', values: p95 },
        { label: 'p99', colour: '--wait', values: p99 },
      ],
    }),
    [requests, errors, p50, p95, p99],
  )
  const { total, from, until } = data
  const ends = { from, until }
  return (
    <>
      <p className="m-0 mb-4 text-soft">
        {t.service.summary(count(total.requests), percent(total.errorRate), milliseconds(total.p95Ms))}
      </p>
      <div className="grid gap-x-6 gap-y-4 lg:grid-cols-[minmax(0,1fr)_minmax(0,1fr)_minmax(0,1.3fr)]">
        <div>
          <h3 className="m-0 mb-1 text-xs font-normal text-soft">{t.service.requests}</h3>
          <Chart label={t.service.requests} {...ends} at={at} lines={lines.requests} marks={marks} format={count} />
        </div>
        <div>
          <h3 className="m-0 mb-1 text-xs font-normal text-soft">{t.service.errors}</h3>
          <Chart
            label={t.service.errors}
            {...ends}
            at={at}
            lines={lines.errors}
            marks={marks}
            format={percent}
            least={0.01}
          />
        </div>
        <div>
          <h3 className="m-0 mb-1 text-xs font-normal text-soft">{t.service.latency}</h3>
          <Chart
            label={t.service.latency}
            {...ends}
            at={at}
            lines={lines.latency}
            marks={marks}
            format={milliseconds}
          />
        </div>
      </div>
    </>
  )
}
