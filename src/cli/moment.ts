import type { Command } from 'commander'
import { Problem } from '../problem.ts'

const dayMs = 86_400_000
const unitsMs: Readonly<Record<string, number>> = {
  ...{ h: 3_600_000, d: dayMs, w: 7 * dayMs, mo: 30.44 * dayMs, y: 365.25 * dayMs },
}

/** A time ago (`30d`) or a date, in milliseconds since 1970. */
export const momentOf = (text: string, now = Date.now()): number => {
  const [, count, unit] = /^(\d+)(h|d|w|mo|y)$/.exec(text) ?? []
  const unitMs = unit === undefined ? undefined : unitsMs[unit]
  const moment = unitMs === undefined ? Date.parse(text) : now - Number(count) * unitMs
  if (Number.isNaN(moment) || moment < 0)
    throw new Problem({
      kind: 'invalid-time',
      status: 400,
      detail: `"${text}" is neither a time ago nor a date`,
      next: 'write 30d, 12w, 6mo, 1y or 2026-01-31',
    })
  return Math.floor(moment)
}

/** The options that say which time is asked about. */
export const spanned = (command: Command, since: string): Command =>
  command
    .option('--since <time>', '30d, 12w, 6mo, 1y or a date', since)
    .option('--until <time>', 'the same; what is asked about ends just before it; now where nothing is said')
    .option('--zone <name>', 'the time zone in which days begin', Intl.DateTimeFormat().resolvedOptions().timeZone)

/** What they say, as the API takes it: a day stays one, as where it begins depends on the zone. */
export const spanQuery = ({ since, until, zone }: { since: string; until?: string | undefined; zone: string }) => ({
  since: dayOrMoment(since),
  ...(until === undefined ? {} : { until: dayOrMoment(until) }),
  zone,
})

const dayOrMoment = (text: string): string | number => {
  const moment = momentOf(text)
  return /^\d{4}-\d{2}-\d{2}$/.test(text) ? text : moment
}
