import { useQuery } from '@tanstack/react-query'
import { type Promotion, promotions } from '../../api/deployment-queries.ts'
import { t } from '../../texts/en.ts'
import { Foreign } from '../../ui/foreign.tsx'
import { short } from '../../ui/format.ts'
import { Panel, Time } from '../../ui/parts.tsx'
import { PromotionAnswer } from './promotion.tsx'

/** What is on its way into an environment: what each waits for, for whom, and how long it may; nothing where nothing is. */
export const OpenPromotions = ({ project, service }: { project: string; service: string }) => {
  const { data = [] } = useQuery(promotions(project))
  const open = data.filter((one) => one.service === service && one.outcome === null)
  if (open.length === 0) return null
  return (
    <Panel title={t.approvals.title} isFlush>
      <ul className="m-0 list-none p-0">
        {open.map((one) => (
          <li
            key={one.promotion}
            className="flex flex-wrap items-start justify-between gap-x-6 gap-y-3 border-t border-line px-4 py-3"
          >
            <div className="flex min-w-0 flex-[1_1_20rem] flex-col gap-1">
              <span className="flex flex-wrap items-baseline gap-x-3">
                <code className="font-mono">{short(one.commit)}</code>
                <span className="font-medium">{t.approvals.way(one.from, one.environment)}</span>
                <span className="text-soft">
                  {one.authors.length > 0 && <Foreign>{t.approvals.of(one.authors.join(', '))}</Foreign>}{' '}
                  <Time at={one.requestedAt} />
                </span>
              </span>
              {one.held && <Foreign className="text-wait">{one.held.detail}</Foreign>}
              <People promotion={one} />
            </div>
            <PromotionAnswer project={project} promotion={one} />
          </li>
        ))}
      </ul>
    </Panel>
  )
}

/** Who must agree, who has, until when, and why whoever looks cannot. */
const People = ({ promotion: { asking, approvals } }: { promotion: Promotion }) =>
  asking && (
    <>
      <span className="text-soft">
        {t.approvals.asks(asking.quorum, asking.role)} · {t.approvals.ends} <Time at={asking.until} />
      </span>
      {approvals.length > 0 && (
        <Foreign className="text-soft">
          {t.approvals.given(approvals.length, asking.quorum, approvals.map(({ user }) => user).join(', '))}
        </Foreign>
      )}
      {asking.refusal !== null && <Foreign className="text-soft">{t.approvals.cannot(asking.refusal)}</Foreign>}
    </>
  )
