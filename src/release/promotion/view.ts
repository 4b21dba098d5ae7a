import type { Kysely, Transaction } from 'kysely'
import { changeMerged, changeOpened, changeUpdated, refUpdated } from '../../code/facts.ts'
import { deploymentFinished, deploymentRequested, serviceRemoved } from '../../deploy/facts.ts'
import type { Target } from '../../deploy/index.ts'
import { isFact, type RecordedFact } from '../../ledger/fact.ts'
import type { View } from '../../ledger/ledger.ts'
import { CommitId, Digest, type EnvironmentName, ProjectName, ServiceName } from '../../names.ts'
import { releaseCreated } from '../../package/facts.ts'
import { environmentFrozen, environmentUnfrozen, promotionRequested, promotionSubject } from './facts.ts'
import { fold, type Promotion, personOf } from './promotion.ts'
import type { OrderedFreeze } from './windows.ts'

export type PromotionTables = {
  release_promotions: {
    promotion: string
    project: string
    service: string
    environment: string
    origin: number
    /** Null while it is open. */
    outcome: string | null
    /** JSON of a `Promotion`. */
    state: string
  }
  /** What can be promoted: one row for each release that was made (`push`) and for each success in an environment. */
  release_origins: {
    seq: number
    project: string
    service: string
    source: string
    release: string
    commit_id: string
    push: string | null
    at: number
    /** Somebody has gone back to it, so that it brings nothing new, and what came after it is withdrawn. */
    is_return: number
  }
  /** The newest origin that was asked for, for each service and environment. */
  release_progress: { project: string; service: string; environment: string; origin: number }
  /** Deployments that are under way. */
  release_deployments: { deployment: string; reason: string; push: string | null }
  release_pushes: {
    push: string
    ref: string
    seq: number
    project: string
    repository: string
    object: string | null
    user_name: string | null
  }
  /** Who has opened a change or pushed to it, and the commit that it was merged as. */
  release_change_people: {
    project: string
    repository: string
    number: number
    user_name: string
    merged_as: string | null
  }
  /** JSON of an `OrderedFreeze`. */
  release_freezes: { project: string; environment: string; freeze: string }
}

const tables = [
  ...['release_promotions', 'release_origins', 'release_progress', 'release_deployments', 'release_pushes'],
  ...['release_change_people', 'release_freezes'],
]

type Tx = Transaction<PromotionTables>

export const promotionView: View<PromotionTables> = {
  name: 'promotion',
  version: 1,
  create: async (db) => {
    await db.schema
      .createTable('release_promotions')
      .addColumn('promotion', 'text', (column) => column.primaryKey().notNull())
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('service', 'text', (column) => column.notNull())
      .addColumn('environment', 'text', (column) => column.notNull())
      .addColumn('origin', 'bigint', (column) => column.notNull())
      .addColumn('outcome', 'text')
      .addColumn('state', 'text', (column) => column.notNull())
      .execute()
    await db.schema
      .createIndex('release_promotions_open')
      .on('release_promotions')
      .columns(['outcome', 'origin'])
      .execute()
    await db.schema
      .createIndex('release_promotions_target')
      .on('release_promotions')
      .columns(['project', 'service', 'environment', 'origin'])
      .execute()
    await db.schema
      .createTable('release_origins')
      .addColumn('seq', 'bigint', (column) => column.primaryKey().notNull())
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('service', 'text', (column) => column.notNull())
      .addColumn('source', 'text', (column) => column.notNull())
      .addColumn('release', 'text', (column) => column.notNull())
      .addColumn('commit_id', 'text', (column) => column.notNull())
      .addColumn('push', 'text')
      .addColumn('at', 'bigint', (column) => column.notNull())
      .addColumn('is_return', 'integer', (column) => column.notNull())
      .execute()
    await db.schema
      .createIndex('release_origins_source')
      .on('release_origins')
      .columns(['source', 'project', 'service', 'seq'])
      .execute()
    await db.schema
      .createTable('release_progress')
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('service', 'text', (column) => column.notNull())
      .addColumn('environment', 'text', (column) => column.notNull())
      .addColumn('origin', 'bigint', (column) => column.notNull())
      .addPrimaryKeyConstraint('release_progress_key', ['project', 'service', 'environment'])
      .execute()
    await db.schema
      .createTable('release_deployments')
      .addColumn('deployment', 'text', (column) => column.primaryKey().notNull())
      .addColumn('reason', 'text', (column) => column.notNull())
      .addColumn('push', 'text')
      .execute()
    await db.schema
      .createTable('release_pushes')
      .addColumn('push', 'text', (column) => column.notNull())
      .addColumn('ref', 'text', (column) => column.notNull())
      .addColumn('seq', 'bigint', (column) => column.notNull())
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('repository', 'text', (column) => column.notNull())
      .addColumn('object', 'text')
      .addColumn('user_name', 'text')
      .addPrimaryKeyConstraint('release_pushes_key', ['push', 'ref'])
      .execute()
    await db.schema
      .createIndex('release_pushes_repository')
      .on('release_pushes')
      .columns(['project', 'repository', 'ref', 'seq'])
      .execute()
    await db.schema
      .createTable('release_change_people')
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('repository', 'text', (column) => column.notNull())
      .addColumn('number', 'integer', (column) => column.notNull())
      .addColumn('user_name', 'text', (column) => column.notNull())
      .addColumn('merged_as', 'text')
      .addPrimaryKeyConstraint('release_change_people_key', ['project', 'repository', 'number', 'user_name'])
      .execute()
    await db.schema
      .createIndex('release_change_people_commit')
      .on('release_change_people')
      .columns(['project', 'repository', 'merged_as'])
      .execute()
    await db.schema
      .createTable('release_freezes')
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('environment', 'text', (column) => column.notNull())
      .addColumn('freeze', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('release_freezes_key', ['project', 'environment'])
      .execute()
  },
  drop: async (db) => {
    for (const table of tables) await db.schema.dropTable(table).ifExists().execute()
  },
  apply: async (tx, recorded) => {
    if (recorded.subject.startsWith(promotionSubject(''))) await applyToPromotion(tx, recorded)
    else if (isFact(releaseCreated, recorded)) {
      const { project, service, digest, commit, push } = recorded.payload
      await addOrigin(tx, recorded, { project, service, source: 'push', release: digest, commit_id: commit, push })
    } else if (isFact(deploymentRequested, recorded)) await noteDeployment(tx, recorded, recorded.payload)
    else if (isFact(deploymentFinished, recorded)) await noteEnd(tx, recorded, recorded.payload)
    else if (isFact(serviceRemoved, recorded)) await forget(tx, recorded.payload)
    else if (isFact(environmentFrozen, recorded)) {
      const { project, environment, reason, until } = recorded.payload
      const freeze = JSON.stringify({ reason, until, by: personOf(recorded.actor) ?? recorded.actor })
      await tx
        .insertInto('release_freezes')
        .values({ project, environment, freeze })
        .onConflict((clash) => clash.columns(['project', 'environment']).doUpdateSet({ freeze }))
        .execute()
    } else if (isFact(environmentUnfrozen, recorded)) {
      const { project, environment } = recorded.payload
      await tx
        .deleteFrom('release_freezes')
        .where('project', '=', project)
        .where('environment', '=', environment)
        .execute()
    } else await applyToPeople(tx, recorded)
  },
}

const applyToPromotion = async (tx: Tx, recorded: RecordedFact): Promise<void> => {
  const id = recorded.subject.slice(promotionSubject('').length)
  const row = await tx.selectFrom('release_promotions').select('state').where('promotion', '=', id).executeTakeFirst()
  const after = fold(row ? parsePromotion(row.state) : null, recorded)
  if (!after) return
  const columns = { outcome: after.ended?.outcome ?? null, state: JSON.stringify(after) }
  if (row) {
    await tx.updateTable('release_promotions').set(columns).where('promotion', '=', id).execute()
    return
  }
  const { target, origin } = after
  await tx
    .insertInto('release_promotions')
    .values({ promotion: id, ...target, origin, ...columns })
    .execute()
  if (isFact(promotionRequested, recorded) && after.from !== 'git') await advance(tx, target, origin)
}

/** Our own JSON, written by the view above. */
const parsePromotion = (state: string): Promotion => JSON.parse(state)

const advance = async (tx: Tx, { project, service, environment }: Target, origin: number): Promise<void> => {
  await tx
    .insertInto('release_progress')
    .values({ project, service, environment, origin })
    .onConflict((clash) =>
      clash
        .columns(['project', 'service', 'environment'])
        .doUpdateSet({ origin })
        .where('release_progress.origin', '<', origin),
    )
    .execute()
}

type Origin = Omit<PromotionTables['release_origins'], 'seq' | 'at' | 'is_return'>

const addOrigin = async (tx: Tx, { seq, at }: RecordedFact, origin: Origin, isReturn = false): Promise<void> => {
  await tx
    .insertInto('release_origins')
    .values({ seq, at, ...origin, is_return: isReturn ? 1 : 0 })
    .onConflict((clash) => clash.doNothing())
    .execute()
}

/** Deployments from before there were promotions tell how far their target has come, too. */
const noteDeployment = async (
  tx: Tx,
  { causes }: RecordedFact,
  { deployment, project, service, environment, reason, push }: ReturnType<typeof deploymentRequested.payload.parse>,
): Promise<void> => {
  const [origin] = causes
  if (reason === 'push' && origin !== undefined) await advance(tx, { project, service, environment }, origin)
  await tx
    .insertInto('release_deployments')
    .values({ deployment, reason, push })
    .onConflict((clash) => clash.doNothing())
    .execute()
}

const noteEnd = async (
  tx: Tx,
  recorded: RecordedFact,
  {
    deployment,
    project,
    service,
    environment,
    release,
    commit,
    outcome,
  }: ReturnType<typeof deploymentFinished.payload.parse>,
): Promise<void> => {
  const begun = await tx
    .deleteFrom('release_deployments')
    .where('deployment', '=', deployment)
    .returning(['reason', 'push'])
    .executeTakeFirst()
  if (outcome !== 'succeeded' || !begun || begun.reason === 'configuration') return
  const origin = { project, service, source: environment, release, commit_id: commit, push: begun.push }
  await addOrigin(tx, recorded, origin, begun.reason === 'rollback')
}

const forget = async (tx: Tx, { project, service }: { project: string; service: string }): Promise<void> => {
  for (const table of ['release_origins', 'release_progress'] as const)
    await tx.deleteFrom(table).where('project', '=', project).where('service', '=', service).execute()
}

const applyToPeople = async (tx: Tx, recorded: RecordedFact): Promise<void> => {
  if (isFact(refUpdated, recorded)) {
    const { push, ref, project, repository, after } = recorded.payload
    if (!ref.startsWith('refs/heads/')) return
    const row = { push, ref, seq: recorded.seq, project, repository, object: after }
    await tx
      .insertInto('release_pushes')
      .values({ ...row, user_name: personOf(recorded.actor) })
      .onConflict((clash) => clash.doNothing())
      .execute()
  } else if (isFact(changeOpened, recorded) || isFact(changeUpdated, recorded)) {
    const { project, repository, number, user } = recorded.payload
    const author = isFact(changeOpened, recorded) ? recorded.payload.author : null
    for (const user_name of new Set([user, author]))
      if (user_name !== null)
        await tx
          .insertInto('release_change_people')
          .values({ project, repository, number, user_name, merged_as: null })
          .onConflict((clash) => clash.doNothing())
          .execute()
  } else if (isFact(changeMerged, recorded)) {
    const { project, repository, number, after } = recorded.payload
    await tx
      .updateTable('release_change_people')
      .set({ merged_as: after })
      .where('project', '=', project)
      .where('repository', '=', repository)
      .where('number', '=', number)
      .execute()
  }
}

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
