import { useQueryClient } from '@tanstack/react-query'
import { answer, api } from '../../api/client.ts'
import type { Environment } from '../../api/deployment-queries.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Check, Field, Select } from '../../ui/form.tsx'
import { roleNamed, roles } from './role-select.tsx'

const policies = ['automatic', 'soak', 'approval'] as const
const drifts = ['mend', 'report'] as const
const strategies = ['rolling', 'canary', 'blue-green', 'shadow'] as const

/** As headway environments set takes it: the largest unit that it is whole in. */
const spanText = (ms: number): string => {
  const units = [
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'm'],
  ] as const
  const [size, unit] = units.find(([size]) => ms > 0 && ms % size === 0) ?? [1_000, 's']
  return `${Math.round(ms / size)}${unit}`
}

type Props = { environment: Environment; close: () => void }

/** What a release needs to get into an environment, to be changed. It is a commit to the environments repository. */
export const Rules = ({ environment: known, others, close }: Props & { others: readonly string[] }) => {
  const queries = useQueryClient()
  const save = async (data: FormData): Promise<void> => {
    const soak = textOf(data, 'soak')
    const strategy = strategies.find((name) => name === textOf(data, 'strategy'))
    await answer(
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
          ...(strategy === undefined ? {} : { strategy }),
          drift: drifts.find((drift) => drift === textOf(data, 'drift')) ?? known.drift,
        },
      }),
    )
    await queries.invalidateQueries({ queryKey: ['environments'] })
  }
  const span = { pattern: '[0-9]{1,6}[smhd]', title: t.settings.spanHint, placeholder: t.settings.spanHint }
  const { soakMs, approval } = known
  return (
    <Confirm
      title={t.settings.rulesOf(known.environment)}
      detail={t.settings.rulesDetail}
      action={t.settings.save}
      close={close}
      act={save}
    >
      <div className="grid gap-4 sm:grid-cols-2">
        <Select name="from" label={t.settings.takesFrom} value={known.from} options={['push', ...others]} />
        <Select
          name="policy"
          label={t.settings.policyLabel}
          value={known.policy}
          options={policies}
          names={t.settings.policy}
        />
        <Field {...span} name="soak" label={t.settings.soak} defaultValue={soakMs === 0 ? '' : spanText(soakMs)} />
        <Field
          {...span}
          name="expires"
          label={t.settings.offTable}
          required
          defaultValue={spanText(approval.expiresMs)}
        />
        <Select name="role" label={t.settings.approver} value={approval.role} options={roles} names={t.roles} />
        <Field
          name="quorum"
          label={t.settings.quorum}
          type="number"
          min={1}
          max={20}
          required
          defaultValue={approval.quorum}
        />
        <Select
          name="drift"
          label={t.settings.drift}
          value={known.drift}
          options={drifts}
          names={t.settings.driftWays}
        />
        <Select
          name="strategy"
          label={t.settings.strategy}
          value={strategies.find((name) => name === known.strategy) ?? ''}
          options={known.strategy === null ? ['', ...strategies] : strategies}
          names={{ '': t.settings.strategyNone }}
        />
        <Check name="notAuthor" label={t.settings.notAuthor} isOn={approval.notAuthor} />
      </div>
    </Confirm>
  )
}
