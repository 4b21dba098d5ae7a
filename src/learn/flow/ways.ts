import type { Kysely } from 'kysely'
import type { Span } from '../dora/calendar.ts'
import type { DoraTables } from '../tables.ts'
import { type Moments, type Way, wayOf } from './stages.ts'

/** A change on its way into an environment, with the deployment that brought it there first. */
export type Delivered = {
  readonly change: string
  readonly repository: string
  readonly number: number | null
  readonly kind: 'change' | 'push'
  readonly service: string
  readonly deployment: string
  readonly liveAt: number
  readonly moments: Moments
  readonly way: Way
}

/**
 * What went live in these lanes within a span, by when it did, newest first. A change that goes to several services counts once, when it
 * was live in the last of them; one that was live in a service before does not count again.
 */
export const deliveredIn = async (
  db: Kysely<DoraTables>,
  lanes: readonly number[],
  { from, until }: Span,
): Promise<Delivered[]> => {
  if (lanes.length === 0) return []
  const rows = await db
    .selectFrom('learn_deployments as d')
    .innerJoin('learn_lanes as l', 'l.lane', 'd.lane')
    .innerJoin('learn_flow_brought as b', 'b.deployment', 'd.id')
    .innerJoin('learn_flow_changes as c', 'c.id', 'b.change_id')
    .leftJoin('learn_flow_checks as k', (join) =>
      join
        .onRef('k.project', '=', 'c.project')
        .onRef('k.repository', '=', 'c.repository')
        .onRef('k.commit_id', '=', 'c.merged_as'),
    )
    .leftJoin('learn_flow_made as m', (join) =>
      join
        .onRef('m.project', '=', 'c.project')
        .onRef('m.service', '=', 'l.service')
        .onRef('m.commit_id', '=', 'c.merged_as'),
    )
    .select(['d.key as deployment', 'd.live_at', 'd.started_at as requested_at', 'd.held_at', 'd.granted_at'])
    .select(['d.watched_at', 'l.service', 'l.lane', 'c.id', 'c.key', 'c.repository', 'c.number', 'c.kind'])
    .select(['c.committed_at', 'c.opened_at', 'c.reviewed_at', 'c.approved_at', 'c.queued_at', 'c.merged_at'])
    .select(['k.started_at', 'k.verified_at', 'm.made_at'])
    .where('d.lane', 'in', [...lanes])
    .where('d.counted', '=', 1)
    .where('d.live_at', '>=', from)
    .where('d.live_at', '<', until)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          // SQLite would take all deployments of the lane first; in a cross join it keeps this order.
          selectFrom('learn_flow_brought as b2')
            .crossJoin('learn_deployments as d2')
            .select('d2.id')
            .whereRef('b2.change_id', '=', 'b.change_id')
            .whereRef('d2.id', '=', 'b2.deployment')
            .whereRef('d2.lane', '=', 'd.lane')
            .where('d2.counted', '=', 1)
            .where((or) =>
              or.or([
                or('d2.live_at', '<', or.ref('d.live_at')),
                or.and([or('d2.live_at', '=', or.ref('d.live_at')), or('d2.id', '<', or.ref('d.id'))]),
              ]),
            ),
        ),
      ),
    )
    .orderBy('d.live_at', 'desc')
    .orderBy('c.id', 'desc')
    .execute()
  const seen = new Set<number>()
  return rows.flatMap((row) => {
    if (seen.has(row.id) || row.live_at === null) return []
    seen.add(row.id)
    const moments: Moments = {
      ...{ committed: row.committed_at, opened: row.opened_at, reviewed: row.reviewed_at, approved: row.approved_at },
      ...{ queued: row.queued_at, merged: row.merged_at, started: row.started_at, verified: row.verified_at },
      ...{ packaged: row.made_at, held: row.held_at, granted: row.granted_at, requested: row.requested_at },
      ...{ live: row.live_at, watched: row.watched_at },
    }
    const { key, repository, number, kind, service, deployment } = row
    return [
      { change: key, repository, number, kind, service, deployment, liveAt: row.live_at, moments, way: wayOf(moments) },
    ]
  })
}
