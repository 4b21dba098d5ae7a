import type { Kysely } from 'kysely'
import type { DeploymentRow, DoraTables } from '../tables.ts'
import { recoveryOf, unpackLeads } from './assess.ts'
import { type BucketName, bucketsOf, clockOf, type Span } from './calendar.ts'
import {
  addCell,
  addCounts,
  type Counts,
  countsOf,
  emptyTally,
  everything,
  type Grain,
  grainMs,
  newTotal,
  projectScope,
  serviceScope,
  type Total,
} from './cells.ts'
import { type Figures, figuresOf, type Levels, levelsOf, quickCheckOf } from './figures.ts'
import { type Distribution, distributionOf } from './quantile.ts'
import { addHistogram, addToHistogram, distributionOfHistogram, relativeError } from './sketch.ts'

/** Whose figures: a service's; a blend of some services, of all of a project, or of everything. */
export type Scope = {
  readonly project: string | null
  /** Empty: all. Only with a project. */
  readonly services: readonly string[]
  readonly environment: string
}
export type DoraQuestion = Scope & { readonly span: Span; readonly bucket: BucketName; readonly zone: string }

export type DoraAnswer = {
  readonly scope: Scope
  /** How many services it blends; 1: none. */
  readonly services: number
  readonly span: Span
  readonly bucket: BucketName
  readonly zone: string
  /** By how much medians and percentiles may be off: 0, or a share where there are very many. Counts are exact always. */
  readonly relativeError: number
  readonly total: Figures
  /** Deployments a calendar day, days without any included, from the first on; of UTC's days where there are very many. */
  readonly perDay: Distribution
  readonly levels: Levels
  readonly quickCheck: ReturnType<typeof quickCheckOf>
  readonly buckets: readonly { readonly span: Span; readonly figures: Figures }[]
}

type Db = Kysely<DoraTables>

/** Up to so many deployments are read one by one, which is exact; longer questions are answered from cells. */
export const readOneByOne = 3_000

/** Answers for what the views hold now. */
export const answerDora = async (
  db: Db,
  question: DoraQuestion,
  now: number,
  mostRows = readOneByOne,
): Promise<DoraAnswer> => {
  const { span, bucket, zone, project, services, environment } = question
  const spans = bucketsOf(span, bucket, zone)
  const lanes = await lanesOf(db, question)
  const many = await countOf(db, question)
  const groups = await (many > mostRows ? fromCells(db, question, lanes, spans) : fromRows(db, question, lanes, spans))
  const figures = groups.parts.map((part, place) => figuresOf(part, part, spans[place] ?? span, now))
  const total = figuresOf(groups.total, groups.total, span, now)
  return {
    scope: { project, services: [...services], environment },
    services: lanes.length,
    ...{ span, bucket, zone, relativeError: groups.relativeError, total },
    perDay: perDayOf(groups.days, span, groups.relativeError === 0 ? zone : 'UTC', now),
    levels: levelsOf(total),
    quickCheck: quickCheckOf(total),
    buckets: spans.map((one, place) => ({ span: one, figures: figures[place] ?? total })),
  }
}

type Part = { readonly counts: Counts; readonly leads: Distribution; readonly recoveries: Distribution }
type Groups = {
  readonly parts: readonly Part[]
  readonly total: Part
  readonly relativeError: number
  /** When there were how many deployments. */
  readonly days: readonly { readonly at: number; readonly n: number }[]
}

export const lanesOf = async (db: Db, { project, services, environment }: Scope): Promise<number[]> => {
  let lanes = db.selectFrom('learn_lanes').select('lane').where('environment', '=', environment)
  if (project !== null) lanes = lanes.where('project', '=', project)
  if (services.length > 0) lanes = lanes.where('service', 'in', [...services])
  return (await lanes.orderBy('lane').execute()).map(({ lane }) => lane)
}

/** About how many deployments a question is about: those of all the days of UTC that it touches. */
const countOf = async (db: Db, question: DoraQuestion): Promise<number> => {
  const { span, environment } = question
  const rows = await db
    .selectFrom('learn_cells')
    .select(({ fn }) => fn.sum<number | string | null>('deployments').as('n'))
    .where('scope', 'in', scopesOf(question))
    .where('environment', '=', environment)
    .where('grain', '=', 'day')
    .where('start', '>', span.from - grainMs.day)
    .where('start', '<', span.until)
    .execute()
  return Number(rows[0]?.n ?? 0)
}

const scopesOf = ({ project, services }: Scope): string[] =>
  project === null
    ? [everything]
    : services.length === 0
      ? [projectScope(project)]
      : services.map((service) => serviceScope(project, service))

/** What of a deployment figures are made of. */
const measuredBy = [
  ...(['live_at', 'counted', 'pending', 'failed', 'failed_how', 'rework', 'restored_at'] as const),
  ...(['leads', 'commits', 'again', 'merges', 'unknown', 'negative', 'first'] as const),
]
type Measured = Pick<DeploymentRow, (typeof measuredBy)[number]>

const rowsBetween = async (
  db: Db,
  { project, environment }: Scope,
  lanes: readonly number[],
  { from, until }: Span,
): Promise<Measured[]> => {
  const between = db
    .selectFrom('learn_deployments')
    .select(measuredBy)
    .where('live_at', '>=', from)
    .where('live_at', '<', until)
    .where('counted', '=', 1)
  if (project === null) return between.where('environment', '=', environment).execute()
  if (lanes.length === 0) return []
  return between.where('lane', 'in', [...lanes]).execute()
}

/** Which of the spans, which follow each other, a moment is in. */
export const placeIn = (spans: readonly Span[], at: number): number => {
  let [low, high] = [0, spans.length - 1]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if ((spans[middle]?.from ?? 0) <= at) low = middle
    else high = middle - 1
  }
  return low
}

const fromRows = async (
  db: Db,
  question: DoraQuestion,
  lanes: readonly number[],
  spans: readonly Span[],
): Promise<Groups> => {
  const rows = await rowsBetween(db, question, lanes, question.span)
  const byPart: Measured[][] = spans.map(() => [])
  for (const row of rows) byPart[placeIn(spans, row.live_at ?? 0)]?.push(row)
  return {
    parts: byPart.map(exactly),
    total: exactly(rows),
    relativeError: 0,
    days: rows.map(({ live_at }) => ({ at: live_at ?? 0, n: 1 })),
  }
}

const exactly = (rows: readonly Measured[]): Part => {
  const { counts } = emptyTally()
  const leads: number[] = []
  const recoveries: number[] = []
  for (const row of rows) {
    addCounts(counts, countsOf(row))
    for (const lead of unpackLeads(row.leads)) leads.push(lead)
    const recovery = recoveryOf(row)
    if (recovery !== null && recovery >= 0) recoveries.push(recovery)
  }
  return { counts, leads: distributionOf(leads), recoveries: distributionOf(recoveries) }
}

/**
 * Days of UTC that are whole within a bucket come as such. Of a day that several buckets share, the shorter parts come in hours, then quarters
 * of an hour, and what is shorter than that row by row; the longest part is the day without them. What is a part of no whole day comes in hours, too.
 */
const fromCells = async (
  db: Db,
  question: DoraQuestion,
  lanes: readonly number[],
  spans: readonly Span[],
): Promise<Groups> => {
  const totals = spans.map(newTotal)
  const days: { at: number; n: number }[] = []
  const isFine = question.services.length === 0
  const { whole, parts } = isFine ? shared(spans) : { ...plainly(split(spans, grainMs.day)) }
  const own = new Map(parts.flatMap(({ without, from }) => (without === null ? [] : [[dayOf(from), without] as const])))
  for (const cell of await cellsIn(db, question, 'day', whole)) {
    const total = totals[own.get(cell.start) ?? placeIn(spans, cell.start)]
    if (total) addCell(total, cell.packed)
    days.push({ at: cell.start, n: cell.deployments })
  }
  let rest: Span[] = parts
  const tell = (at: number, n: number, add: (into: Total, from: Total | null) => void): void => {
    const part = parts[placeIn(parts, at)]
    const total = totals[placeIn(spans, at)]
    const from = part?.without === null || part === undefined ? null : (totals[part.without] ?? null)
    if (total) add(total, from)
    // Of a day that is there as a whole, this is no more of it.
    if (from === null) days.push({ at, n })
  }
  for (const grain of isFine ? (['hour', 'quarter'] as const) : []) {
    const { whole: cells, over } = split(rest, grainMs[grain])
    for (const cell of await cellsIn(db, question, grain, cells))
      tell(cell.start, cell.deployments, (into, from) => addCell(into, cell.packed, from))
    rest = over
  }
  for (const span of joined(rest, mostQueries))
    for (const row of await rowsBetween(db, question, lanes, span)) {
      const at = row.live_at ?? 0
      const found = rest[placeIn(rest, at)]
      if (found === undefined || at < found.from || found.until <= at) continue
      tell(at, 1, (into, from) => {
        addRow(into, row, 1)
        if (from) addRow(from, row, -1)
      })
    }
  const all = newTotal()
  for (const { counts, leads, recoveries } of totals) {
    addCounts(all.counts, counts)
    addHistogram(all.leads, leads)
    addHistogram(all.recoveries, recoveries)
  }
  return { parts: totals.map(about), total: about(all), relativeError, days }
}

/** A part of a day of UTC. `without`: the bucket to which that day is added as a whole, and which this part is to leave again. */
type DayPart = Span & { readonly without: number | null }

const dayOf = (at: number): number => Math.floor(at / grainMs.day) * grainMs.day

const plainly = ({ whole, over }: { whole: Span[]; over: Span[] }): { whole: Span[]; parts: DayPart[] } => ({
  whole,
  parts: over.map((span) => ({ ...span, without: null })),
})

/** Which days of UTC are read as a whole, and which parts of days besides; in their order. The spans follow each other. */
const shared = (spans: readonly Span[]): { whole: Span[]; parts: DayPart[] } => {
  const { whole, over } = split(spans, grainMs.day)
  const byDay = new Map<number, Span[]>()
  for (const span of over)
    for (let from = span.from; from < span.until; from = dayOf(from) + grainMs.day) {
      const part = { from, until: Math.min(span.until, dayOf(from) + grainMs.day) }
      byDay.set(dayOf(from), [...(byDay.get(dayOf(from)) ?? []), part])
    }
  const parts: DayPart[] = []
  for (const [day, own] of [...byDay].sort(([one], [two]) => one - two)) {
    const lengthOf = ({ from, until }: Span): number => until - from
    const longest = own.reduce((best, one) => (lengthOf(one) > lengthOf(best) ? one : best))
    const isWhole = own[0]?.from === day && own.at(-1)?.until === day + grainMs.day
    const without = isWhole ? placeIn(spans, longest.from) : null
    if (isWhole) whole.push({ from: day, until: day + grainMs.day })
    for (const one of own) if (!isWhole || one !== longest) parts.push({ ...one, without })
  }
  return { whole: whole.sort((one, two) => one.from - two.from), parts }
}

const about = ({ counts, leads, recoveries }: Total): Part => ({
  counts,
  leads: distributionOfHistogram(leads),
  recoveries: distributionOfHistogram(recoveries),
})

const addRow = (total: Total, row: Measured, times: 1 | -1): void => {
  addCounts(total.counts, countsOf(row), times)
  const recovery = recoveryOf(row)
  for (const lead of unpackLeads(row.leads)) addToHistogram(total.leads, lead, times)
  if (recovery !== null && recovery >= 0) addToHistogram(total.recoveries, recovery, times)
}

/** The part of each span that is made of whole cells, and what is left of it before and after. */
const split = (spans: readonly Span[], sizeMs: number): { whole: Span[]; over: Span[] } => {
  const whole: Span[] = []
  const over: Span[] = []
  for (const { from, until } of spans) {
    const first = Math.ceil(from / sizeMs) * sizeMs
    const last = Math.floor(until / sizeMs) * sizeMs
    if (first >= last) over.push({ from, until })
    else {
      whole.push({ from: first, until: last })
      over.push({ from, until: first }, { from: last, until })
    }
  }
  return { whole, over: over.filter(({ from, until }) => from < until) }
}

const mostQueries = 20

/** At most so many spans that hold these: neighbours are joined where there are more. */
const joined = (spans: readonly Span[], most: number): Span[] => {
  const size = Math.ceil(spans.length / most)
  const found: Span[] = []
  for (let at = 0; at < spans.length; at += size) {
    const some = spans.slice(at, at + size)
    const last = some.at(-1)
    if (some[0] && last) found.push({ from: some[0].from, until: last.until })
  }
  return found
}

const cellsIn = async (db: Db, question: DoraQuestion, grain: Grain, whole: readonly Span[]) => {
  const touching: Span[] = []
  for (const span of whole) {
    const last = touching.at(-1)
    if (last && last.until === span.from) touching[touching.length - 1] = { from: last.from, until: span.until }
    else touching.push(span)
  }
  const cells = db
    .selectFrom('learn_cells')
    .select(['start', 'deployments', 'packed'])
    .where('scope', 'in', scopesOf(question))
    .where('environment', '=', question.environment)
    .where('grain', '=', grain)
  const found = []
  if (touching.length <= mostQueries) {
    for (const { from, until } of touching)
      found.push(cells.where('start', '>=', from).where('start', '<', until).execute())
    return (await Promise.all(found)).flat()
  }
  const starts = touching.flatMap(({ from, until }) =>
    Array.from({ length: (until - from) / grainMs[grain] }, (_, place) => from + place * grainMs[grain]),
  )
  for (let at = 0; at < starts.length; at += 500)
    found.push(cells.where('start', 'in', starts.slice(at, at + 500)).execute())
  return (await Promise.all(found)).flat()
}

/** Deployments of each calendar day from the first that had one. */
const perDayOf = (days: Groups['days'], span: Span, zone: string, now: number): Distribution => {
  const { offsetAt } = clockOf(zone)
  const counts = new Map<number, number>()
  for (const { at, n } of days) {
    if (n === 0) continue
    const day = Math.floor((at + offsetAt(at)) / grainMs.day)
    counts.set(day, (counts.get(day) ?? 0) + n)
  }
  if (counts.size === 0) return distributionOf([])
  const last = Math.min(span.until - 1, Math.max(now, span.from))
  const from = Math.min(...counts.keys())
  const until = Math.max(Math.floor((last + offsetAt(last)) / grainMs.day), ...counts.keys())
  return distributionOf(Array.from({ length: until - from + 1 }, (_, place) => counts.get(from + place) ?? 0))
}
