import { useQueryClient } from '@tanstack/react-query'
import { type ReactNode, useState } from 'react'
import { answer, api } from '../../api/client.ts'
import type { Environment } from '../../api/deployment-queries.ts'
import { t } from '../../texts/en.ts'
import { textOf } from '../../ui/act.ts'
import { Confirm } from '../../ui/dialog.tsx'
import { Check, Field } from '../../ui/form.tsx'
import { momentField, momentIn } from '../../ui/moment.ts'
import { Button } from '../../ui/parts.tsx'

type Window = Environment['windows'][number]
type Freeze = Environment['freezes'][number]

const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
const dayMs = 86_400_000
const timezones = Intl.supportedValuesOf('timeZone')
const newWindow = (): Window => ({
  ...{ days: weekdays.slice(0, 5), from: '09:00', to: '17:00' },
  timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
})

/** When deployments may begin in an environment, and the freezes that are planned. Saved as a commit to the environments repository. */
export const Calendar = ({ environment: known, close }: { environment: Environment; close: () => void }) => {
  const queries = useQueryClient()
  const windows = useRows('window', known.windows)
  const freezes = useRows('freeze', known.freezes)
  const save = async (data: FormData): Promise<void> => {
    const said = {
      windows: windows.keys.map((key) => windowIn(data, key)),
      freezes: freezes.keys.map((key) => freezeIn(data, key)),
    }
    const before = { windows: known.windows, freezes: known.freezes.map(asWritten) }
    const isOther = (part: keyof typeof said): boolean => JSON.stringify(said[part]) !== JSON.stringify(before[part])
    await answer(
      api.environments.environments[':environment'].$put({
        param: { environment: known.environment },
        json: {
          ...(isOther('windows') ? { windows: said.windows } : {}),
          ...(isOther('freezes') ? { freezes: said.freezes } : {}),
        },
      }),
    )
    await queries.invalidateQueries({ queryKey: ['environments'] })
  }
  return (
    <Confirm
      title={t.settings.calendarOf(known.environment)}
      detail={t.settings.rulesDetail}
      action={t.settings.save}
      close={close}
      act={save}
      isWide
    >
      <Rows
        title={t.settings.windows}
        none={t.settings.always}
        add={t.settings.addWindow}
        more={() => windows.add(newWindow())}
      >
        {windows.rows.map(({ key, value }, at) => (
          <Row key={key} name={t.settings.windowAt(at + 1)} remove={() => windows.remove(key)}>
            <span className="flex flex-wrap gap-x-4">
              {weekdays.map((day) => (
                <Check
                  key={day}
                  name={`${key}.${day}`}
                  label={t.settings.weekday[day]}
                  isOn={value.days.includes(day)}
                />
              ))}
            </span>
            <span className="grid gap-3 sm:grid-cols-3">
              <Field {...clockTime} name={`${key}.from`} label={t.settings.from} defaultValue={value.from} />
              <Field {...clockTime} name={`${key}.to`} label={t.settings.to} defaultValue={value.to} />
              <Field
                name={`${key}.timezone`}
                label={t.settings.timezone}
                required
                list="timezones"
                defaultValue={value.timezone}
              />
            </span>
          </Row>
        ))}
      </Rows>
      <Rows
        title={t.settings.freezes}
        none={t.settings.noFreezes}
        add={t.settings.addFreeze}
        more={() => freezes.add({ from: Date.now() + dayMs, until: Date.now() + 2 * dayMs, reason: '' })}
      >
        {freezes.rows.map(({ key, value }, at) => (
          <Row key={key} name={t.settings.freezeAt(at + 1)} remove={() => freezes.remove(key)}>
            <span className="grid gap-3 sm:grid-cols-2">
              <Field
                name={`${key}.from`}
                label={t.settings.from}
                type="datetime-local"
                required
                defaultValue={momentField(value.from)}
              />
              <Field
                name={`${key}.until`}
                label={t.settings.until}
                type="datetime-local"
                required
                defaultValue={momentField(value.until)}
              />
            </span>
            <Field name={`${key}.reason`} label={t.settings.why} required maxLength={200} defaultValue={value.reason} />
          </Row>
        ))}
      </Rows>
      <datalist id="timezones">
        {timezones.map((zone) => (
          <option key={zone} value={zone} />
        ))}
      </datalist>
    </Confirm>
  )
}

const clockTime = {
  required: true,
  pattern: '([01][0-9]|2[0-3]):[0-5][0-9]|24:00',
  title: '09:00',
  maxLength: 5,
} as const

/** Rows that can be added and removed; each key begins the names of its fields. */
const useRows = <Value,>(word: string, known: readonly Value[]) => {
  const [rows, setRows] = useState(() => known.map((value, at) => ({ key: `${word}-${at}`, value })))
  const [made, setMade] = useState(known.length)
  return {
    rows,
    keys: rows.map(({ key }) => key),
    add: (value: Value): void => {
      setRows([...rows, { key: `${word}-${made}`, value }])
      setMade(made + 1)
    },
    remove: (gone: string): void => setRows(rows.filter(({ key }) => key !== gone)),
  }
}

const windowIn = (data: FormData, key: string) => ({
  days: weekdays.filter((day) => data.get(`${key}.${day}`) !== null),
  from: textOf(data, `${key}.from`),
  to: textOf(data, `${key}.to`),
  timezone: textOf(data, `${key}.timezone`),
})

const iso = (ms: number): string => new Date(ms).toISOString().replace(/:00\.000Z$/, ':00Z')
const asWritten = ({ from, until, reason }: Freeze) => ({ from: iso(from), until: iso(until), reason })
const freezeIn = (data: FormData, key: string) =>
  asWritten({
    from: momentIn(textOf(data, `${key}.from`)) ?? 0,
    until: momentIn(textOf(data, `${key}.until`)) ?? 0,
    reason: textOf(data, `${key}.reason`),
  })

const Rows = ({
  title,
  none,
  add,
  more,
  children,
}: {
  title: string
  none: string
  add: string
  more: () => void
  children: readonly ReactNode[]
}) => (
  <section className="flex flex-col gap-3">
    <h3 className="m-0 flex flex-wrap items-center justify-between gap-2 text-sm font-semibold">
      {title}
      <Button onClick={more}>{add}</Button>
    </h3>
    {children.length === 0 ? <p className="m-0 text-soft">{none}</p> : children}
  </section>
)

const Row = ({ name, remove, children }: { name: string; remove: () => void; children: ReactNode }) => (
  <fieldset className="m-0 flex min-w-0 flex-col gap-3 rounded-md border border-line p-3">
    <legend className="sr-only">{name}</legend>
    {children}
    <Button kind="quiet" className="self-end" onClick={remove} aria-label={`${t.settings.remove} ${name}`}>
      {t.settings.remove}
    </Button>
  </fieldset>
)
