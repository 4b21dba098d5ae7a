import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { deployments, environments, type Service } from '../../api/queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Foreign } from '../../ui/foreign.tsx'
import { short } from '../../ui/format.ts'
import { Badge, Button, Time } from '../../ui/parts.tsx'
import { statusTone } from '../services/service-table.tsx'

type Asked =
  | { readonly kind: 'rollback'; readonly place: Service }
  | { readonly kind: 'promote'; readonly place: Service; readonly into: string }

/** The environments side by side, in the order of promotion, with what can be done about each. */
export const Environments = ({
  project,
  service,
  places,
}: {
  project: string
  service: string
  places: readonly Service[]
}) => {
  const [asked, setAsked] = useState<Asked | null>(null)
  const { data: chain = [] } = useQuery(environments(project))
  const { data: history = [] } = useQuery(deployments(project, 200, service))
  const mayAct = useMay('developer', project)
  const queries = useQueryClient()
  const order = chain.map(({ environment }) => environment)
  const sorted = places.toSorted((one, other) => order.indexOf(one.environment) - order.indexOf(other.environment))
  const close = (): void => setAsked(null)
  const changed = async (): Promise<void> => {
    for (const key of ['services', 'rollouts', 'promotions', 'deployments'])
      await queries.invalidateQueries({ queryKey: [key] })
  }

  return (
    <section
      aria-label={t.service.environments}
      className="grid gap-4 [grid-template-columns:repeat(auto-fit,minmax(min(17rem,100%),1fr))]"
    >
      {sorted.map((place) => {
        const into = chain.find(({ from }) => from === place.environment)?.environment
        const target = sorted.find(({ environment }) => environment === into)
        const isSame = target?.commit === place.commit
        return (
          <article
            key={place.environment}
            className="flex min-w-0 flex-col gap-3 rounded-lg border border-line bg-panel p-4"
          >
            <header className="flex flex-wrap items-center justify-between gap-2">
              <h2 className="m-0 text-sm font-semibold">{place.environment}</h2>
              <Badge tone={statusTone(place.status)}>{t.status[place.status]}</Badge>
            </header>
            <p className="m-0 flex flex-wrap items-baseline gap-x-3">
              <code className="font-mono text-lg">{place.commit ? short(place.commit) : '–'}</code>
              <span className="text-soft">
                <Time at={place.lastDeployment.finishedAt ?? place.lastDeployment.requestedAt} />
              </span>
            </p>
            <p className="m-0 text-soft">{t.service.healthy(place.healthy, place.replicas)}</p>
            {place.status === 'failed' && place.lastDeployment.detail && (
              <p className="m-0 rounded-md bg-bad-wash p-2 text-bad">
                <Foreign>{place.lastDeployment.detail}</Foreign>
              </p>
            )}
            <div className="mt-auto flex flex-wrap gap-2">
              {place.url && (
                <a
                  href={place.url}
                  target="_blank"
                  rel="noreferrer"
                  className="inline-flex min-h-8 items-center rounded-md border border-line px-3 font-medium text-ink no-underline hover:border-strong"
                >
                  {t.service.open}
                </a>
              )}
              {place.lastDeployment.outcome === null && (
                <Link
                  to="/projects/$project/rollouts/$rollout"
                  params={{ project, rollout: place.lastDeployment.deployment }}
                  className="inline-flex min-h-8 items-center rounded-md bg-accent-wash px-3 font-medium text-accent no-underline"
                >
                  {t.outcome.running}
                </Link>
              )}
              {mayAct && into && place.commit && (
                <Button
                  kind="primary"
                  disabled={isSame}
                  title={isSame ? t.service.same : undefined}
                  onClick={() => setAsked({ kind: 'promote', place, into })}
                >
                  {t.service.promote(into)}
                </Button>
              )}
              {mayAct && place.commit && (
                <Button onClick={() => setAsked({ kind: 'rollback', place })}>{t.service.rollback}</Button>
              )}
            </div>
          </article>
        )
      })}
      {asked?.kind === 'rollback' && (
        <Confirm
          title={t.service.rollbackTitle(service)}
          detail={rollbackDetail(asked.place, history)}
          action={t.service.rollback}
          isDangerous
          close={close}
          act={async () => {
            const { environment } = asked.place
            await answer(
              api.deploy.projects[':project'].services[':service'].rollback.$post({
                param: { project, service },
                json: { environment },
              }),
            )
            await changed()
          }}
        />
      )}
      {asked?.kind === 'promote' && (
        <Confirm
          title={t.service.promoteTitle(service, asked.into)}
          detail={t.service.promoteDetail(short(asked.place.commit ?? ''), asked.place.environment)}
          action={t.service.promote(asked.into)}
          close={close}
          act={async () => {
            await answer(
              api.promotion.projects[':project'].services[':service'].promotions.$post({
                param: { project, service },
                json: { to: asked.into },
              }),
            )
            await changed()
          }}
        />
      )}
    </section>
  )
}

/** Which version it would be, where the history that is known here says so. */
const rollbackDetail = (
  place: Service,
  history: readonly { environment: string; outcome: string | null; commit: string }[],
): string => {
  const before = history.find(
    ({ environment, outcome, commit }) =>
      environment === place.environment && outcome === 'succeeded' && commit !== place.commit,
  )
  return place.commit && before
    ? t.service.rollbackDetail(short(place.commit), short(before.commit), place.environment)
    : t.service.rollbackUnknown(place.environment)
}
