import type { Kysely } from 'kysely'
import type { Target } from '../../deploy/index.ts'
import { CommitId, Digest, type EnvironmentName, ProjectName, ServiceName } from '../../names.ts'
import type { Promotion } from './promotion.ts'
import { type PromotionTables, parsePromotion } from './tables.ts'
import type { OrderedFreeze } from './windows.ts'

/** What can be promoted: a release that was made, or its success in an environment. */
export type OriginRow = {
  readonly seq: number
  readonly project: ProjectName
  readonly service: ServiceName
  readonly release: Digest
  readonly commit: CommitId
  readonly push: string | null
  readonly at: number
}

/** What is asked of the view. */
export const createPromotionQueries = (db: Kysely<PromotionTables>) => ({
  promotion: async (id: string): Promise<Promotion | null> => {
    const row = await db.selectFrom('release_promotions').select('state').where('promotion', '=', id).executeTakeFirst()
    return row ? parsePromotion(row.state) : null
  },
  /** Those that have not ended, the newest origin first. */
  open: async (project?: ProjectName): Promise<Promotion[]> => {
    const all = db
      .selectFrom('release_promotions')
      .select('state')
      .where('outcome', 'is', null)
      .orderBy('origin', 'desc')
    const rows = await (project ? all.where('project', '=', project) : all).execute()
    return rows.map(({ state }) => parsePromotion(state))
  },
  /** The newest that was granted for a target. */
  granted: async ({ project, service, environment }: Target): Promise<Promotion | null> => {
    const row = await db
      .selectFrom('release_promotions')
      .select('state')
      .where('project', '=', project)
      .where('service', '=', service)
      .where('environment', '=', environment)
      .where('outcome', '=', 'granted')
      .orderBy('origin', 'desc')
      .limit(1)
      .executeTakeFirst()
    return row ? parsePromotion(row.state) : null
  },
  /** Newest first, whatever became of them. */
  history: async (project: ProjectName, service: ServiceName | undefined, limit: number): Promise<Promotion[]> => {
    const all = db
      .selectFrom('release_promotions')
      .select('state')
      .where('project', '=', project)
      .orderBy('origin', 'desc')
      .limit(limit)
    const rows = await (service ? all.where('service', '=', service) : all).execute()
    return rows.map(({ state }) => parsePromotion(state))
  },
  /**
   * What came out of a source and was not asked for in an environment yet, oldest first. An environment that a service has never been
   * asked for in gets the newest alone.
   */
  candidates: async (source: string, environment: EnvironmentName): Promise<OriginRow[]> => {
    const rows = await db
      .selectFrom('release_origins')
      .leftJoin('release_progress', (join) =>
        join
          .onRef('release_progress.project', '=', 'release_origins.project')
          .onRef('release_progress.service', '=', 'release_origins.service')
          .on('release_progress.environment', '=', environment),
      )
      .selectAll('release_origins')
      .select('release_progress.origin')
      .where('source', '=', source)
      .where('is_return', '=', 0)
      .where(({ or, eb, ref }) =>
        or([eb('release_progress.origin', 'is', null), eb('release_origins.seq', '>', ref('release_progress.origin'))]),
      )
      .orderBy('release_origins.seq')
      .execute()
    const newest = new Map(rows.map((row) => [`${row.project}/${row.service}`, row.seq]))
    return rows
      .filter((row) => row.origin !== null || newest.get(`${row.project}/${row.service}`) === row.seq)
      .map(originOf)
  },
  /** The newest time that somebody went back in an environment, to which release. */
  lastReturn: async ({ project, service, environment }: Target): Promise<OriginRow | null> => {
    const row = await db
      .selectFrom('release_origins')
      .selectAll()
      .where('source', '=', environment)
      .where('project', '=', project)
      .where('service', '=', service)
      .where('is_return', '=', 1)
      .orderBy('seq', 'desc')
      .limit(1)
      .executeTakeFirst()
    return row ? originOf(row) : null
  },
  /** The newest origin of a release from a source. */
  originOf: async (
    key: { project: ProjectName; service: ServiceName },
    source: string,
    release: Digest,
  ): Promise<OriginRow | null> => {
    const row = await db
      .selectFrom('release_origins')
      .selectAll()
      .where('source', '=', source)
      .where('project', '=', key.project)
      .where('service', '=', key.service)
      .where('release', '=', release)
      .orderBy('seq', 'desc')
      .limit(1)
      .executeTakeFirst()
    return row ? originOf(row) : null
  },
  /** The newest whose release or commit begins with a word of four characters or more. */
  named: async (
    key: { project: ProjectName; service: ServiceName },
    source: string,
    word: string,
  ): Promise<OriginRow | null> => {
    const wanted = word.toLowerCase().replace(/^sha256:/, '')
    if (!/^[0-9a-f]{4,64}$/.test(wanted)) return null
    const row = await db
      .selectFrom('release_origins')
      .selectAll()
      .where('source', '=', source)
      .where('project', '=', key.project)
      .where('service', '=', key.service)
      .where(({ or, eb }) => or([eb('release', 'like', `sha256:${wanted}%`), eb('commit_id', 'like', `${wanted}%`)]))
      .orderBy('seq', 'desc')
      .limit(1)
      .executeTakeFirst()
    return row ? originOf(row) : null
  },
  newest: async (key: { project: ProjectName; service: ServiceName }, source: string): Promise<OriginRow | null> => {
    const row = await db
      .selectFrom('release_origins')
      .selectAll()
      .where('source', '=', source)
      .where('project', '=', key.project)
      .where('service', '=', key.service)
      .orderBy('seq', 'desc')
      .limit(1)
      .executeTakeFirst()
    return row ? originOf(row) : null
  },
  /**
   * Everybody who has pushed to the branch of a push after an earlier one (null: from the beginning) up to it, or has a part in a change
   * that was merged there.
   */
  people: async (push: string, after: string | null): Promise<string[]> => {
    const last = await db.selectFrom('release_pushes').selectAll().where('push', '=', push).executeTakeFirst()
    if (!last) return []
    const first =
      after === null
        ? undefined
        : await db
            .selectFrom('release_pushes')
            .select('seq')
            .where('push', '=', after)
            .where('ref', '=', last.ref)
            .executeTakeFirst()
    const pushes = await db
      .selectFrom('release_pushes')
      .select(['user_name', 'object'])
      .where('project', '=', last.project)
      .where('repository', '=', last.repository)
      .where('ref', '=', last.ref)
      .where('seq', '>', first?.seq ?? 0)
      .where('seq', '<=', last.seq)
      .execute()
    const objects = pushes.flatMap(({ object }) => (object === null ? [] : [object]))
    const changes =
      objects.length === 0
        ? []
        : await db
            .selectFrom('release_change_people')
            .select('user_name')
            .where('project', '=', last.project)
            .where('repository', '=', last.repository)
            .where('merged_as', 'in', objects.slice(-500))
            .execute()
    const names = [...pushes, ...changes].map(({ user_name }) => user_name)
    return [...new Set(names.filter((name) => name !== null))].sort()
  },
  freeze: async (project: ProjectName, environment: EnvironmentName): Promise<OrderedFreeze | null> => {
    const row = await db
      .selectFrom('release_freezes')
      .select('freeze')
      .where('project', '=', project)
      .where('environment', '=', environment)
      .executeTakeFirst()
    return row ? JSON.parse(row.freeze) : null
  },
})
export type PromotionQueries = ReturnType<typeof createPromotionQueries>

const originOf = (row: PromotionTables['release_origins']): OriginRow => ({
  seq: row.seq,
  project: ProjectName.parse(row.project),
  service: ServiceName.parse(row.service),
  release: Digest.parse(row.release),
  commit: CommitId.parse(row.commit_id),
  push: row.push,
  at: row.at,
})
