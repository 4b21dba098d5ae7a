import type { Kysely } from 'kysely'
import type { DoraTables } from './tables.ts'

/** Deployments with the lane of each, and the release that it brought, where one is known. */
export const broughtReleases = (db: Kysely<DoraTables>) =>
  db
    .selectFrom('learn_deployments')
    .innerJoin('learn_lanes', 'learn_lanes.lane', 'learn_deployments.lane')
    .leftJoin('learn_releases', (join) =>
      join
        .onRef('learn_releases.project', '=', 'learn_lanes.project')
        .onRef('learn_releases.service', '=', 'learn_lanes.service')
        .onRef('learn_releases.digest', '=', 'learn_deployments.revision'),
    )
