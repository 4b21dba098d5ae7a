import { useState } from 'react'
import { t } from '../../texts/en.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { inputShape } from '../../ui/parts.tsx'

type Said = { readonly isFailure: boolean | null; readonly isRework: boolean | null; readonly why: string }
type Answer = 'asRules' | 'yes' | 'no'
const answers: readonly Answer[] = ['asRules', 'yes', 'no']
const meant: Readonly<Record<Answer, boolean | null>> = { asRules: null, yes: true, no: false }

/** What somebody says of a deployment, instead of what the rules say. */
export const Correction = ({ close, correct }: { close: () => void; correct: (said: Said) => Promise<void> }) => {
  const { detail } = t.insights
  const [isFailure, setIsFailure] = useState<Answer>('asRules')
  const [isRework, setIsRework] = useState<Answer>('asRules')
  const [why, setWhy] = useState('')
  return (
    <Confirm
      title={detail.correctTitle}
      detail={detail.correctDetail}
      action={detail.correct}
      close={close}
      act={() => correct({ isFailure: meant[isFailure], isRework: meant[isRework], why })}
    >
      <Question label={detail.isFailure} value={isFailure} say={setIsFailure} />
      <Question label={detail.isRework} value={isRework} say={setIsRework} />
      <label className="flex flex-col gap-1">
        {detail.why}
        <input
          value={why}
          required
          maxLength={2_000}
          onChange={(event) => setWhy(event.target.value)}
          className={inputShape}
        />
      </label>
    </Confirm>
  )
}

const Question = ({ label, value, say }: { label: string; value: Answer; say: (answer: Answer) => void }) => (
  <label className="flex flex-col gap-1">
    {label}
    <select
      value={value}
      onChange={(event) => say(answers.find((one) => one === event.target.value) ?? 'asRules')}
      className={inputShape}
    >
      {answers.map((one) => (
        <option key={one} value={one}>
          {t.insights.detail[one]}
        </option>
      ))}
    </select>
  </label>
)
