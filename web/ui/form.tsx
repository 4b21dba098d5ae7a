import {
  createContext,
  type FormHTMLAttributes,
  type InputHTMLAttributes,
  type ReactNode,
  useContext,
  useEffect,
  useId,
  useRef,
  useState,
} from 'react'
import type { Refusal } from '../api/refusal.ts'
import { t } from '../texts/en.ts'
import { useAct } from './act.ts'
import { Foreign } from './foreign.tsx'
import { Button, inputShape } from './parts.tsx'
import { Refused } from './states.tsx'

/** The field that was refused, and why. */
type Fault = { readonly name: string; readonly detail: string }
const Faults = createContext<Fault | null>(null)

/**
 * Fields and the button that sends them. `send` gets what they hold; once it has gone well the form is as it was at first, and says so where
 * it resolves to what to say (or `done`). What was refused is told at the field that it is about, which gets the focus, else above the button, and everything that was typed stays.
 */
export const Form = ({
  action,
  send,
  done,
  cancel,
  kind = 'primary',
  isDisabled = false,
  children,
  className = 'flex flex-col gap-4',
  ...rest
}: Omit<FormHTMLAttributes<HTMLFormElement>, 'action' | 'onSubmit'> & {
  action: string
  send: (data: FormData) => Promise<unknown>
  /** What is said when it has gone well. */
  done?: string
  /** Where there is a way back: a button for it stands beside the other. */
  cancel?: () => void
  kind?: 'primary' | 'plain' | 'danger'
  isDisabled?: boolean
  children?: ReactNode
}) => {
  const { act, isWorking, refusal } = useAct()
  const [isDone, setIsDone] = useState(false)
  const [refused, setRefused] = useState<readonly string[]>([])
  const submit = async (form: HTMLFormElement): Promise<void> => {
    const data = new FormData(form)
    setIsDone(false)
    setRefused([...form.elements].flatMap((field) => field.getAttribute('name') ?? []))
    const isSent = await act(async () => {
      await send(data)
      return true
    })
    if (!isSent) return
    form.reset()
    setIsDone(true)
  }
  const fault = refusal && faultIn(refusal, refused)
  const form = useRef<HTMLFormElement>(null)
  // biome-ignore lint/correctness/useExhaustiveDependencies: once for each refusal, whatever is drawn meanwhile
  useEffect(() => {
    const field = fault && form.current?.querySelector<HTMLElement>(`[name="${CSS.escape(fault.name)}"]`)
    if (!field) return
    unfold(field)
    field.focus()
  }, [refusal])
  return (
    <Faults.Provider value={fault}>
      <form
        {...rest}
        ref={form}
        className={className}
        onInvalidCapture={({ target }) => target instanceof Element && unfold(target)}
        onSubmit={(event) => {
          event.preventDefault()
          void submit(event.currentTarget)
        }}
      >
        {children}
        <Refused refusal={fault ? null : refusal} />
        <div className="flex flex-wrap items-center justify-end gap-2">
          {done && (
            <span role="status" className="mr-auto text-good">
              {isDone && done}
            </span>
          )}
          {cancel && <Button onClick={cancel}>{t.actions.cancel}</Button>}
          <Button
            type="submit"
            kind={kind}
            disabled={isWorking || isDisabled}
            autoFocus={cancel !== undefined && !children}
          >
            {isWorking ? t.actions.working : action}
          </Button>
        </div>
      </form>
    </Faults.Provider>
  )
}

/** Opens what a field is folded in: a browser refuses to send what it cannot show, and says nothing. */
const unfold = (field: Element): void => {
  const folded = field.closest('details')
  if (folded) folded.open = true
}

/** The field that a refusal is about: where the place of what is wrong begins with its name. */
const faultIn = ({ path, detail }: Refusal, names: readonly string[]): Fault | null => {
  const name = path?.split('.').find((part) => names.includes(part))
  return name === undefined ? null : { name, detail: detail.replace(`${path}: `, '') }
}

type Named = { name: string; label: ReactNode; hint?: ReactNode }

/** A field beneath its name; beneath it what is expected, and what was wrong with what it held. */
const Labelled = ({
  name,
  label,
  hint,
  className = '',
  children,
}: Named & {
  className?: string | undefined
  children: (about: {
    id: string
    'aria-describedby': string | undefined
    'aria-invalid': true | undefined
  }) => ReactNode
}) => {
  const id = useId()
  const about = useId()
  const fault = useContext(Faults)
  const wrong = fault?.name === name ? fault.detail : null
  return (
    <div className={`flex min-w-0 flex-col gap-1 ${className}`}>
      <label htmlFor={id}>{label}</label>
      {children({
        id,
        'aria-describedby': hint || wrong !== null ? about : undefined,
        'aria-invalid': wrong === null ? undefined : true,
      })}
      {(hint || wrong !== null) && (
        <span id={about} className={`text-xs ${wrong === null ? 'text-soft' : 'text-bad'}`}>
          {wrong === null ? hint : <Foreign role="alert">{wrong}</Foreign>}
        </span>
      )}
    </div>
  )
}

/** One line to be filled in. */
export const Field = ({ label, hint, className, ...rest }: InputHTMLAttributes<HTMLInputElement> & Named) => (
  <Labelled name={rest.name} label={label} hint={hint} className={className}>
    {(about) => <input {...rest} {...about} className={rest.type === 'file' ? fileShape : inputShape} />}
  </Labelled>
)

const fileShape =
  'min-w-0 text-sm text-soft file:mr-3 file:min-h-8 file:cursor-pointer file:rounded-md file:border file:border-solid file:border-line file:bg-panel file:px-3 file:text-ink'

/** What machines are called by: their own words are not put in capitals by phones. */
export const NameField = ({
  label,
  name = 'name',
  pattern = '[a-z]([a-z0-9\\-]*[a-z0-9])?',
}: Partial<Named> & { pattern?: string }) => (
  <Field name={name} label={label ?? t.settings.name} required maxLength={60} pattern={pattern} autoCapitalize="none" />
)

/** Several lines of text. */
export const Area = ({
  rows = 4,
  maxLength,
  value,
  isRequired = false,
  ...named
}: Named & { rows?: number; maxLength?: number; value?: string; isRequired?: boolean }) => (
  <Labelled {...named}>
    {(about) => (
      <textarea
        {...about}
        name={named.name}
        rows={rows}
        maxLength={maxLength}
        required={isRequired}
        defaultValue={value}
        className={`${inputShape} py-2`}
      />
    )}
  </Labelled>
)

/** One of several. What `names` leaves out is called what it is. */
export const Select = <Value extends string>({
  value,
  options,
  names,
  choose,
  ...named
}: Named & {
  /** What is chosen at first; with `choose`, what is chosen. */
  value?: Value | undefined
  options: readonly Value[]
  names?: Readonly<Partial<Record<Value, string>>>
  choose?: (value: string) => void
}) => (
  <Labelled {...named}>
    {(about) => (
      <select
        {...about}
        name={named.name}
        {...(choose ? { value, onChange: (event) => choose(event.target.value) } : { defaultValue: value })}
        className={inputShape}
      >
        {options.map((option) => (
          <option key={option} value={option}>
            {names?.[option] ?? option}
          </option>
        ))}
      </select>
    )}
  </Labelled>
)

/** Yes or no. */
export const Check = ({ label, name, hint, isOn }: Named & { isOn: boolean }) => {
  const about = useId()
  return (
    <div className="flex flex-col">
      <label className="flex min-h-8 items-center gap-2">
        <input
          name={name}
          type="checkbox"
          defaultChecked={isOn}
          aria-describedby={hint ? about : undefined}
          className="size-4 shrink-0"
        />
        {label}
      </label>
      {hint && (
        <span id={about} className="text-xs text-soft">
          {hint}
        </span>
      )}
    </div>
  )
}

/** What each line of a field holds, without empty ones. */
export const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean)

/** The words of a field, by commas or blanks. */
export const wordsOf = (text: string): string[] => text.split(/[\s,]+/).filter(Boolean)
