import { useQuery, useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { environments } from '../../api/queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { span } from '../../ui/format.ts'
import { Badge, Button, inputShape, Panel } from '../../ui/parts.tsx'
import { Loaded } from '../../ui/states.tsx'

/** The way of a release through the environments, and their rules. */
export const EnvironmentsTab = ({ project }: { project: string }) => {
  const query = useQuery(environments(project))
  const mayFreeze = useMay('operator', project)
  const queries = useQueryClient()
  const [asked, setAsked] = useState<{ environment: string; isFrozen: boolean } | null>(null)
  const [why, setWhy] = useState('')
  const act = async (): Promise<void> => {
    if (!asked) return
    const param = { project, environment: asked.environment }
    const { freeze } = api.promotion.projects[':project'].environments[':environment']
    if (asked.isFrozen) await answer(freeze.$delete({ param, query: why === '' ? {} : { reason: why } }))
    else await answer(freeze.$put({ param, json: { reason: why } }))
    setWhy('')
    await queries.invalidateQueries({ queryKey: ['environments'] })
  }
  return (
    <>
      <p className="mt-0 mb-4 text-soft">{t.settings.environmentsDetail}</p>
      <Loaded query={query}>
        {(all) => (
          <ol className="m-0 grid list-none gap-4 p-0 [grid-template-columns:repeat(auto-fit,minmax(min(18rem,100%),1fr))]">
            {all.map(({ environment, from, policy, soakMs, approval, strategy, isOpen, closed, broken }) => {
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
                      </dd>
                      {strategy && (
                        <>
                          <dt className="text-soft">{t.rollouts.columns.strategy}</dt>
                          <dd className="m-0">{strategy}</dd>
                        </>
                      )}
                    </dl>
                    {[closed?.detail, broken].map(
                      (detail) =>
                        detail && (
                          <p key={detail} className="m-0 mt-3 rounded-md bg-wait-wash p-2 text-wait">
                            <bdi>{detail}</bdi>
                          </p>
                        ),
                    )}
                    {mayFreeze && (
                      <Button className="mt-4" onClick={() => setAsked({ environment, isFrozen })}>
                        {isFrozen ? t.settings.unfreeze : t.settings.freeze}
                      </Button>
                    )}
                  </Panel>
                </li>
              )
            })}
          </ol>
        )}
      </Loaded>
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
        </Confirm>
      )}
    </>
  )
}
