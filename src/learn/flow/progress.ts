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

/** What is open in a project (null: in all) at a moment, the oldest first. */
export const progressAt = async (
  db: Db,
  { project, environment }: { readonly project: string | null; readonly environment: string },
  at: number,
): Promise<Progress> => {
  let rows = db
    .selectFrom('learn_flow_changes')
    .select(['key', 'repository', 'number', 'opened_at', 'reviewed_at', 'approved_at'])
    .where('kind', '=', 'change')
    .where('opened_at', '<=', at)
    .where((or) => or.or([or('merged_at', 'is', null), or('merged_at', '>', at)]))
    .where((or) => or.or([or('closed_at', 'is', null), or('closed_at', '>', at)]))
  if (project !== null) rows = rows.where('project', '=', project)
  const open = await rows.orderBy('opened_at').orderBy('id').execute()
  const ageOf = (openedAt: number | null): number => at - (openedAt ?? at)
  return {
    open: open.length,
    merged: await mergedOnly(db, project, environment, at),
    ages: distributionOf(open.map(({ opened_at }) => ageOf(opened_at))),
    oldest: open.slice(0, shown).map((row) => ({
      ...{ change: row.key, repository: row.repository, number: row.number, openedAt: row.opened_at ?? at },
      ...{ ageMs: ageOf(row.opened_at), isReviewed: isBy(row.reviewed_at, at), isApproved: isBy(row.approved_at, at) },
    })),
  }
}

const isBy = (moment: number | null, at: number): boolean => moment !== null && moment <= at

/** Newer than all that is live of the same repository. Nobody tells when they will be; a repository of which nothing is live counts none. */
const mergedOnly = async (db: Db, project: string | null, environment: string, at: number): Promise<number> => {
  let lanes = db.selectFrom('learn_lanes').select('lane').where('environment', '=', environment)
  if (project !== null) lanes = lanes.where('project', '=', project)
  const newest = new Map<string, { project: string; repository: string; at: number }>()
  for (const { lane } of await lanes.execute()) {
    const serving = await db
      .selectFrom('learn_deployments')
      .select('id')
      .where('lane', '=', lane)
      .where('counted', '=', 1)
      .where('state', '!=', 'rolled-back')
      .where('live_at', '<=', at)
      .orderBy('live_at', 'desc')
      .orderBy('id', 'desc')
      .limit(1)
      .executeTakeFirst()
    if (!serving) continue
    const brought = await db
      .selectFrom('learn_flow_brought as b')
      .innerJoin('learn_flow_changes as c', 'c.id', 'b.change_id')
      .select(['c.project', 'c.repository', 'c.merged_at'])
      .where('b.deployment', '=', serving.id)
      .execute()
    for (const one of brought) {
      const name = `${one.project}/${one.repository}`
      const known = newest.get(name)
      if (one.merged_at !== null && one.merged_at > (known?.at ?? -1)) newest.set(name, { ...one, at: one.merged_at })
    }
  }
  let merged = 0
  for (const one of newest.values()) {
    const row = await db
      .selectFrom('learn_flow_changes')
      .select(({ fn }) => fn.countAll<number | string>().as('n'))
      .where('project', '=', one.project)
      .where('repository', '=', one.repository)
      .where('merged_at', '>', one.at)
      .where('merged_at', '<=', at)
      .executeTakeFirst()
    merged += Number(row?.n ?? 0)
  }
  return merged
}

/** How many changes were open at each of these moments. */
export const openAt = async (db: Db, project: string | null, moments: readonly number[]): Promise<number[]> => {
  const last = moments.at(-1)
  const first = moments[0]
  if (first === undefined || last === undefined) return []
  let rows = db
    .selectFrom('learn_flow_changes')
    .select(['opened_at', 'merged_at', 'closed_at'])
    .where('kind', '=', 'change')
    .where('opened_at', '<=', last)
    .where((or) => or.or([or('merged_at', 'is', null), or('merged_at', '>', first)]))
    .where((or) => or.or([or('closed_at', 'is', null), or('closed_at', '>', first)]))
  if (project !== null) rows = rows.where('project', '=', project)
  const spans: Span[] = (await rows.execute()).map(({ opened_at, merged_at, closed_at }) => ({
    from: opened_at ?? 0,
    until: Math.min(merged_at ?? Number.MAX_SAFE_INTEGER, closed_at ?? Number.MAX_SAFE_INTEGER),
  }))
  return moments.map((at) => spans.filter(({ from, until }) => from <= at && at < until).length)
}
