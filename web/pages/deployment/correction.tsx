import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Field, Select } from '../../ui/form.tsx'

type Said = { readonly isFailure: boolean | null; readonly isRework: boolean | null; readonly why: string }
type Answer = 'asRules' | 'yes' | 'no'
const answers: readonly Answer[] = ['asRules', 'yes', 'no']
const meant: Readonly<Record<Answer, boolean | null>> = { asRules: null, yes: true, no: false }

/** What somebody says of a deployment, instead of what the rules say. */
export const Correction = ({ close, correct }: { close: () => void; correct: (said: Said) => Promise<void> }) => {
  const { detail } = t.insights
  const said = (data: FormData, name: string): boolean | null =>
    meant[answers.find((one) => one === textOf(data, name)) ?? 'asRules']
  const question = (name: string, label: string) => (
    <Select name={name} label={label} options={answers} names={detail} />
  )
  return (
    <Confirm
      title={detail.correctTitle}
      detail={detail.correctDetail}
      action={detail.correct}
      close={close}
      act={(data) =>
        correct({ isFailure: said(data, 'isFailure'), isRework: said(data, 'isRework'), why: textOf(data, 'why') })
      }
    >
      {question('isFailure', detail.isFailure)}
      {question('isRework', detail.isRework)}
      <Field name="why" label={detail.why} required maxLength={2_000} />
    </Confirm>
  )
}
