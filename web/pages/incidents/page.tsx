import { useQuery } from '@tanstack/react-query'
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router'
import { useState } from 'react'
import { type Incident, incidents } from '../../api/learn-queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { span } from '../../ui/format.ts'
import { Button, PageHead, Panel, Time, useNow } from '../../ui/parts.tsx'
import { Empty, Loaded } from '../../ui/states.tsx'
import { Cell, TableBox } from '../../ui/table.tsx'
import { Tabs } from '../../ui/tabs.tsx'
import { DeployedLink } from '../insights/version.tsx'
import { OpenIncident } from './open.tsx'
import { StateBadge, sourceName } from './state.tsx'

const tabs = ['open', 'all'] as const

/** Incidents: those that are open first, and a way to open one by hand. */
export const IncidentsPage = () => {
  const { project } = useParams({ from: '/shell/projects/$project/incidents' })
  const search = useSearch({ from: '/shell/projects/$project/incidents' })
  const tab = tabs.find((name) => name === search.tab) ?? 'open'
  const query = useQuery(incidents(project, tab))
  const mayOpen = useMay('developer', project)
  const navigate = useNavigate()
  const [isOpening, setIsOpening] = useState(false)
  return (
    <>
      <PageHead
        title={t.incidents.title}
        actions={mayOpen && <Button onClick={() => setIsOpening(true)}>{t.incidents.open}</Button>}
      />
      <Tabs label={t.incidents.title} tabs={tabs} chosen={tab} names={t.incidents.tabs} />
      <Panel isFlush>
        <Loaded query={query}>
          {(all) =>
            all.length === 0 ? (
              <Empty>{tab === 'open' ? t.incidents.noneOpen : t.incidents.none}</Empty>
            ) : (
              <IncidentTable project={project} all={all} />
            )
          }
        </Loaded>
      </Panel>
      {isOpening && (
        <OpenIncident
          project={project}
          close={() => setIsOpening(false)}
          opened={(incident) =>
            void navigate({ to: '/projects/$project/incidents/$incident', params: { project, incident } })
          }
        />
      )}
    </>
  )
}

const IncidentTable = ({ project, all }: { project: string; all: readonly Incident[] }) => {
  const now = useNow(15_000)
  const { columns } = t.incidents
  return (
    <TableBox label={t.incidents.title}>
      <thead>
        <tr>
          <th>{columns.state}</th>
          <th>{columns.incident}</th>
          <th>{columns.where}</th>
          <th>{columns.cause}</th>
          <th className="text-right!">{columns.took}</th>
          <th className="text-right!">{columns.began}</th>
        </tr>
      </thead>
      <tbody>
        {all.map((one) => (
          <tr key={one.incident}>
            <Cell fold="aside">
              <StateBadge of={one} />
            </Cell>
            <Cell fold="title" className="w-full min-w-56">
              <Link
                to="/projects/$project/incidents/$incident"
                params={{ project, incident: one.incident }}
                className="font-medium text-ink"
              >
                <Foreign>{one.title}</Foreign>
              </Link>
              <Foreign className="block text-xs text-soft">{sourceName(one.source)}</Foreign>
            </Cell>
            <Cell className="whitespace-nowrap">
              {one.service ?? '–'}
              {one.environment !== null && <span className="text-soft"> {one.environment}</span>}
            </Cell>
            <Cell label={columns.cause} className="max-w-56 truncate text-soft">
              {one.deployment === null ? (
                t.incidents.noCause
              ) : (
                <DeployedLink project={project} of={{ deployment: one.deployment, version: one.version }} />
              )}
            </Cell>
            <Cell label={columns.took} className="text-right whitespace-nowrap">
              {one.isDismissed ? '–' : span((one.resolvedAt ?? now) - one.beganAt)}
            </Cell>
            <Cell className="text-right text-soft">
              <Time at={one.beganAt} />
            </Cell>
          </tr>
        ))}
      </tbody>
    </TableBox>
  )
}
