import type { Kysely } from 'kysely'
import type { Promotion } from './promotion.ts'

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

export const createPromotionTables = async (db: Kysely<PromotionTables>): Promise<void> => {
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
}

export const dropPromotionTables = async (db: Kysely<PromotionTables>): Promise<void> => {
  for (const table of tables) await db.schema.dropTable(table).ifExists().execute()
}

/** Our own JSON, written by the view. */
export const parsePromotion = (state: string): Promotion => JSON.parse(state)
