import type { Kysely, Transaction } from 'kysely'
import { deploymentFinished, serviceRemoved } from '../deploy/facts.ts'
import { isFact } from '../ledger/fact.ts'
import type { View } from '../ledger/ledger.ts'
import type { EnvironmentName, ProjectName, ServiceName } from '../names.ts'
import { databaseBackedUp, databaseCreated, databaseRemoved, databaseRestored, instanceExited } from './facts.ts'

export type DatabaseRow = {
  project: string
  service: string
  environment: string
  database_name: string
  created_at: number
  /** 1 while its service is deployed. */
  in_use: number
  last_backup: string | null
  last_backup_at: number | null
  restored_at: number | null
  removed_at: number | null
}

/** Instances that ended without being asked to. */
export type ExitRow = {
  seq: number
  instance: string
  project: string
  service: string
  environment: string
  exit_code: number | null
  ended_by: string | null
  out_of_memory: number
  exited_at: number
  restart_in_ms: number | null
}

export type OperateTables = { operate_databases: DatabaseRow; operate_exits: ExitRow }

export const operateView: View<OperateTables> = {
  name: 'operate',
  version: 2,
  create: async (db) => {
    await db.schema
      .createTable('operate_databases')
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('service', 'text', (column) => column.notNull())
      .addColumn('environment', 'text', (column) => column.notNull())
      .addColumn('database_name', 'text', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .addColumn('in_use', 'integer', (column) => column.notNull())
      .addColumn('last_backup', 'text')
      .addColumn('last_backup_at', 'bigint')
      .addColumn('restored_at', 'bigint')
      .addColumn('removed_at', 'bigint')
      .addPrimaryKeyConstraint('operate_databases_key', ['project', 'service', 'environment'])
      .execute()
    await db.schema
      .createTable('operate_exits')
      .addColumn('seq', 'bigint', (column) => column.primaryKey())
      .addColumn('instance', 'text', (column) => column.notNull())
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('service', 'text', (column) => column.notNull())
      .addColumn('environment', 'text', (column) => column.notNull())
      .addColumn('exit_code', 'integer')
      .addColumn('ended_by', 'text')
      .addColumn('out_of_memory', 'integer', (column) => column.notNull())
      .addColumn('exited_at', 'bigint', (column) => column.notNull())
      .addColumn('restart_in_ms', 'bigint')
      .execute()
    await db.schema
      .createIndex('operate_exits_service')
      .on('operate_exits')
      .columns(['project', 'service', 'seq'])
      .execute()
  },
  drop: async (db) => {
    for (const table of ['operate_databases', 'operate_exits']) await db.schema.dropTable(table).ifExists().execute()
  },
  apply: async (tx, recorded) => {
    if (isFact(databaseCreated, recorded)) {
      const { project, service, environment, database } = recorded.payload
      const fresh = { database_name: database, created_at: recorded.at, in_use: 0, removed_at: null }
      const row = {
        project,
        service,
        environment,
        ...fresh,
        last_backup: null,
        last_backup_at: null,
        restored_at: null,
      }
      await tx
        .insertInto('operate_databases')
        .values(row)
        .onConflict((clash) => clash.columns(['project', 'service', 'environment']).doUpdateSet(fresh))
        .execute()
    } else if (isFact(databaseBackedUp, recorded)) {
      await change(tx, recorded.payload, { last_backup: recorded.payload.backup, last_backup_at: recorded.at })
    } else if (isFact(databaseRestored, recorded)) {
      await change(tx, recorded.payload, { restored_at: recorded.at })
    } else if (isFact(databaseRemoved, recorded)) {
      await change(tx, recorded.payload, { removed_at: recorded.at, in_use: 0 })
    } else if (isFact(deploymentFinished, recorded) && recorded.payload.outcome === 'succeeded') {
      await change(tx, recorded.payload, { in_use: 1 })
    } else if (isFact(serviceRemoved, recorded)) {
      const { project, service, environment } = recorded.payload
      const all = tx
        .updateTable('operate_databases')
        .set({ in_use: 0 })
        .where('project', '=', project)
        .where('service', '=', service)
      await (environment === null ? all : all.where('environment', '=', environment)).execute()
    } else if (isFact(instanceExited, recorded)) {
      const { instance, project, service, environment, exitCode, signal, outOfMemory } = recorded.payload
      await tx
        .insertInto('operate_exits')
        .values({
          seq: recorded.seq,
          instance,
          project,
          service,
          environment,
          exit_code: exitCode,
          ended_by: signal,
          out_of_memory: outOfMemory ? 1 : 0,
          exited_at: recorded.payload.exitedAt,
          restart_in_ms: recorded.payload.restartInMs,
        })
        .execute()
    }
  },
}

type Owner = { readonly project: ProjectName; readonly service: ServiceName; readonly environment: EnvironmentName }

const change = async (tx: Transaction<OperateTables>, owner: Owner, columns: Partial<DatabaseRow>): Promise<void> => {
  await tx
    .updateTable('operate_databases')
    .set(columns)
    .where('project', '=', owner.project)
    .where('service', '=', owner.service)
    .where('environment', '=', owner.environment)
    .execute()
}

export const createOperateQueries = (db: Kysely<OperateTables>) => ({
  database: async ({ project, service, environment }: Owner): Promise<DatabaseRow | null> =>
    (await db
      .selectFrom('operate_databases')
      .selectAll()
      .where('project', '=', project)
      .where('service', '=', service)
      .where('environment', '=', environment)
      .executeTakeFirst()) ?? null,
  /** Those that were not removed. */
  databases: async (project?: ProjectName): Promise<DatabaseRow[]> => {
    const all = db.selectFrom('operate_databases').selectAll().where('removed_at', 'is', null)
    const ordered = all.orderBy('project').orderBy('service').orderBy('environment')
    return (project ? ordered.where('project', '=', project) : ordered).execute()
  },
  exits: async (query: {
    project: ProjectName
    service?: ServiceName | undefined
    limit: number
  }): Promise<ExitRow[]> => {
    const all = db.selectFrom('operate_exits').selectAll().where('project', '=', query.project)
    const chosen = query.service ? all.where('service', '=', query.service) : all
    return chosen.orderBy('seq', 'desc').limit(query.limit).execute()
  },
})
export type OperateQueries = ReturnType<typeof createOperateQueries>
