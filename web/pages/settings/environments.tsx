import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { type Environment, environments } from '../../api/deployment-queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { date, moment, span } from '../../ui/format.ts'
import { Badge, Button, Panel } from '../../ui/parts.tsx'
import { Loaded } from '../../ui/states.tsx'
import { Calendar } from './calendar.tsx'
import { AddEnvironment, Freeze, Remove, Unfreeze } from './environment-orders.tsx'
import { Parity } from './parity.tsx'
import { PreviewRules } from './preview-rules.tsx'
import { Protected } from './protected.tsx'
import { Rules } from './rules.tsx'

type Asked = 'rules' | 'calendar' | 'freeze' | 'unfreeze' | 'remove'

/** The way of a release through the environments, and their rules. */
export const EnvironmentsTab = ({ project }: { project: string }) => {
  const query = useQuery(environments(project))
  const mayFreeze = useMay('operator', project)
  const mayEdit = useMay('administrator')
  const [asked, setAsked] = useState<{ what: Asked; known: Environment } | null>(null)
  const close = (): void => setAsked(null)
  const names = (query.data ?? []).map(({ environment }) => environment)
  return (
    <>
      <p className="mt-0 mb-4 text-soft">{t.settings.environmentsDetail}</p>
      <Loaded query={query}>
        {(all) => (
          <ol className="m-0 grid list-none gap-4 p-0 [grid-template-columns:repeat(auto-fit,minmax(min(18rem,100%),1fr))]">
            {all.map((known) => {
              const { environment, from, policy, soakMs, approval, strategy, isOpen, closed, broken } = known
              const isFrozen = known.frozen !== null && (known.frozen.until ?? Number.POSITIVE_INFINITY) > Date.now()
              const isNeeded = all.some((one) => one.from === environment || one.requires.includes(environment))
              const offered: readonly Asked[] = [
                ...(mayEdit ? (['rules', 'calendar'] as const) : []),
                ...(mayFreeze ? [isFrozen ? ('unfreeze' as const) : ('freeze' as const)] : []),
                ...(mayEdit && all.length > 1 && !isNeeded ? (['remove'] as const) : []),
              ]
              return (
                <li key={environment}>
                  <Panel
                    title={environment}
                    aside={
                      <Badge tone={isOpen ? 'good' : 'wait'}>{isOpen ? t.settings.open : t.settings.closed}</Badge>
                    }
                    className="h-full"
                  >
                    <dl className="m-0 grid grid-cols-[auto_1fr] gap-x-4 gap-y-1">
                      <dt className="text-soft">{t.settings.from}</dt>
                      <dd className="m-0">
                        {from}, {t.settings.policy[policy]}
                        {policy === 'soak' && ` (${span(soakMs)})`}
                        {policy === 'approval' && ` (${t.settings.needs(approval.quorum, approval.role)})`}
                        {known.requires.length > 0 && ` ${t.settings.requires(known.requires.join(', '))}`}
                      </dd>
                      {strategy && (
                        <>
                          <dt className="text-soft">{t.rollouts.columns.strategy}</dt>
                          <dd className="m-0">{strategy}</dd>
                        </>
                      )}
                      <Times known={known} />
                      <dt className="text-soft">{t.settings.drift}</dt>
                      <dd className="m-0">{t.settings.driftWays[known.drift]}</dd>
                    </dl>
                    {[closed?.detail, broken].map(
                      (detail) =>
                        detail && (
                          <p key={detail} className="m-0 mt-3 rounded-md bg-wait-wash p-2 text-wait">
                            <Foreign>{detail}</Foreign>
                          </p>
                        ),
                    )}
                    <span className="mt-4 flex flex-wrap gap-2 empty:hidden">
                      {offered.map((what) => (
                        <Button
                          key={what}
                          kind={what === 'remove' ? 'quiet' : 'plain'}
                          onClick={() => setAsked({ what, known })}
                          aria-label={`${t.settings[what]} ${environment}`}
                        >
                          {t.settings[what]}
                        </Button>
                      ))}
                    </span>
                  </Panel>
                </li>
              )
            })}
          </ol>
        )}
      </Loaded>
      <div className="mt-4 flex flex-col gap-4">
        {mayEdit && query.data && <AddEnvironment names={names} />}
        {names.length > 1 && <Parity project={project} names={names} />}
        <PreviewRules project={project} />
        <Protected project={project} />
      </div>
      {asked?.what === 'rules' && (
        <Rules
          environment={asked.known}
          others={names.filter((one) => one !== asked.known.environment)}
          close={close}
        />
      )}
      {asked?.what === 'calendar' && <Calendar environment={asked.known} close={close} />}
      {asked?.what === 'freeze' && <Freeze project={project} environment={asked.known.environment} close={close} />}
      {asked?.what === 'unfreeze' && <Unfreeze project={project} environment={asked.known.environment} close={close} />}
      {asked?.what === 'remove' && <Remove environment={asked.known.environment} close={close} />}
    </>
  )
}

/** When deployments may begin there, and the freezes that are known beforehand. */
const Times = ({ known: { windows, freezes } }: { known: Environment }) => (
  <>
    <dt className="text-soft">{t.settings.windows}</dt>
    <dd className="m-0">
      {windows.length === 0
        ? t.settings.always
        : windows.map(({ days, from, to, timezone }) => (
            <span key={`${days.join()} ${from} ${timezone}`} className="block">
              {t.settings.window(days.length === 7 ? t.settings.everyDay : days.join(', '), from, to, timezone)}
            </span>
          ))}
    </dd>
    {freezes.length > 0 && (
      <>
        <dt className="text-soft">{t.settings.freezes}</dt>
        <dd className="m-0">
          {freezes.map(({ from, until, reason }) => (
            <span key={`${from} ${until}`} className="block" title={`${moment(from)} – ${moment(until)}`}>
              {date(from)} – {date(until)}: <Foreign>{reason}</Foreign>
            </span>
          ))}
        </dd>
      </>
    )}
  </>
)
