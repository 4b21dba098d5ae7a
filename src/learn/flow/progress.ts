import type { Kysely } from 'kysely'
import type { Span } from '../dora/calendar.ts'
import { type Distribution, distributionOf } from '../dora/quantile.ts'
import type { DoraTables } from '../tables.ts'

type Db = Kysely<DoraTables>

/** What is under way at a moment. */
export type Progress = {
  /** Changes that are proposed and not yet merged. */
  readonly open: number
  /** Merged or pushed, and not yet live. */
  readonly merged: number
  /** How long the open ones have been open; milliseconds. */
  readonly ages: Distribution
  readonly oldest: readonly OpenChange[]
}
export type OpenChange = {
  readonly change: string
  readonly repository: string
  readonly number: number | null
  readonly openedAt: number
  readonly ageMs: number
  readonly isReviewed: boolean
  readonly isApproved: boolean
}

const shown = 20

/** A change that was proposed, with what of its way tells when it was open. */
export type Proposed = Awaited<ReturnType<typeof openBetween>>[number]

/** The changes of a project (null: of all) that were open at any moment of a span, its last one included; the oldest first. */
export const openBetween = (db: Db, project: string | null, { from, until }: Span) => {
  let rows = db
    .selectFrom('learn_flow_changes')
    .select(['key', 'repository', 'number', 'opened_at', 'reviewed_at', 'approved_at', 'merged_at', 'closed_at'])
    .where('kind', '=', 'change')
    .where('opened_at', '<=', until)
    .where((or) => or.or([or('merged_at', 'is', null), or('merged_at', '>', from)]))
    .where((or) => or.or([or('closed_at', 'is', null), or('closed_at', '>', from)]))
  if (project !== null) rows = rows.where('project', '=', project)
  return rows.orderBy('opened_at').orderBy('id').execute()
}

const openedAt = ({ opened_at }: Proposed): number => opened_at ?? 0
const endedAt = (one: Proposed): number =>
  Math.max(openedAt(one), Math.min(one.merged_at ?? Number.MAX_SAFE_INTEGER, one.closed_at ?? Number.MAX_SAFE_INTEGER))

/** How many of these were open at each moment. */
export const countOpen = (proposed: readonly Proposed[], moments: readonly number[]): number[] => {
  const opened = Float64Array.from(proposed, openedAt).sort()
  const ended = Float64Array.from(proposed, endedAt).sort()
  return moments.map((at) => upTo(opened, at) - upTo(ended, at))
}

/** How many of the sorted values are at most this. */
const upTo = (sorted: Float64Array, most: number): number => {
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle] ?? 0) <= most) low = middle + 1
    else high = middle
  }
  return low
}

/** What of these is open at a moment, and what is merged only. */
export const progressAt = async (
  db: Db,
  { project, environment }: { readonly project: string | null; readonly environment: string },
  proposed: readonly Proposed[],
  at: number,
): Promise<Progress> => {
  const open = proposed.filter((one) => openedAt(one) <= at && at < endedAt(one))
  return {
    open: open.length,
    merged: await mergedOnly(db, project, environment, at),
    ages: distributionOf(open.map((one) => at - openedAt(one))),
    oldest: open.slice(0, shown).map((row) => ({
      ...{ change: row.key, repository: row.repository, number: row.number, openedAt: openedAt(row) },
      ...{ ageMs: at - openedAt(row), isReviewed: isBy(row.reviewed_at, at), isApproved: isBy(row.approved_at, at) },
    })),
  }
}

const isBy = (moment: number | null, at: number): boolean => moment !== null && moment <= at

/** Newer than all that is live of the same repository. Nobody tells when they will be; a repository of which nothing is live counts none. */
const mergedOnly = async (db: Db, project: string | null, environment: string, at: number): Promise<number> => {
  let serving = db
    .selectFrom('learn_lanes as l')
    .select(({ selectFrom }) =>
      selectFrom('learn_deployments as d')
        .select('d.id')
        .whereRef('d.lane', '=', 'l.lane')
        .where('d.counted', '=', 1)
        .where('d.state', '!=', 'rolled-back')
        .where('d.live_at', '<=', at)
        .orderBy('d.live_at', 'desc')
        .orderBy('d.id', 'desc')
        .limit(1)
        .as('deployment'),
    )
    .where('l.environment', '=', environment)
  if (project !== null) serving = serving.where('l.project', '=', project)
  const newest = db
    .selectFrom(serving.as('s'))
    .innerJoin('learn_flow_brought as b', 'b.deployment', 's.deployment')
    .innerJoin('learn_flow_changes as c', 'c.id', 'b.change_id')
    .select(({ fn }) => ['c.project', 'c.repository', fn.max('c.merged_at').as('at')])
    .groupBy(['c.project', 'c.repository'])
  const row = await db
    .selectFrom(newest.as('n'))
    .innerJoin('learn_flow_changes as m', (join) =>
      join
        .onRef('m.project', '=', 'n.project')
        .onRef('m.repository', '=', 'n.repository')
        .onRef('m.merged_at', '>', 'n.at'),
    )
    .select(({ fn }) => fn.countAll<number | string>().as('n'))
    .where('m.merged_at', '<=', at)
    .executeTakeFirst()
  return Number(row?.n ?? 0)
}
