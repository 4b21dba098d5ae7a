import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { type Environment, environments } from '../../api/queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Foreign } from '../../ui/foreign.tsx'
import { date, moment, span } from '../../ui/format.ts'
import { momentIn } from '../../ui/moment.ts'
import { Badge, Button, inputShape, Panel } from '../../ui/parts.tsx'
import { Loaded } from '../../ui/states.tsx'
import { Parity } from './parity.tsx'
import { PreviewRules } from './preview-rules.tsx'
import { Rules } from './rules.tsx'

/** The way of a release through the environments, and their rules. */
export const EnvironmentsTab = ({ project }: { project: string }) => {
  const query = useQuery(environments(project))
  const mayFreeze = useMay('operator', project)
  const queries = useQueryClient()
  const [asked, setAsked] = useState<{ environment: string; isFrozen: boolean } | null>(null)
  const [why, setWhy] = useState('')
  const [until, setUntil] = useState('')
  const [edited, setEdited] = useState<Environment | null>(null)
  const mayEdit = useMay('administrator')
  const act = async (): Promise<void> => {
    if (!asked) return
    const param = { project, environment: asked.environment }
    const { freeze } = api.promotion.projects[':project'].environments[':environment']
    if (asked.isFrozen) await answer(freeze.$delete({ param, query: why === '' ? {} : { reason: why } }))
    else await answer(freeze.$put({ param, json: { reason: why, until: momentIn(until) } }))
    setWhy('')
    setUntil('')
    await queries.invalidateQueries({ queryKey: ['environments'] })
  }
  return (
    <>
      <p className="mt-0 mb-4 text-soft">{t.settings.environmentsDetail}</p>
      <Loaded query={query}>
        {(all) => (
          <ol className="m-0 grid list-none gap-4 p-0 [grid-template-columns:repeat(auto-fit,minmax(min(18rem,100%),1fr))]">
            {all.map((known) => {
              const { environment, from, policy, soakMs, approval, strategy, isOpen, closed, broken } = known
              const isFrozen = closed?.why === 'freeze'
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
                      <Calendar known={known} />
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
                      {mayEdit && (
                        <Button onClick={() => setEdited(known)} aria-label={`${t.settings.rules} ${environment}`}>
                          {t.settings.rules}
                        </Button>
                      )}
                      {mayFreeze && (
                        <Button
                          onClick={() => setAsked({ environment, isFrozen })}
                          aria-label={`${isFrozen ? t.settings.unfreeze : t.settings.freeze} ${environment}`}
                        >
                          {isFrozen ? t.settings.unfreeze : t.settings.freeze}
                        </Button>
                      )}
                    </span>
                  </Panel>
                </li>
              )
            })}
          </ol>
        )}
      </Loaded>
      {query.data && query.data.length > 1 && (
        <div className="mt-4">
          <Parity project={project} names={query.data.map(({ environment }) => environment)} />
        </div>
      )}
      <div className="mt-4">
        <PreviewRules project={project} />
      </div>
      {edited && (
        <Rules
          environment={edited}
          others={(query.data ?? []).map(({ environment }) => environment).filter((one) => one !== edited.environment)}
          close={() => setEdited(null)}
        />
      )}
      {asked && (
        <Confirm
          title={
            asked.isFrozen ? `${t.settings.unfreeze}: ${asked.environment}` : t.settings.freezeTitle(asked.environment)
          }
          detail={asked.isFrozen ? null : t.settings.freezeDetail}
          action={asked.isFrozen ? t.settings.unfreeze : t.settings.freeze}
          close={() => setAsked(null)}
          act={act}
        >
          <label className="flex flex-col gap-1">
            {t.settings.why}
            <input
              value={why}
              required={!asked.isFrozen}
              maxLength={500}
              onChange={(event) => setWhy(event.target.value)}
              className={inputShape}
            />
          </label>
          {!asked.isFrozen && (
            <label className="flex flex-col gap-1">
              {t.settings.until}
              <input
                type="datetime-local"
                value={until}
                onChange={(event) => setUntil(event.target.value)}
                className={inputShape}
              />
              <span className="text-xs text-soft">{t.settings.untilHint}</span>
            </label>
          )}
        </Confirm>
      )}
    </>
  )
}

/** When deployments may begin there, and the freezes that are known beforehand. */
const Calendar = ({ known: { windows, freezes } }: { known: Environment }) => (
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
