import type { Bucket } from '../../api/learn-queries.ts'
import { t } from '../../texts/en.ts'

export const dayMs = 86_400_000
const hourMs = 3_600_000
export const periods = { month: 30, quarter: 90, half: 182, year: 365, years: 1_095 } as const
export type Period = keyof typeof periods
export const periodNames: readonly Period[] = ['month', 'quarter', 'half', 'year', 'years']
const bucketNames: readonly Bucket[] = ['day', 'week', 'month', 'quarter', 'year']
const bucketDays: Readonly<Record<Bucket, number>> = { day: 1, week: 7, month: 30, quarter: 91, year: 365 }
/** More bars than this can no longer be told apart on a wall, and the API answers no more than 4,000. */
const mostBars = 1_200

/** What an address says of time, as it stands there. */
export type Said = {
  readonly period?: string | undefined
  readonly from?: string | undefined
  readonly to?: string | undefined
  readonly zone?: string | undefined
  readonly bucket?: string | undefined
}
/** The time that is asked about: a period that ends now, or days, the last of them included. */
export type Range = {
  readonly period: Period | null
  readonly from: string
  readonly to: string
  readonly zone: string
  readonly bucket: Bucket
  /** Those that the time has few enough of. */
  readonly buckets: readonly Bucket[]
  /** As the API takes it. */
  readonly since: number | string
  readonly until: string | undefined
}

/** The day of a zone's calendar in which a moment is: `2026-01-31`. */
export const dayAt = (at: number, zone: string): string => {
  const parts = new Intl.DateTimeFormat('en', {
    ...{ timeZone: zone, calendar: 'gregory', year: 'numeric', month: '2-digit', day: '2-digit' },
  }).formatToParts(at)
  const of = (name: string): string => parts.find(({ type }) => type === name)?.value ?? ''
  return `${of('year').padStart(4, '0')}-${of('month')}-${of('day')}`
}

/** So many days later, or earlier. */
export const daysAfter = (day: string, days: number): string =>
  new Date(Date.parse(`${day}T00:00:00Z`) + days * dayMs).toISOString().slice(0, 10)

const firstDay = '1970-01-02'
const isDay = (text: string): boolean => {
  const at = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN
  return !Number.isNaN(at) && new Date(at).toISOString().startsWith(text) && text >= firstDay
}
const isZone = (name: string): boolean => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/** Reads what an address says; what of it is nothing that can be asked is told, in a sentence each, and what counts instead. */
export const rangeOf = (
  said: Said,
  ownZone: string,
  now: number,
): { readonly range: Range; readonly wrong: readonly string[] } => {
  const texts = t.insights.range.wrong
  const wrong: string[] = []
  const heed = (isRight: boolean, text: string): boolean => {
    if (!isRight) wrong.push(text)
    return isRight
  }
  const zone = said.zone !== undefined && heed(isZone(said.zone), texts.zone(said.zone)) ? said.zone : ownZone
  const named = periodNames.find((name) => name === said.period)
  heed(said.period === undefined || named !== undefined, texts.period(said.period ?? ''))
  const period = named ?? 'quarter'
  const dayOf = (text: string | undefined): string | undefined =>
    text !== undefined && heed(isDay(text), texts.day(text)) ? text : undefined
  const [first, last] = [dayOf(said.from), dayOf(said.to)]
  const today = dayAt(now, zone)
  const to = last ?? (first !== undefined && first > today ? first : today)
  const from = first ?? daysAfter(to, -periods[period])
  const isInOrder = heed(from <= to, texts.order(from, to))
  const isOwn = isInOrder && (first !== undefined || last !== undefined)
  const length = isOwn ? (Date.parse(to) - Date.parse(from)) / dayMs + 1 : periods[period]
  const buckets = bucketNames.filter((name) => length / bucketDays[name] <= mostBars)
  const bucket = bucketNames.find((name) => name === said.bucket)
  heed(said.bucket === undefined || bucket !== undefined, texts.bucket(said.bucket ?? ''))
  heed(bucket === undefined || buckets.includes(bucket), texts.tooMany(t.insights.buckets[bucket ?? 'day']))
  const [since, until] = isOwn
    ? [from, daysAfter(to, 1)]
    : // By the whole hour, so that what is asked stays the same question while somebody looks.
      [Math.floor(now / hourMs) * hourMs - periods[period] * dayMs, undefined]
  const range = {
    ...{ period: isOwn ? null : period, from, to, zone, buckets, since, until },
    bucket: bucket !== undefined && buckets.includes(bucket) ? bucket : fitting(length, buckets),
  }
  return { range, wrong }
}

/** Where nobody says: bars that can be told apart, and enough of them. */
const fitting = (days: number, buckets: readonly Bucket[]): Bucket => {
  if (days <= 45) return 'day'
  if (days <= 200) return 'week'
  if (days <= 750) return 'month'
  return days <= 4_000 && buckets.includes('quarter') ? 'quarter' : 'year'
}
