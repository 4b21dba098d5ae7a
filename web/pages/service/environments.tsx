import { useQuery } from '@tanstack/react-query'
import { Link } from '@tanstack/react-router'
import { useId, useState } from 'react'
import { environments } from '../../api/deployment-queries.ts'
import type { Service } from '../../api/service-queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { short } from '../../ui/format.ts'
import { Badge, Button, Time } from '../../ui/parts.tsx'
import { statusTone } from '../services/service-table.tsx'
import { ClosedNote, useClosed } from './closed.tsx'
import { type Order, OrderDialog } from './orders.tsx'

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
  const [asked, setAsked] = useState<Order | null>(null)
  const { data: chain = [] } = useQuery(environments(project))
  const mayAct = useMay('developer', project)
  const closed = useClosed(project)
  const name = useId()
  const order = chain.map(({ environment }) => environment)
  const sorted = places.toSorted((one, other) => order.indexOf(one.environment) - order.indexOf(other.environment))

  return (
    <section
      aria-label={t.service.environments}
      className="grid gap-4 [grid-template-columns:repeat(auto-fit,minmax(min(17rem,100%),1fr))]"
    >
      {sorted.map((place) => {
        const into = chain.find(({ from }) => from === place.environment)?.environment
        const target = sorted.find(({ environment }) => environment === into)
        const isSame = target?.commit === place.commit
        const mayPromote = mayAct && into !== undefined && place.commit !== null
        const notes = {
          promote: mayPromote && !isSame ? closed(into, 'promote') : null,
          again: mayAct && place.commit ? closed(place.environment, 'deploy') : null,
        }
        const idOf = (what: keyof typeof notes): string | undefined =>
          notes[what] === null ? undefined : `${name}-${place.environment}-${what}`
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
            {(['again', 'promote'] as const).map(
              (what) => notes[what] && <ClosedNote key={what} id={idOf(what)} said={notes[what]} />,
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
              {mayPromote && (
                <Button
                  kind="primary"
                  aria-describedby={idOf('promote')}
                  disabled={isSame}
                  title={isSame ? t.service.same : undefined}
                  onClick={() => setAsked({ kind: 'promote', place, into })}
                >
                  {t.service.promote(into)}
                </Button>
              )}
              {mayAct && place.commit && (
                <>
                  {/* A preview has its newest version only. */}
                  {order.includes(place.environment) && (
                    <Button onClick={() => setAsked({ kind: 'rollback', place })}>{t.service.rollback}</Button>
                  )}
                  <Button
                    aria-describedby={idOf('again')}
                    disabled={place.rollout !== null}
                    title={place.rollout !== null ? t.service.underWay : undefined}
                    onClick={() => setAsked({ kind: 'again', place })}
                  >
                    {t.service.again}
                  </Button>
                </>
              )}
            </div>
          </article>
        )
      })}
      {asked && <OrderDialog {...{ project, service }} order={asked} close={() => setAsked(null)} />}
    </section>
  )
}
