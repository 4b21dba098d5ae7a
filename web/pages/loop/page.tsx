import { useQueries } from '@tanstack/react-query'
import { Link, useParams } from '@tanstack/react-router'
import { lazy, Suspense } from 'react'
import { openChanges } from '../../api/change-queries.ts'
import { promotions, protectedEnvironments, rollouts, todaysDeployments } from '../../api/deployment-queries.ts'
import { incidents } from '../../api/learn-queries.ts'
import { brokenMains, runGlance } from '../../api/run-queries.ts'
import { alerts, services } from '../../api/service-queries.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { span } from '../../ui/format.ts'
import { Dot, PageHead, Panel, Time, useNow } from '../../ui/parts.tsx'
import { Failed, Skeleton } from '../../ui/states.tsx'
import { FirstRun } from '../first-run/first-run.tsx'
import { grouped, ServiceRow, ServiceTable } from '../services/service-table.tsx'
import { Day } from './day.tsx'
import { type Item, itemsOf, type Now, slowestOf, stagesOf } from './loop.ts'
import { Track } from './track.tsx'

const PromotionAnswer = lazy(async () => ({ default: (await import('../approvals/promotion.tsx')).PromotionAnswer }))

const mostServices = 8
/** So many that are broken are named one by one. */
const mostBroken = 100

/** The loop: what is where, what waits and for whom, what is broken, what went live today. */
export const LoopPage = () => {
  const { project } = useParams({ from: '/shell/projects/$project/' })
  const now = useNow(15_000)
  const [service, ill, run, rollout, deployment, change, promotion, alert, broken, incident, environment] = useQueries({
    queries: [
      services(project, { limit: mostServices }),
      services(project, { state: 'broken', limit: mostBroken }),
      runGlance(project),
      rollouts(project, 'open'),
      todaysDeployments(project),
      openChanges(project),
      promotions(project),
      alerts(project),
      brokenMains(project),
      incidents(project, 'open'),
      protectedEnvironments(project),
    ],
  })
  const asked = [service, ill, run, rollout, deployment, change, promotion, alert, broken, incident, environment]
  const failed = asked.find(({ isError, data }) => isError && data === undefined)
  if (failed) return <Failed error={failed.error} again={() => asked.forEach((one) => void one.refetch())} />
  if (
    !service.data ||
    !ill.data ||
    !run.data ||
    !rollout.data ||
    !deployment.data ||
    !change.data ||
    !promotion.data ||
    !alert.data ||
    !broken.data ||
    !incident.data ||
    !environment.data
  )
    return <Skeleton rows={6} rowClass="h-24" />
  if (service.data.places === 0 && !run.data.isAny) return <FirstRun project={project} />

  const at: Now = {
    project,
    now,
    services: service.data.services,
    places: service.data.places,
    ill: ill.data.services,
    illPlaces: ill.data.places,
    runs: run.data,
    rollouts: rollout.data,
    deployments: deployment.data,
    changes: change.data,
    promotions: promotion.data,
    alerts: alert.data,
    broken: broken.data.broken,
    incidents: incident.data,
    environments: environment.data.environments,
  }
  return <Loop at={at} />
}

const Loop = ({ at }: { at: Now }) => {
  const items = itemsOf(at)
  const stages = stagesOf(at)
  const slowest = slowestOf(at)
  const broken = items.filter(({ tone }) => tone === 'bad').length
  const waiting = items.length - broken
  const moving = stages
    .filter(({ name, tone }) => tone === 'busy' && name !== 'code')
    .reduce((all, { count }) => all + count, 0)
  const tone = broken > 0 ? 'bad' : waiting > 0 ? 'wait' : moving > 0 ? 'busy' : 'good'
  const said =
    broken > 0
      ? t.loop.broken(broken)
      : waiting > 0
        ? t.loop.waiting(waiting)
        : moving > 0
          ? t.loop.moving(moving)
          : t.loop.well
  return (
    <>
      <PageHead
        title={
          <span className="flex items-center gap-3">
            <Dot tone={tone} />
            {said}
          </span>
        }
        detail={broken + waiting + moving === 0 ? t.loop.wellDetail : undefined}
      />
      <div className="grid gap-4 xl:grid-cols-[minmax(0,1fr)_22rem]">
        <Panel title={t.loop.stages} className="xl:col-span-2">
          <Track stages={stages} project={at.project} />
        </Panel>
        <Panel title={t.loop.day}>
          <Day deployments={at.deployments} now={at.now} project={at.project} />
        </Panel>
        <Panel title={t.loop.todo} isFlush className="xl:row-span-2">
          <Todo items={items} project={at.project} />
          <div className="border-t border-line px-4 py-3">
            <h3 className="m-0 text-xs font-normal text-soft">{t.loop.slowest}</h3>
            <p className="m-0 mt-1">
              {slowest
                ? t.loop.slowestDetail(t.loop.part[slowest.part], span(slowest.medianMs), slowest.count)
                : t.loop.slowestNone}
            </p>
          </div>
        </Panel>
        <Panel
          title={t.loop.services}
          isFlush
          aside={
            <Link to="/projects/$project/services" params={{ project: at.project }} className="text-accent">
              {t.loop.allServices}
            </Link>
          }
        >
          <ServiceTable>
            <tbody>
              {grouped(at.services).map((one) => (
                <ServiceRow key={one.service} {...one} project={at.project} />
              ))}
            </tbody>
          </ServiceTable>
        </Panel>
      </div>
    </>
  )
}

const Todo = ({ items, project }: { items: readonly Item[]; project: string }) =>
  items.length === 0 ? (
    <p className="m-0 px-4 pb-4 text-soft">{t.loop.noTodo}</p>
  ) : (
    <ul className="m-0 max-h-96 list-none overflow-y-auto p-0">
      {items.map(({ key, tone, text, detail, role, since, target, promotion }) => (
        <li key={key} className="border-t border-line first:border-t-0">
          <Link to={target.to} params={target.params} className="block px-4 py-3 text-ink no-underline hover:bg-sunk">
            <span className="flex items-baseline gap-2">
              <Dot tone={tone} />
              <Foreign className="min-w-0 flex-1 font-medium">{text}</Foreign>
            </span>
            {detail && <Foreign className="mt-0.5 line-clamp-2 pl-4 text-soft">{detail}</Foreign>}
            <span className="flex gap-2 pl-4 text-xs text-soft">
              {role && t.loop.forRole(role)}
              {since !== null && <Time at={since} />}
            </span>
          </Link>
          {promotion?.asking && (
            <Suspense>
              <div className="px-4 pb-3 pl-8 empty:hidden">
                <PromotionAnswer project={project} promotion={promotion} />
              </div>
            </Suspense>
          )}
        </li>
      ))}
    </ul>
  )
