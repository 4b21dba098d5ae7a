import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { base } from '../../api/client.ts'
import type { Rollout } from '../../api/deployment-queries.ts'
import { Refusal, refusalOf } from '../../api/refusal.ts'
import { useMay } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Field } from '../../ui/form.tsx'
import { Button } from '../../ui/parts.tsx'

type Order = 'pause' | 'resume' | 'promote' | 'abort'

/** What one can ask of a rollout under way. */
export const Orders = ({ project, rollout }: { project: string; rollout: Rollout }) => {
  const [asked, setAsked] = useState<Order | null>(null)
  const mayOrder = useMay('developer', project)
  const queries = useQueryClient()
  if (!mayOrder || rollout.phase === 'undoing') return null
  const send = async (order: Order, reason: string): Promise<void> => {
    await give(project, rollout.deployment, order, reason)
    await queries.invalidateQueries({ queryKey: ['rollouts'] })
  }
  const words = {
    pause: { title: t.rollout.pause, detail: null },
    resume: { title: t.rollout.resume, detail: null },
    promote: { title: t.rollout.promoteTitle, detail: t.rollout.promoteDetail },
    abort: { title: t.rollout.abortTitle, detail: t.rollout.abortDetail },
  } as const
  return (
    <>
      <Button onClick={() => setAsked(rollout.paused ? 'resume' : 'pause')}>
        {rollout.paused ? t.rollout.resume : t.rollout.pause}
      </Button>
      <Button onClick={() => setAsked('promote')}>{t.rollout.promote}</Button>
      <Button kind="danger" onClick={() => setAsked('abort')}>
        {t.rollout.abort}
      </Button>
      {asked && (
        <Confirm
          title={words[asked].title}
          detail={words[asked].detail}
          action={t.rollout[asked]}
          isDangerous={asked === 'abort'}
          close={() => setAsked(null)}
          act={(data) => send(asked, textOf(data, 'reason'))}
        >
          <Field name="reason" label={t.rollout.reason} maxLength={500} />
        </Confirm>
      )}
    </>
  )
}

/** The four routes are made in a loop, which the types of the client do not see. */
const give = async (project: string, rollout: string, order: Order, reason: string): Promise<void> => {
  const response = await fetch(`${base}/projects/${project}/rollouts/${encodeURIComponent(rollout)}/${order}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(reason === '' ? {} : { reason }),
  }).catch((cause: unknown) => {
    throw new Refusal({ kind: 'unreachable', status: 0, detail: t.states.unreachable, next: null }, { cause })
  })
  if (!response.ok) throw refusalOf(response.status, await response.text())
}
