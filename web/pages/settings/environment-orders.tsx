import { useQueryClient } from '@tanstack/react-query'
import { answer, api } from '../../api/client.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Field, Form, NameField, Select } from '../../ui/form.tsx'
import { momentIn } from '../../ui/moment.ts'
import { Panel } from '../../ui/parts.tsx'

type Props = { environment: string; close: () => void }
const { freeze } = api.promotion.projects[':project'].environments[':environment']
const one = api.environments.environments[':environment']

const useChanged = () => {
  const queries = useQueryClient()
  return () => queries.invalidateQueries({ queryKey: ['environments'] })
}

/** Nothing new is deployed there, at once. */
export const Freeze = ({ project, environment, close }: Props & { project: string }) => {
  const changed = useChanged()
  return (
    <Confirm
      title={t.settings.freezeTitle(environment)}
      detail={t.settings.freezeDetail}
      action={t.settings.freeze}
      close={close}
      act={async (data) => {
        const json = { reason: textOf(data, 'reason'), until: momentIn(textOf(data, 'until')) }
        await answer(freeze.$put({ param: { project, environment }, json }))
        await changed()
      }}
    >
      <Field name="reason" label={t.settings.why} required maxLength={500} />
      <Field name="until" label={t.settings.until} type="datetime-local" hint={t.settings.untilHint} />
    </Confirm>
  )
}

/** What a freeze that somebody has ordered held goes on. */
export const Unfreeze = ({ project, environment, close }: Props & { project: string }) => {
  const changed = useChanged()
  return (
    <Confirm
      title={`${t.settings.unfreeze}: ${environment}`}
      action={t.settings.unfreeze}
      close={close}
      act={async (data) => {
        const reason = textOf(data, 'reason')
        await answer(freeze.$delete({ param: { project, environment }, query: reason === '' ? {} : { reason } }))
        await changed()
      }}
    >
      <Field name="reason" label={t.settings.why} maxLength={500} />
    </Confirm>
  )
}

/** Takes an environment away in which nothing stands. */
export const Remove = ({ environment, close }: Props) => {
  const changed = useChanged()
  return (
    <Confirm
      title={t.settings.removeEnvironment(environment)}
      detail={t.settings.removeEnvironmentDetail}
      action={t.settings.remove}
      isDangerous
      close={close}
      act={async () => {
        await answer(one.$delete({ param: { environment } }))
        await changed()
      }}
    />
  )
}

/** One more environment, between one that there is and what that one has taken from until now. */
export const AddEnvironment = ({ names }: { names: readonly string[] }) => {
  const changed = useChanged()
  return (
    <Panel title={t.settings.addEnvironment}>
      <Form
        action={t.settings.add}
        done={t.settings.made}
        className="grid items-start gap-4 sm:grid-cols-[1fr_1fr_auto] [&>:last-child]:self-end"
        send={async (data) => {
          const before = textOf(data, 'before')
          const param = { environment: textOf(data, 'environment') }
          await answer(one.$put({ param, json: before === '' ? {} : { before } }))
          await changed()
        }}
      >
        <NameField name="environment" />
        <Select
          name="before"
          label={t.settings.before}
          value={names.at(-1)}
          options={[...names, '']}
          names={{ '': t.settings.beforeNone }}
        />
      </Form>
    </Panel>
  )
}
