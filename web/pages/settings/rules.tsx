import { useQueryClient } from '@tanstack/react-query'
import { answer, api } from '../../api/client.ts'
import type { Environment } from '../../api/queries.ts'
import { t } from '../../texts/en.ts'
import { textOf, useAct } from '../../ui/act.ts'
import { Dialog } from '../../ui/dialog.tsx'
import { Button, inputShape } from '../../ui/parts.tsx'
import { Failed } from '../../ui/states.tsx'
import { roleNamed, roles } from './role-select.tsx'

const policies = ['automatic', 'soak', 'approval'] as const
const drifts = ['mend', 'report'] as const
const spanPattern = '[0-9]{1,6}[smhd]'

/** As headway environments set takes it: the largest unit that it is whole in. */
export const spanText = (ms: number): string => {
  const units = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'm'],
  ] as const
  const [size, unit] = units.find(([size]) => ms > 0 && ms % size === 0) ?? [1_000, 's']
  return `${Math.round(ms / size)}${unit}`
}

/** What a release needs to get into an environment, to be changed. It is a commit to the environments repository. */
export const Rules = ({
  environment: known,
  others,
  close,
}: {
  environment: Environment
  others: readonly string[]
  close: () => void
}) => {
  const queries = useQueryClient()
  const { act, isWorking, refusal } = useAct()
  const save = async (data: FormData): Promise<void> => {
    const soak = textOf(data, 'soak')
    const done = await act(() =>
      answer(
        api.environments.environments[':environment'].$put({
          param: { environment: known.environment },
          json: {
            from: textOf(data, 'from'),
            policy: policies.find((policy) => policy === textOf(data, 'policy')) ?? known.policy,
            ...(soak === '' ? {} : { soak }),
            role: roleNamed(textOf(data, 'role')),
            quorum: Number(textOf(data, 'quorum')),
            expires: textOf(data, 'expires'),
            notAuthor: data.get('notAuthor') !== null,
            drift: drifts.find((drift) => drift === textOf(data, 'drift')) ?? known.drift,
          },
        }),
      ),
    )
    if (done === null) return
    await queries.invalidateQueries({ queryKey: ['environments'] })
    close()
  }
  return (
    <Dialog title={t.settings.rulesOf(known.environment)} close={close}>
      <form
        className="flex flex-col gap-4 px-5 pt-2 pb-5"
        onSubmit={(event) => {
          event.preventDefault()
          void save(new FormData(event.currentTarget))
        }}
      >
        <p className="m-0 text-soft">{t.settings.rulesDetail}</p>
        <div className="grid gap-4 sm:grid-cols-2">
          <Select name="from" label={t.settings.takesFrom} value={known.from} options={['push', ...others]} />
          <Select
            name="policy"
            label={t.settings.policyLabel}
            value={known.policy}
            options={policies}
            names={t.settings.policy}
          />
          <Span name="soak" label={t.settings.soak} value={known.soakMs === 0 ? '' : spanText(known.soakMs)} />
          <Span name="expires" label={t.settings.offTable} value={spanText(known.approval.expiresMs)} isRequired />
          <Select name="role" label={t.settings.approver} value={known.approval.role} options={roles} names={t.roles} />
          <label className="flex flex-col gap-1">
            {t.settings.quorum}
            <input
              name="quorum"
              type="number"
              min={1}
              max={20}
              required
              defaultValue={known.approval.quorum}
              className={inputShape}
            />
          </label>
          <Select
            name="drift"
            label={t.settings.drift}
            value={known.drift}
            options={drifts}
            names={t.settings.driftWays}
          />
          <label className="flex items-center gap-2 self-end">
            <input name="notAuthor" type="checkbox" defaultChecked={known.approval.notAuthor} className="size-4" />
            {t.settings.notAuthor}
          </label>
        </div>
        {refusal && <Failed error={refusal} />}
        <div className="flex justify-end gap-2">
          <Button onClick={close}>{t.actions.cancel}</Button>
          <Button type="submit" kind="primary" disabled={isWorking}>
            {isWorking ? t.actions.working : t.settings.save}
          </Button>
        </div>
      </form>
    </Dialog>
  )
}

const Select = <Name extends string>({
  name,
  label,
  value,
  options,
  names,
}: {
  name: string
  label: string
  value: string
  options: readonly Name[]
  names?: Readonly<Record<Name, string>>
}) => (
  <label className="flex flex-col gap-1">
    {label}
    <select name={name} defaultValue={value} className={inputShape}>
      {options.map((option) => (
        <option key={option} value={option}>
          {names ? names[option] : option}
        </option>
      ))}
    </select>
  </label>
)

const Span = ({
  name,
  label,
  value,
  isRequired = false,
}: {
  name: string
  label: string
  value: string
  isRequired?: boolean
}) => (
  <label className="flex flex-col gap-1">
    {label}
    <input
      name={name}
      defaultValue={value}
      required={isRequired}
      pattern={spanPattern}
      title={t.settings.spanHint}
      placeholder={t.settings.spanHint}
      className={inputShape}
    />
  </label>
)
