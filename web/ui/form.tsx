import { type FormHTMLAttributes, type InputHTMLAttributes, type ReactNode, useId } from 'react'
import { t } from '../texts/en.ts'
import { useAct } from './act.ts'
import { Button, inputShape } from './parts.tsx'
import { Refused } from './states.tsx'

/**
 * Fields and the button that sends them. `send` gets what they hold; once it has gone well the form is as it was at first. What was refused
 * is told above the button, and everything that was typed stays.
 */
export const Form = ({
  action,
  send,
  cancel,
  isDangerous = false,
  isDisabled = false,
  children,
  className = '',
  ...rest
}: Omit<FormHTMLAttributes<HTMLFormElement>, 'action' | 'onSubmit'> & {
  action: string
  send: (data: FormData) => Promise<unknown>
  /** Where there is a way back: a button for it stands beside the other. */
  cancel?: () => void
  isDangerous?: boolean
  isDisabled?: boolean
  children?: ReactNode
}) => {
  const { act, isWorking, refusal } = useAct()
  const submit = async (form: HTMLFormElement): Promise<void> => {
    const data = new FormData(form)
    const isDone = await act(async () => {
      await send(data)
      return true
    })
    if (isDone) form.reset()
  }
  return (
    <form
      {...rest}
      className={`flex flex-col gap-4 ${className}`}
      onSubmit={(event) => {
        event.preventDefault()
        void submit(event.currentTarget)
      }}
    >
      {children}
      <Refused refusal={refusal} />
      <div className="flex flex-wrap justify-end gap-2">
        {cancel && <Button onClick={cancel}>{t.actions.cancel}</Button>}
        <Button
          type="submit"
          kind={isDangerous ? 'danger' : 'primary'}
          disabled={isWorking || isDisabled}
          autoFocus={cancel !== undefined && !children}
        >
          {isWorking ? t.actions.working : action}
        </Button>
      </div>
    </form>
  )
}

type Named = { name: string; label: ReactNode; hint?: ReactNode }

/** One line to be filled in, beneath its name; `hint` says what is expected. */
export const Field = ({ label, hint, className = '', ...rest }: InputHTMLAttributes<HTMLInputElement> & Named) => {
  const about = useId()
  return (
    <div className={`flex min-w-0 flex-col gap-1 ${className}`}>
      <label className="flex min-w-0 flex-col gap-1">
        {label}
        <input {...rest} aria-describedby={hint ? about : undefined} className={inputShape} />
      </label>
      {hint && (
        <span id={about} className="text-xs text-soft">
          {hint}
        </span>
      )}
    </div>
  )
}

/** Several lines of text. */
export const Area = ({
  label,
  name,
  rows = 4,
  maxLength,
  value,
}: Named & { rows?: number; maxLength?: number; value?: string }) => (
  <label className="flex min-w-0 flex-col gap-1">
    {label}
    <textarea name={name} rows={rows} maxLength={maxLength} defaultValue={value} className={`${inputShape} py-2`} />
  </label>
)

/** One of several. What `names` leaves out is called what it is. */
export const Select = <Value extends string>({
  label,
  name,
  value,
  options,
  names,
  choose,
}: Named & {
  /** What is chosen at first; with `choose`, what is chosen. */
  value?: Value | undefined
  options: readonly Value[]
  names?: Readonly<Partial<Record<Value, string>>>
  choose?: (value: string) => void
}) => (
  <label className="flex min-w-0 flex-col gap-1">
    {label}
    <select
      name={name}
      {...(choose ? { value, onChange: (event) => choose(event.target.value) } : { defaultValue: value })}
      className={inputShape}
    >
      {options.map((option) => (
        <option key={option} value={option}>
          {names?.[option] ?? option}
        </option>
      ))}
    </select>
  </label>
)

/** Yes or no. */
export const Check = ({ label, name, isOn }: Named & { isOn: boolean }) => (
  <label className="flex min-h-8 items-center gap-2">
    <input name={name} type="checkbox" defaultChecked={isOn} className="size-4" />
    {label}
  </label>
)
