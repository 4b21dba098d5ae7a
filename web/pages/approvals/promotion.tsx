import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import type { Promotion } from '../../api/deployment-queries.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Area } from '../../ui/form.tsx'
import { short } from '../../ui/format.ts'
import { Button } from '../../ui/parts.tsx'

const one = api.promotion.projects[':project'].promotions[':promotion']

/** Yes and no to a promotion, as far as whoever looks may say it. */
export const PromotionAnswer = ({ project, promotion: known }: { project: string; promotion: Promotion }) => {
  const mayRefuse = useMay('developer', project)
  const queries = useQueryClient()
  const [asked, setAsked] = useState<'approve' | 'refuse' | null>(null)
  const { promotion, service, environment, commit, asking } = known
  const what = `${service} ${short(commit)}`
  const param = { project, promotion }
  const close = (): void => setAsked(null)
  if (asking === null || (asking.refusal !== null && !mayRefuse)) return null
  const changed = () => queries.invalidateQueries({ queryKey: ['promotions'] })
  return (
    <span className="flex flex-wrap gap-2">
      {asking.refusal === null && (
        <Button
          kind="primary"
          onClick={() => setAsked('approve')}
          aria-label={`${t.approvals.approve} ${what}, ${environment}`}
        >
          {t.approvals.approve}
        </Button>
      )}
      {mayRefuse && (
        <Button onClick={() => setAsked('refuse')} aria-label={`${t.approvals.refuse} ${what}, ${environment}`}>
          {t.approvals.refuse}
        </Button>
      )}
      {asked === 'approve' && (
        <Confirm
          title={t.approvals.approveTitle(what, environment)}
          detail={t.approvals.approveDetail}
          action={t.approvals.approve}
          close={close}
          act={async () => {
            await answer(one.approvals.$post({ param }))
            await changed()
          }}
        />
      )}
      {asked === 'refuse' && (
        <Confirm
          title={t.approvals.refuseTitle(what, environment)}
          detail={t.approvals.refuseDetail}
          action={t.approvals.refuse}
          isDangerous
          close={close}
          act={async (data) => {
            await answer(one.rejection.$post({ param, json: { reason: textOf(data, 'reason') } }))
            await changed()
          }}
        >
          <Area name="reason" label={t.approvals.why} rows={2} maxLength={500} isRequired />
        </Confirm>
      )}
    </span>
  )
}
