import { clockOf, type Day, firstDayOf, plusDays } from '../dora/calendar.ts'
import type { DigestSchedule } from '../facts.ts'

/** When a digest is due, and the Monday of the week that it is the one of. */
export type Due = { readonly at: number; readonly week: string }

/** The last moment of a schedule up to `now`. Throws a Problem for a zone that nobody knows. */
export const dueBefore = ({ day, hour, zone }: DigestSchedule, now: number): Due => {
  const monday = firstDayOf(clockOf(zone).dayAt(now), 'week')
  const dueIn = (days: number): Due => ({
    at: momentOf(plusDays(monday, days + day - 1), hour, zone),
    week: nameOf(plusDays(monday, days)),
  })
  const due = dueIn(0)
  return due.at <= now ? due : dueIn(-7)
}

/** When the clocks of the zone show that hour; where they are set forward over it, an hour off. */
const momentOf = ({ year, month, day }: Day, hour: number, zone: string): number => {
  const { offsetAt } = clockOf(zone)
  const wall = Date.UTC(year, month - 1, day, hour)
  return wall - offsetAt(wall - offsetAt(wall))
}

const nameOf = ({ year, month, day }: Day): string =>
  new Date(Date.UTC(year, month - 1, day)).toISOString().slice(0, 10)
