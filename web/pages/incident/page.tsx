import { useQuery } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { type ReactNode, useState } from 'react'
import { type IncidentStory, incident } from '../../api/learn-queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { span } from '../../ui/format.ts'
import { Button, PageHead, Panel, Time, useNow } from '../../ui/parts.tsx'
import { Loaded, Skeleton } from '../../ui/states.tsx'
import { StateBadge, sourceName } from '../incidents/state.tsx'
import { DeployedLink } from '../insights/version.tsx'
import { Actions } from './actions.tsx'
import { Cause } from './cause.tsx'
import { Timeline } from './timeline.tsx'

/** An incident: how far it has come, what it is put down to, and all that became of it. */
export const IncidentPage = () => {
  const { project, incident: name } = useParams({ from: '/shell/projects/$project/incidents/$incident' })
  const query = useQuery(incident(project, name))
  return (
    <Loaded query={query} waiting={<Skeleton rows={5} rowClass="h-20" />}>
      {(known) => <Shown project={project} known={known} />}
    </Loaded>
  )
}

const Shown = ({ project, known }: { project: string; known: IncidentStory }) => {
  const mayAct = useMay('developer', project)
  const [isBlaming, setIsBlaming] = useState(false)
  return (
    <>
      <PageHead
        above={
          <Link to="/projects/$project/incidents" params={{ project }} className="text-soft">
            {t.incidents.title}
          </Link>
        }
        title={<Foreign className="[overflow-wrap:anywhere]">{known.title}</Foreign>}
        detail={
          <>
            <StateBadge of={known} />
            <Where project={project} known={known} />
          </>
        }
        actions={mayAct && <Actions project={project} known={known} />}
      />
      <div className="grid items-start gap-4 lg:grid-cols-[minmax(0,1fr)_20rem]">
        <Panel title={t.incidents.timeline}>
          <Timeline project={project} known={known} />
        </Panel>
        <div className="flex min-w-0 flex-col gap-4">
          <Facts known={known} />
          <Panel title={t.incidents.blame}>
            <Blame project={project} known={known} />
            {mayAct && (
              <Button className="mt-3" onClick={() => setIsBlaming(true)}>
                {t.incidents.correct}
              </Button>
            )}
          </Panel>
        </div>
      </div>
      {isBlaming && <Cause project={project} known={known} close={() => setIsBlaming(false)} />}
    </>
  )
}

const Where = ({ project, known: { service, environment } }: { project: string; known: IncidentStory }) =>
  service === null ? (
    <span>{t.incidents.anywhere}</span>
  ) : (
    <span>
      <Link to="/projects/$project/services/$service" params={{ project, service }} className="text-ink underline">
        {service}
      </Link>{' '}
      {environment}
    </span>
  )

const Facts = ({ known }: { known: IncidentStory }) => {
  const now = useNow(15_000)
  const { facts, notYet } = t.incidents
  const reached = (at: number | null): ReactNode =>
    at === null ? <span className="text-soft">{notYet}</span> : <Time at={at} />
  const { source, beganAt, detectedAt, acknowledgedAt, mitigatedAt, resolvedAt } = known
  const rows: readonly (readonly [string, ReactNode])[] = [
    [facts.source, <Foreign key="source">{sourceName(source)}</Foreign>],
    [facts.began, reached(beganAt)],
    [facts.detected, reached(detectedAt)],
    [facts.acknowledged, reached(acknowledgedAt)],
    [facts.mitigated, reached(mitigatedAt)],
    [facts.resolved, reached(resolvedAt)],
    [facts.took, resolvedAt === null ? t.incidents.sofar(span(now - beganAt)) : span(resolvedAt - beganAt)],
  ]
  return (
    <Panel title={t.incidents.known}>
      <dl className="m-0 grid grid-cols-[auto_minmax(0,1fr)] gap-x-4 gap-y-2">
        {rows.map(([name, value]) => (
          <div key={name} className="contents">
            <dt className="text-soft">{name}</dt>
            <dd className="m-0 text-right">{value}</dd>
          </div>
        ))}
      </dl>
    </Panel>
  )
}

const Blame = ({ project, known: { deployment, version, how } }: { project: string; known: IncidentStory }) =>
  deployment === null ? (
    <p className="m-0 text-soft">{t.incidents.blameNone}</p>
  ) : (
    <p className="m-0">
      <DeployedLink project={project} of={{ deployment, version }} />
      {how !== null && <span className="block text-soft">{t.insights.how[how]}</span>}
    </p>
  )
