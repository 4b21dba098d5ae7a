import type { Kysely } from 'kysely'
import type { Span } from '../dora/calendar.ts'
import type { DoraTables } from '../tables.ts'

const weekMs = 7 * 86_400_000
/** Google's SRE book, chapter 5: a team that spends more than half of its time on toil has none left to end it. */
export const toilLine = 0.5
/** What was done this often by hand is a habit. */
export const repeatedFrom = 3
const shown = 100

/** Something that is done over and over: as people wrote it down, or as the ledger has seen it. */
export type Candidate = {
  readonly what: string
  readonly source: 'logged' | 'ledger'
  readonly times: number
  /** As entered by people; null where nobody did. */
  readonly minutes: number | null
}
export type ToilAnswer = {
  readonly project: string
  readonly span: Span
  /** As entered by people. */
  readonly minutes: number
  readonly entries: number
  /** Hours a week that there are for running services; null: nobody has said. */
  readonly hoursPerWeek: number | null
  /** Of that time; null where it is not known. */
  readonly share: number | null
  readonly line: number
  /** What to automate first: by the time that it takes, then by how often it is done. */
  readonly candidates: readonly Candidate[]
  /** Alerts that have called somebody, a week. */
  readonly pagesPerWeek: number
  readonly log: readonly {
    readonly toil: string
    readonly service: string | null
    readonly what: string
    readonly minutes: number
    readonly at: number
  }[]
}

/** What people do by hand again and again; to the quarter of an hour in which it begins where the ledger has counted. */
export const answerToil = async (db: Kysely<DoraTables>, project: string, span: Span): Promise<ToilAnswer> => {
  const log = await db
    .selectFrom('learn_toil')
    .selectAll()
    .where('project', '=', project)
    .where('at', '>=', span.from)
    .where('at', '<', span.until)
    .orderBy('at', 'desc')
    .orderBy('toil', 'desc')
    .execute()
  const counted = await db
    .selectFrom('learn_operations')
    .select(['operation', 'target'])
    .select(({ fn }) => fn.sum<number | string>('times').as('times'))
    .where('project', '=', project)
    .where('quarter', '>=', span.from)
    .where('quarter', '<', span.until)
    .groupBy(['operation', 'target'])
    .execute()
  const operations = counted.map(({ operation, target, times }) => ({ operation, target, times: Number(times) }))
  const capacity = await db
    .selectFrom('learn_capacities')
    .select('seconds_per_week')
    .where('project', '=', project)
    .executeTakeFirst()
  const seconds = log.reduce((sum, one) => sum + one.seconds, 0)
  const weeks = (span.until - span.from) / weekMs
  return {
    ...{ project, span, minutes: seconds / 60, entries: log.length, line: toilLine },
    hoursPerWeek: capacity ? capacity.seconds_per_week / 3_600 : null,
    share: capacity ? seconds / (capacity.seconds_per_week * weeks) : null,
    candidates: candidatesOf(log, operations),
    pagesPerWeek: operations.reduce((sum, { operation, times }) => sum + (operation === 'page' ? times : 0), 0) / weeks,
    log: log.slice(0, shown).map(({ toil, service, what, seconds: took, at }) => ({
      ...{ toil, service, what, minutes: took / 60, at },
    })),
  }
}

type Logged = { readonly what: string; readonly seconds: number }
type Counted = { readonly operation: string; readonly target: string; readonly times: number }

/** What is written in other letters or spaces is the same. */
export const candidatesOf = (log: readonly Logged[], operations: readonly Counted[]): Candidate[] => {
  const groups = new Map<string, { what: string; times: number; seconds: number }>()
  for (const { what, seconds } of log) {
    const name = what.trim().toLowerCase().replace(/\s+/g, ' ')
    const known = groups.get(name) ?? { what: what.trim(), times: 0, seconds: 0 }
    groups.set(name, { ...known, times: known.times + 1, seconds: known.seconds + seconds })
  }
  const seen = operations.filter(({ times }) => times >= repeatedFrom)
  return [
    ...[...groups.values()].map(({ what, times, seconds }) => ({
      ...{ what, source: 'logged' as const, times, minutes: seconds / 60 },
    })),
    ...seen.map(({ operation, target, times }) => ({
      ...{ what: `${operation} ${target}`, source: 'ledger' as const, times, minutes: null },
    })),
  ]
    .toSorted((one, two) => (two.minutes ?? 0) - (one.minutes ?? 0) || two.times - one.times)
    .slice(0, 20)
}
