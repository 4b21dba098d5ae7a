import { z } from 'zod'
import { defaultEnvironment, EnvironmentName, ServiceName } from '../names.ts'
import { Problem } from '../problem.ts'
import { bucketNames, clockOf, type Span } from './dora/calendar.ts'

const monthMs = 30 * 86_400_000
const dayShape = /^(\d{4})-(\d{2})-(\d{2})$/

/** A day of the calendar, `2026-01-31`; null for what is none, the 30th of February too. */
const dayIn = (text: string) => {
  const [year = 0, month = 0, day = 0] = (dayShape.exec(text) ?? []).slice(1).map(Number)
  const date = new Date(Date.UTC(year, month - 1, day))
  return dayShape.test(text) && date.toISOString().startsWith(text) ? { year, month, day } : null
}

/** Milliseconds since 1970, or a day, which begins at midnight in `zone`. */
const Moment = z
  .string()
  .max(30)
  .refine(
    (text) => (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) || dayIn(text) !== null,
    'is neither milliseconds since 1970 nor a day as 2026-01-31',
  )
  .describe('Milliseconds since 1970, or a day (2026-01-31), which begins at midnight in `zone`.')

/** From when up to when, and the time zone in which days begin. Default: the last 30 days. */
export const inTime = {
  since: Moment.optional(),
  until: Moment.optional().describe('The same; what is asked about ends just before it.'),
  zone: z.string().max(60).default('UTC').describe('The time zone in which days begin: Europe/Berlin.'),
}

/** `service` may be said several times, or be a list with commas; without it, all services are blended. */
export const ofSpan = z.object({
  service: z
    .string()
    .transform((list) => list.split(','))
    .pipe(z.array(ServiceName).max(50))
    .optional(),
  environment: EnvironmentName.default(defaultEnvironment),
  ...inTime,
})
export const inBuckets = { bucket: z.enum(bucketNames).default('week') }

type Asked = { readonly since?: string | undefined; readonly until?: string | undefined; readonly zone: string }

/** The span that is asked about. Throws a Problem for a zone that nobody knows, and for a span that ends before it begins. */
export const spanOf = ({ since, until, zone }: Asked, now: number): Span => {
  const clock = clockOf(zone)
  const momentOf = (text: string): number => {
    const day = dayIn(text)
    return day === null ? Number(text) : clock.startOf(day)
  }
  const end = until === undefined ? now + 1 : momentOf(until)
  const from = Math.max(0, since === undefined ? end - monthMs : momentOf(since))
  if (from >= end)
    throw new Problem({
      ...{ kind: 'empty-span', status: 400, where: { path: 'since' } },
      detail: until === undefined ? 'since: that is still to come' : 'since: that is not before until',
      next: 'ask from an earlier day on, or up to a later one',
    })
  return { from, until: end }
}
