import { Problem } from '../../problem.ts'

export const bucketNames = ['day', 'week', 'month', 'quarter', 'year'] as const
export type BucketName = (typeof bucketNames)[number]
/** From its first millisecond up to, not including, the first of the next. */
export type Span = { readonly from: number; readonly until: number }

export type Day = { readonly year: number; readonly month: number; readonly day: number }

/** Days are at most this many in one answer, of whatever length the buckets are. */
const mostBuckets = 4_000

/**
 * The calendar's days, weeks (from Monday), months, quarters or years of a time zone (`Europe/Berlin`) that touch a span, the first and
 * the last cut off at its ends. A day on which clocks are set forward has 23 hours, one on which they are set back 25. Throws a Problem
 * for a zone that nobody knows, and where there would be more than 4,000.
 */
export const bucketsOf = (span: Span, bucket: BucketName, zone: string): Span[] => {
  const clock = clockOf(zone)
  const spans: Span[] = []
  let day = firstDayOf(clock.dayAt(span.from), bucket)
  let from = clock.startOf(day)
  while (from < span.until) {
    day = nextOf(day, bucket)
    const until = clock.startOf(day)
    spans.push({ from: Math.max(from, span.from), until: Math.min(until, span.until) })
    if (spans.length > mostBuckets)
      throw new Problem({
        kind: 'too-many-buckets',
        status: 400,
        detail: `that are more than ${mostBuckets} ${bucket}s`,
        next: 'ask for a shorter time or for longer buckets',
      })
    from = until
  }
  return spans
}

export const firstDayOf = (day: Day, bucket: BucketName): Day => {
  switch (bucket) {
    case 'day':
      return day
    case 'week':
      return plusDays(day, -((new Date(Date.UTC(day.year, day.month - 1, day.day)).getUTCDay() + 6) % 7))
    case 'month':
      return { ...day, day: 1 }
    case 'quarter':
      return { year: day.year, month: day.month - ((day.month - 1) % 3), day: 1 }
    case 'year':
      return { year: day.year, month: 1, day: 1 }
  }
}

const nextOf = (day: Day, bucket: BucketName): Day => {
  switch (bucket) {
    case 'day':
      return plusDays(day, 1)
    case 'week':
      return plusDays(day, 7)
    case 'month':
      return plusMonths(day, 1)
    case 'quarter':
      return plusMonths(day, 3)
    case 'year':
      return { ...day, year: day.year + 1 }
  }
}

const dayOf = (date: Date): Day => ({
  year: date.getUTCFullYear(),
  month: date.getUTCMonth() + 1,
  day: date.getUTCDate(),
})
export const plusDays = ({ year, month, day }: Day, days: number): Day =>
  dayOf(new Date(Date.UTC(year, month - 1, day + days)))
const plusMonths = ({ year, month, day }: Day, months: number): Day =>
  dayOf(new Date(Date.UTC(year, month - 1 + months, day)))

const clocks = new Map<string, ReturnType<typeof makeClock>>()

/** What the clocks on the walls of a time zone show. Throws a Problem for a zone that nobody knows. */
export const clockOf = (zone: string) => {
  const known = clocks.get(zone)
  if (known) return known
  const made = makeClock(zone)
  if (clocks.size > 50) clocks.clear()
  clocks.set(zone, made)
  return made
}

const makeClock = (zone: string) => {
  const format = formatFor(zone)
  /** By how much the walls' clocks are ahead of UTC at a moment, in milliseconds. */
  const readOffset = (at: number): number => {
    if (zone === 'UTC') return 0
    const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]))
    const of = (name: Intl.DateTimeFormatPartTypes): number => parts.get(name) ?? 0
    const wall = Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second'))
    return wall - Math.floor(at / 1000) * 1000
  }
  const atMidnights = new Map<number, number>()
  const atMidnight = (day: number): number => {
    const offset = atMidnights.get(day) ?? readOffset(day * 24 * hourMs)
    atMidnights.set(day, offset)
    return offset
  }
  /** Clocks are set once a day at most: where both ends of a day of UTC agree, so does all between. Reading them is slow. */
  const offsetAt = (at: number): number => {
    const day = Math.floor(at / (24 * hourMs))
    const offset = atMidnight(day)
    return offset === atMidnight(day + 1) ? offset : readOffset(at)
  }
  /** The first moment of a day: midnight, or, where clocks are set forward over midnight, what comes instead. */
  const startOf = ({ year, month, day }: Day): number => {
    const wall = Date.UTC(year, month - 1, day)
    const before = offsetAt(wall - 24 * hourMs)
    const after = offsetAt(wall + 24 * hourMs)
    const fits = [wall - before, wall - after].filter((at) => at + offsetAt(at) === wall)
    if (fits.length > 0) return Math.min(...fits)
    return changeBetween(wall - Math.max(before, after), wall - Math.min(before, after), offsetAt)
  }
  return { dayAt: (at: number): Day => dayOf(new Date(at + offsetAt(at))), startOf, offsetAt }
}

const hourMs = 3_600_000

/** The moment at which clocks are set, between two moments at which they show different times. */
const changeBetween = (from: number, until: number, offsetAt: (at: number) => number): number => {
  let [low, high] = [from, until]
  const old = offsetAt(low)
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (offsetAt(middle) === old) low = middle
    else high = middle
  }
  return high
}

const formatFor = (zone: string): Intl.DateTimeFormat => {
  try {
    return new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      ...{ year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric', second: 'numeric' },
    })
  } catch (cause) {
    throw new Problem(
      {
        kind: 'unknown-time-zone',
        status: 400,
        detail: `nobody knows the time zone "${zone}"`,
        next: 'name it as in the IANA list: Europe/Berlin, America/New_York, UTC',
      },
      { cause },
    )
  }
}
