import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import type { ReactNode } from 'react'
import { type Glance, trafficTotal } from '../../api/service-queries.ts'
import { t } from '../../texts/en.ts'
import { count, milliseconds, percent, short } from '../../ui/format.ts'
import { Badge, Time, type Tone } from '../../ui/parts.tsx'

const hourMs = 3_600_000

export const statusTone = (status: Glance['status']): Tone =>
  (({ live: 'good', deploying: 'busy', degraded: 'wait', failed: 'bad', removed: 'calm' }) as const)[status]

export type Grouped = { readonly service: string; readonly places: readonly Glance[] }

/** Services by name, each with its environments. */
export const grouped = (services: readonly Glance[]): readonly Grouped[] =>
  [
    ...Map.groupBy(
      services.filter(({ status }) => status !== 'removed'),
      ({ service }) => service,
    ),
  ].map(([service, places]) => ({ service, places }))

/** Services with their health, versions, and what their users met in the last hour; the rows are its children. */
export const ServiceTable = ({ children }: { children: ReactNode }) => {
  const { columns } = t.services
  return (
    <div className="@container">
      <table className="w-full border-collapse text-left [&_th]:whitespace-nowrap">
        <thead className="text-xs text-soft @max-md:sr-only">
          <tr className="border-t border-line">
            <th className="px-4 py-2 font-normal">{columns.service}</th>
            <th className="px-4 py-2 font-normal">{columns.environments}</th>
            <th className="hidden px-4 py-2 text-right font-normal @2xl:table-cell">{columns.traffic}</th>
            <th className="hidden px-4 py-2 text-right font-normal @2xl:table-cell">{columns.errors}</th>
            <th className="hidden px-4 py-2 text-right font-normal @3xl:table-cell">{columns.p95}</th>
            <th className="hidden px-4 py-2 text-right font-normal @md:table-cell">{columns.deployed}</th>
          </tr>
        </thead>
        {children}
      </table>
    </div>
  )
}

/** Where a row lies in a list of which only a part is there. */
export type Placed = { readonly index: number; readonly measure: (row: HTMLTableRowElement | null) => void }

export const ServiceRow = ({ service, places, project, placed }: Grouped & { project: string; placed?: Placed }) => {
  const main = places.find(({ environment }) => environment === 'production') ?? places.at(-1)
  const { data } = useQuery({
    ...trafficTotal(project, service, main?.environment ?? 'production', hourMs),
    enabled: main !== undefined,
  })
  const latest = places.reduce<number>((newest, { requestedAt }) => Math.max(newest, requestedAt), 0)
  return (
    <tr ref={placed?.measure} data-index={placed?.index} className="border-t border-line hover:bg-sunk">
      <td className="px-4 py-3 align-top @max-md:block @max-md:pb-0">
        <Link
          to="/projects/$project/services/$service"
          params={{ project, service }}
          className="font-medium text-ink no-underline hover:text-accent"
        >
          {service}
        </Link>
      </td>
      <td className="px-4 py-3 align-top @max-md:block">
        <span className="flex flex-wrap gap-x-4 gap-y-1">
          {places.map(({ environment, status, commit, healthy, replicas }) => (
            <span key={environment} className="inline-flex items-center gap-2">
              <Badge tone={statusTone(status)}>{t.status[status]}</Badge>
              <span className="text-soft">{environment}</span>
              {commit && <code className="font-mono text-xs">{short(commit)}</code>}
              {replicas > 0 && <span className="text-xs text-soft">{t.services.replicas(healthy, replicas)}</span>}
            </span>
          ))}
        </span>
      </td>
      <td className="hidden px-4 py-3 text-right align-top @2xl:table-cell">{data ? count(data.requests) : '–'}</td>
      <td
        className={`hidden px-4 py-3 text-right align-top @2xl:table-cell ${(data?.errorRate ?? 0) > 0.01 ? 'text-bad' : ''}`}
      >
        {percent(data?.errorRate ?? null)}
      </td>
      <td className="hidden px-4 py-3 text-right align-top @3xl:table-cell">{milliseconds(data?.p95Ms ?? null)}</td>
      <td className="hidden px-4 py-3 text-right align-top text-soft @md:table-cell">
        <Time at={latest} />
      </td>
    </tr>
  )
}
