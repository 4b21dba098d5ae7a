/** The minutes of a POSIX crontab line; each field as the set of the values that match. */
export type Cron = {
  readonly minutes: ReadonlySet<number>
  readonly hours: ReadonlySet<number>
  readonly daysOfMonth: ReadonlySet<number>
  readonly months: ReadonlySet<number>
  readonly daysOfWeek: ReadonlySet<number>
  /** Both kinds of days are restricted: then one of them is enough, as crontab(5) has it. */
  readonly isEitherDay: boolean
}

const monthNames = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const dayNames = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']

/** Five fields of numbers, names of months and days, `*`, `,`, `-` and `/`; undefined when it is something else. */
export const parseCron = (text: string): Cron | undefined => {
  const fields = text.trim().split(/\s+/)
  const [minute = '', hour = '', dayOfMonth = '', month = '', dayOfWeek = ''] = fields
  if (fields.length !== 5) return undefined
  const minutes = valuesOf(minute, 0, 59)
  const hours = valuesOf(hour, 0, 23)
  const daysOfMonth = valuesOf(dayOfMonth, 1, 31)
  const months = valuesOf(month, 1, 12, monthNames)
  const daysOfWeek = valuesOf(dayOfWeek, 0, 7, dayNames)
  if (!minutes || !hours || !daysOfMonth || !months || !daysOfWeek) return undefined
  const isEitherDay = !dayOfMonth.startsWith('*') && !dayOfWeek.startsWith('*')
  const week = new Set([...daysOfWeek].map((day) => day % 7)) // 7 is Sunday too
  return { minutes, hours, daysOfMonth, months, daysOfWeek: week, isEitherDay }
}

const valuesOf = (
  field: string,
  lowest: number,
  highest: number,
  names: readonly string[] = [],
): ReadonlySet<number> | undefined => {
  const values = new Set<number>()
  const numberOf = (text: string): number => {
    const name = names.indexOf(text.toLowerCase())
    if (name >= 0) return name + (names === monthNames ? 1 : 0)
    return /^\d{1,2}$/.test(text) ? Number(text) : Number.NaN
  }
  for (const part of field.split(',')) {
    const [range = '', step = '1', ...rest] = part.split('/')
    const [from = '', to, ...more] = range.split('-')
    if (rest.length > 0 || more.length > 0 || !/^\d{1,2}$/.test(step) || Number(step) === 0) return undefined
    const first = range === '*' ? lowest : numberOf(from)
    const isOpen = range === '*' || (to === undefined && part.includes('/'))
    const last = isOpen ? highest : numberOf(to ?? from)
    if (!(first >= lowest && last <= highest && first <= last)) return undefined
    for (let value = first; value <= last; value += Number(step)) values.add(value)
  }
  return values
}

const minuteMs = 60_000
const dayMs = 24 * 60 * minuteMs
/** 29 February comes round within eight years. */
const furthestDays = 8 * 366 + 1

/** Whether this is a time zone that the machine knows by its IANA name. */
export const isTimezone = (name: string): boolean => {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).format(0) !== ''
  } catch {
    return false
  }
}

/**
 * The first matching time after `afterMs` (milliseconds since 1970), in a time zone; undefined when there is none, as on 30 February.
 * A time of day that does not exist on the day that clocks go forward is the first one that does; one that there is twice counts once.
 */
export const nextAfter = (cron: Cron, timezone: string, afterMs: number): number | undefined => {
  const wallOf = wallClock(timezone)
  const startWall = wallOf(afterMs)
  const firstDay = Math.floor(startWall / dayMs)
  const hours = [...cron.hours].sort((one, other) => one - other)
  const minutes = [...cron.minutes].sort((one, other) => one - other)
  for (let day = firstDay - 1; day < firstDay + furthestDays; day += 1) {
    if (!isOnDay(cron, new Date(day * dayMs))) continue
    for (const hour of hours)
      for (const minute of minutes) {
        const at = instantOf(day * dayMs + (hour * 60 + minute) * minuteMs, wallOf)
        if (at > afterMs) return at
      }
  }
  return undefined
}

const isOnDay = ({ months, daysOfMonth, daysOfWeek, isEitherDay }: Cron, day: Date): boolean => {
  if (!months.has(day.getUTCMonth() + 1)) return false
  const isInMonth = daysOfMonth.has(day.getUTCDate())
  const isInWeek = daysOfWeek.has(day.getUTCDay())
  return isEitherDay ? isInMonth || isInWeek : isInMonth && isInWeek
}

/** What a clock on the wall there shows at an instant, as if it showed UTC. */
const wallClock = (timezone: string): ((ms: number) => number) => {
  if (timezone === 'UTC') return (ms) => ms
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: timezone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  })
  return (ms) => {
    const parts = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, Number(value)]))
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts
    return Date.UTC(year, month - 1, day, hour, minute, second)
  }
}

/** The instant at which the wall shows this; where it never does, the first one after the clocks went forward. */
const instantOf = (wall: number, wallOf: (ms: number) => number): number => {
  const offsets = [wall - dayMs, wall + dayMs].map((ms) => wallOf(ms) - ms)
  const candidates = offsets.map((offset) => wall - offset).sort((one, other) => one - other)
  const exact = candidates.find((ms) => wallOf(ms) === wall)
  if (exact !== undefined) return exact
  // In the gap: look for the minute at which the offset changes.
  let [before = wall, after = wall] = [wall - dayMs, wall + dayMs]
  while (after - before > minuteMs) {
    const middle = Math.floor((before + after) / 2 / minuteMs) * minuteMs
    if (wallOf(middle) < wall) before = middle
    else after = middle
  }
  return after
}
