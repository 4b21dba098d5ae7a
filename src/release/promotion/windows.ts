import type { EnvironmentDefinition } from '../../deploy/index.ts'

/** A freeze that somebody has ordered. `until` in milliseconds since 1970; null: until it is lifted. */
export type OrderedFreeze = { readonly reason: string; readonly by: string; readonly until: number | null }

/** Whether something new may be deployed now, or why not and when that changes (null: nobody knows). */
export type Opening =
  | { readonly kind: 'open' }
  | { readonly kind: 'freeze' | 'window'; readonly detail: string; readonly until: number | null }

/** What the calendar of an environment and a freeze ordered by hand say at one moment. Times in milliseconds since 1970. */
export const openingAt = (
  { name, windows, freeze }: Pick<EnvironmentDefinition, 'name' | 'windows' | 'freeze'>,
  ordered: OrderedFreeze | null,
  now: number,
): Opening => {
  if (ordered && (ordered.until === null || now < ordered.until)) {
    const { reason, by, until } = ordered
    return { kind: 'freeze', detail: `${name} is frozen by ${by}${ending(until)}: ${reason}`, until }
  }
  const planned = freeze.find(({ from, until }) => from <= now && now < until)
  if (planned)
    return {
      kind: 'freeze',
      detail: `${name} is frozen${ending(planned.until)}: ${planned.reason}`,
      until: planned.until,
    }
  if (windows.length === 0 || windows.some((window) => isWithin(window, now))) return { kind: 'open' }
  const until = nextOpening(windows, now)
  const when = until === null ? 'and none comes within a fortnight' : `the next one opens ${isoTime(until)}`
  return { kind: 'window', detail: `${name} is outside its deployment windows; ${when}`, until }
}

type Window = EnvironmentDefinition['windows'][number]
const weekdays: readonly string[] = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']
const dayMinutes = 24 * 60
const minuteMs = 60_000

/** Within a window that lasts over midnight, the hours after it belong to the day on which it began. */
const isWithin = ({ days, from, to, timezone }: Window, at: number): boolean => {
  const { day, minute } = localTime(at, timezone)
  const [begin, end] = [minutesOf(from), minutesOf(to)]
  const isDay = (index: number): boolean => days.some((day) => day === weekdays[(index + 7) % 7])
  if (begin < end) return isDay(day) && minute >= begin && minute < end
  return (isDay(day) && minute >= begin) || (isDay(day - 1) && minute < end)
}

/** The first minute within a fortnight that lies in a window; minute by minute, so that a change of clocks needs no thought. */
const nextOpening = (windows: readonly Window[], now: number): number | null => {
  const first = Math.ceil((now + 1) / minuteMs) * minuteMs
  const step = 15 * minuteMs // zones differ by whole quarters of an hour: a window opens within one of these steps
  for (let at = first; at < first + 14 * dayMinutes * minuteMs; at += step) {
    const last = at + step - minuteMs
    if (!windows.some((window) => isWithin(window, at) || isWithin(window, last))) continue
    for (let minute = at; minute <= last; minute += minuteMs)
      if (windows.some((window) => isWithin(window, minute))) return minute
  }
  return null
}

const formats = new Map<string, Intl.DateTimeFormat>()

const localTime = (at: number, timezone: string): { day: number; minute: number } => {
  const format =
    formats.get(timezone) ??
    new Intl.DateTimeFormat('en-GB', {
      timeZone: timezone,
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    })
  formats.set(timezone, format)
  const parts = Object.fromEntries(format.formatToParts(at).map(({ type, value }) => [type, value]))
  const day = weekdays.indexOf(parts.weekday?.toLowerCase() ?? '')
  return { day, minute: Number(parts.hour) * 60 + Number(parts.minute) }
}

const minutesOf = (time: string): number => {
  const [hours, minutes] = time.split(':')
  return Number(hours) * 60 + Number(minutes)
}

const ending = (until: number | null): string => (until === null ? '' : ` until ${isoTime(until)}`)
export const isoTime = (at: number): string => new Date(at).toISOString().replace(/:\d\d\.\d{3}Z$/, 'Z')
