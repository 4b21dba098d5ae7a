import { type Kysely, sql } from 'kysely'
import type { DeploymentRow, DoraTables } from '../tables.ts'
import { recoveryOf, unpackLeads } from './assess.ts'
import { type BucketName, bucketsOf, clockOf, type Span } from './calendar.ts'
import {
  addCell,
  addCounts,
  addRow,
  addTotal,
  type Counts,
  countsOf,
  emptyTally,
  emptyTotal,
  everything,
  type Grain,
  grainMs,
  grains,
  newTotal,
  projectScope,
  serviceScope,
  type Total,
} from './cells.ts'
import { type Figures, figuresOf, type Levels, levelsOf, quickCheckOf } from './figures.ts'
import { type PlannedRows, planOf, type Use } from './plan.ts'
import { type Distribution, distributionOf } from './quantile.ts'
import { distributionOfHistogram, relativeError } from './sketch.ts'

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
  /** When there were how many deployments; fewer than 0: so many less than was said of that day. */
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
  times: readonly Span[] = [],
): Promise<Measured[]> => {
  let between = db
    .selectFrom('learn_deployments')
    .select(measuredBy)
    .where('live_at', '>=', from)
    .where('live_at', '<', until)
    .where('counted', '=', 1)
  if (times.length > 0) {
    const time = sql<number>`live_at % ${sql.lit(grainMs.day)}`
    between = between.where((where) =>
      where.or(times.map((part) => where.and([where(time, '>=', part.from), where(time, '<', part.until)]))),
    )
  }
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

/** What is added to a bucket, or taken away from it: a cell, or one deployment. */
type Piece = { readonly times: 1 | -1 } & ({ readonly packed: Uint8Array } | { readonly row: Measured })

/** Of services by themselves there are only cells of days: what is shorter comes deployment by deployment. */
const fromCells = async (
  db: Db,
  question: DoraQuestion,
  lanes: readonly number[],
  spans: readonly Span[],
): Promise<Groups> => {
  const pieces: Piece[][] = spans.map(() => [])
  const days: { at: number; n: number }[] = []
  const tell = (
    at: number,
    n: number,
    what: { packed: Uint8Array } | { row: Measured },
    uses: readonly Use[],
  ): void => {
    for (const { bucket, times } of uses) pieces[bucket]?.push({ ...what, times })
    days.push({ at, n: uses.reduce((sum, { times }) => sum + times * n, 0) })
  }
  const plan = planOf(spans, question.services.length === 0 ? grains : ['day'])
  const read = [...plan.cells].map(async ([grain, wanted]) => {
    for (const { start, deployments, packed } of await cellsIn(db, question, grain, [...wanted.keys()]))
      tell(start, deployments, { packed }, wanted.get(start) ?? [])
  })
  await Promise.all(read)
  for (const { row, uses } of await rowsIn(db, question, lanes, plan.rows)) tell(row.live_at ?? 0, 1, { row }, uses)
  return { ...added(pieces), relativeError, days }
}

/** One bucket after the other, so that there need not be room for all of them at once. */
const added = (pieces: readonly (readonly Piece[])[]): { readonly parts: Part[]; readonly total: Part } => {
  const [one, all] = [newTotal(), newTotal()]
  const parts = pieces.map((own) => {
    emptyTotal(one)
    for (const piece of own)
      if ('packed' in piece) addCell(one, piece.packed, piece.times)
      else addRow(one, piece.row, piece.times)
    addTotal(all, one)
    return about(one)
  })
  return { parts, total: about(all) }
}

const about = ({ counts, leads, recoveries }: Total): Part => ({
  counts: { ...counts },
  leads: distributionOfHistogram(leads),
  recoveries: distributionOfHistogram(recoveries),
})

const mostQueries = 20

/** Where there are very many of these spans, they are asked for together by the time of day. */
const rowsIn = async (
  db: Db,
  question: DoraQuestion,
  lanes: readonly number[],
  planned: readonly PlannedRows[],
): Promise<{ readonly row: Measured; readonly uses: readonly Use[] }[]> => {
  const [first, last] = [planned[0], planned.at(-1)]
  if (!first || !last) return []
  if (planned.length <= mostQueries) {
    const found = planned.map(async (span) =>
      (await rowsBetween(db, question, lanes, span)).map((row) => ({ row, uses: span.uses })),
    )
    return (await Promise.all(found)).flat()
  }
  const byDay = Map.groupBy(planned, ({ from }) => dayOf(from))
  const span = { from: first.from, until: dayOf(last.from) + grainMs.day }
  const rows = await rowsBetween(db, question, lanes, span, timesOfDay(planned))
  return rows.map((row) => {
    const at = row.live_at ?? 0
    const own = (byDay.get(dayOf(at)) ?? []).filter(({ from, until }) => from <= at && at < until)
    return { row, uses: own.flatMap(({ uses }) => uses) }
  })
}

const dayOf = (at: number): number => Math.floor(at / grainMs.day) * grainMs.day

/** Which parts of the day these spans are in, in milliseconds since midnight: those that touch are one. */
const timesOfDay = (spans: readonly Span[]): Span[] => {
  const times = spans.map(({ from, until }) => ({ from: from - dayOf(from), until: until - dayOf(from) }))
  return touching(times.sort((one, two) => one.from - two.from))
}

/** The same in as few spans as there can be. In their order. */
const touching = (spans: readonly Span[]): Span[] => {
  const found: Span[] = []
  for (const { from, until } of spans) {
    const last = found.at(-1)
    if (last && from <= last.until) found[found.length - 1] = { from: last.from, until: Math.max(last.until, until) }
    else found.push({ from, until })
  }
  return found
}

const cellsIn = async (db: Db, question: DoraQuestion, grain: Grain, wanted: readonly number[]) => {
  const starts = wanted.toSorted((one, two) => one - two)
  const spans = touching(starts.map((from) => ({ from, until: from + grainMs[grain] })))
  const cells = db
    .selectFrom('learn_cells')
    .select(['start', 'deployments', 'packed'])
    .where('scope', 'in', scopesOf(question))
    .where('environment', '=', question.environment)
    .where('grain', '=', grain)
  const found = []
  if (spans.length <= mostQueries)
    for (const { from, until } of spans)
      found.push(cells.where('start', '>=', from).where('start', '<', until).execute())
  else
    for (let at = 0; at < starts.length; at += 500)
      found.push(cells.where('start', 'in', starts.slice(at, at + 500)).execute())
  return (await Promise.all(found)).flat()
}

/** Deployments of each calendar day from the first that had one. */
const perDayOf = (days: Groups['days'], span: Span, zone: string, now: number): Distribution => {
  const { offsetAt } = clockOf(zone)
  const counts = new Map<number, number>()
  for (const { at, n } of days) {
    const day = Math.floor((at + offsetAt(at)) / grainMs.day)
    counts.set(day, (counts.get(day) ?? 0) + n)
  }
  // Of a day that only a part is asked about, all may have been taken away again.
  for (const [day, n] of counts) if (n === 0) counts.delete(day)
  if (counts.size === 0) return distributionOf([])
  const last = Math.min(span.until - 1, Math.max(now, span.from))
  const from = Math.min(...counts.keys())
  const until = Math.max(Math.floor((last + offsetAt(last)) / grainMs.day), ...counts.keys())
  return distributionOf(Array.from({ length: until - from + 1 }, (_, place) => counts.get(from + place) ?? 0))
}
