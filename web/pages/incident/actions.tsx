import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { answer, api } from '../../api/client.ts'
import { type IncidentStory, ofIncident } from '../../api/learn-queries.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Field } from '../../ui/form.tsx'
import { momentIn } from '../../ui/moment.ts'
import { Button } from '../../ui/parts.tsx'
import { type State, stateOf } from '../incidents/state.tsx'

type Progress = keyof typeof t.incidents.progressTitle
type Asked = Progress | 'dismiss'

/** What can be said of an incident that has come this far. */
const open: Readonly<Record<State, readonly Progress[]>> = {
  open: ['acknowledge', 'mitigate', 'resolve'],
  acknowledged: ['mitigate', 'resolve'],
  mitigated: ['reopen', 'resolve'],
  resolved: ['reopen'],
  dismissed: [],
}

export const Actions = ({ project, known }: { project: string; known: IncidentStory }) => {
  const [asked, setAsked] = useState<Asked | null>(null)
  const state = stateOf(known)
  const steps = open[state]
  const close = (): void => setAsked(null)
  return (
    <>
      {state !== 'dismissed' && (
        <Button kind="quiet" className="max-sm:order-last" onClick={() => setAsked('dismiss')}>
          {t.incidents.dismiss}
        </Button>
      )}
      {steps.map((step) => (
        <Button
          key={step}
          kind={step === steps[0] && step !== 'reopen' ? 'primary' : 'plain'}
          onClick={() => setAsked(step)}
        >
          {t.incidents[step]}
        </Button>
      ))}
      {asked === 'dismiss' && <Dismiss project={project} known={known} close={close} />}
      {asked !== null && asked !== 'dismiss' && <Step project={project} known={known} step={asked} close={close} />}
    </>
  )
}

type Props = { project: string; known: IncidentStory; close: () => void }
const one = api.incidents.projects[':project'].incidents[':incident']

const Step = ({ project, known, step, close }: Props & { step: Progress }) => {
  const queries = useQueryClient()
  return (
    <Confirm
      title={t.incidents.progressTitle[step]}
      detail={t.incidents.progressDetail[step]}
      action={t.incidents[step]}
      close={close}
      act={async (data) => {
        const param = ofIncident(project, known.incident)
        await answer(one.progress.$post({ param, json: { what: step, at: momentIn(textOf(data, 'at')) } }))
        await queries.invalidateQueries({ queryKey: ['incidents'] })
      }}
    >
      <Field name="at" label={t.incidents.at} type="datetime-local" hint={t.incidents.atHint} />
    </Confirm>
  )
}

const Dismiss = ({ project, known, close }: Props) => {
  const queries = useQueryClient()
  return (
    <Confirm
      title={t.incidents.dismissTitle}
      detail={t.incidents.dismissDetail}
      action={t.incidents.dismiss}
      isDangerous
      close={close}
      act={async (data) => {
        const json = { why: textOf(data, 'why') }
        await answer(one.dismissal.$post({ param: ofIncident(project, known.incident), json }))
        await queries.invalidateQueries({ queryKey: ['incidents'] })
      }}
    >
      <Field name="why" label={t.incidents.why} required maxLength={2_000} />
    </Confirm>
  )
}
