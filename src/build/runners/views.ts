import type { Kysely } from 'kysely'
import { isFact } from '../../ledger/fact.ts'
import type { View, Views } from '../../ledger/ledger.ts'
import type { Store } from '../../store/store.ts'
import { jobFinished, runFinished } from '../facts.ts'
import { jobAssigned, jobReturned, runnerLabelled, runnerRegistered, runnerRevoked } from './facts.ts'

export type RunnerRow = {
  runner: string
  name: string
  hash: string
  /** JSON; null: any. */
  labels: string | null
  project: string | null
  registered_at: number
  revoked_at: number | null
}
export type LeaseRow = {
  fence: number
  run: string
  job: string
  runner: string
  name: string
  session: string
  turn: number
  log_bytes: number
  attempt: number
  status: 'held' | 'returned' | 'over'
  is_start: number
  why: string | null
}
export type RunnerTables = {
  build_runners: RunnerRow
  build_leases: LeaseRow
  build_labels: { runner: string; labels: string }
}

/** Runners on other machines, and which of them has which job. */
export const runnersView: View<RunnerTables> = {
  name: 'runners',
  version: 1,
  create: async (db) => {
    await db.schema
      .createTable('build_runners')
      .addColumn('runner', 'text', (column) => column.primaryKey().notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('hash', 'text', (column) => column.notNull().unique())
      .addColumn('labels', 'text')
      .addColumn('project', 'text')
      .addColumn('registered_at', 'bigint', (column) => column.notNull())
      .addColumn('revoked_at', 'bigint')
      .execute()
    await db.schema
      .createTable('build_leases')
      .addColumn('fence', 'bigint', (column) => column.primaryKey().notNull())
      .addColumn('run', 'text', (column) => column.notNull())
      .addColumn('job', 'text', (column) => column.notNull())
      .addColumn('runner', 'text', (column) => column.notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('session', 'text', (column) => column.notNull())
      .addColumn('turn', 'integer', (column) => column.notNull())
      .addColumn('log_bytes', 'bigint', (column) => column.notNull())
      .addColumn('attempt', 'integer', (column) => column.notNull())
      .addColumn('status', 'text', (column) => column.notNull())
      .addColumn('is_start', 'integer', (column) => column.notNull())
      .addColumn('why', 'text')
      .execute()
    await db.schema.createIndex('build_leases_job').on('build_leases').columns(['run', 'job']).execute()
    await db.schema.createIndex('build_leases_status').on('build_leases').column('status').execute()
    await db.schema
      .createTable('build_labels')
      .addColumn('runner', 'text', (column) => column.primaryKey().notNull())
      .addColumn('labels', 'text', (column) => column.notNull())
      .execute()
  },
  drop: async (db) => {
    for (const table of ['build_labels', 'build_leases', 'build_runners'] as const)
      await db.schema.dropTable(table).ifExists().execute()
  },
  apply: async (tx, fact) => {
    if (isFact(runnerRegistered, fact)) {
      const { runner, name, hash, labels, project } = fact.payload
      const row = { runner, name, hash, project, labels: labels && JSON.stringify(labels) }
      await tx
        .insertInto('build_runners')
        .values({ ...row, registered_at: fact.at, revoked_at: null })
        .execute()
    } else if (isFact(runnerRevoked, fact)) {
      await tx
        .updateTable('build_runners')
        .set({ revoked_at: fact.at })
        .where('runner', '=', fact.payload.runner)
        .execute()
    } else if (isFact(runnerLabelled, fact)) {
      const { runner } = fact.payload
      const labels = JSON.stringify(fact.payload.labels)
      await tx
        .insertInto('build_labels')
        .values({ runner, labels })
        .onConflict((conflict) => conflict.column('runner').doUpdateSet({ labels }))
        .execute()
    } else if (isFact(jobAssigned, fact)) {
      const { logBytes, ...about } = fact.payload
      await tx
        .insertInto('build_leases')
        .values({
          ...{ ...about, fence: fact.seq, log_bytes: logBytes },
          ...{ status: 'held', is_start: 1, why: null },
        })
        .execute()
    } else if (isFact(jobReturned, fact)) {
      const { fence, why, isStart } = fact.payload
      await tx
        .updateTable('build_leases')
        .set({ status: 'returned', why, is_start: isStart ? 1 : 0 })
        .where('fence', '=', fence)
        .execute()
    } else if (isFact(jobFinished, fact)) {
      const { run, job } = fact.payload
      await overWhere(tx, run, job)
    } else if (isFact(runFinished, fact)) {
      await overWhere(tx, fact.payload.run, null)
    }
  },
}

/** Reads of the leases, as of the newest fact. */
export type LeaseRows = {
  /** Those of jobs that have not ended. */
  open(): Promise<LeaseRow[]>
  find(fence: number): Promise<LeaseRow | undefined>
}

export const leaseRows = (store: Store, views: Views): LeaseRows => {
  const rows = () => store.tables<RunnerTables>().selectFrom('build_leases').selectAll()
  return {
    open: async () => {
      await views.reach()
      return rows().where('status', 'in', ['held', 'returned']).orderBy('fence').execute()
    },
    find: async (fence) => {
      await views.reach()
      return rows().where('fence', '=', fence).executeTakeFirst()
    },
  }
}

const overWhere = async (tx: Kysely<RunnerTables>, run: string, job: string | null): Promise<void> => {
  const leases = tx.updateTable('build_leases').set({ status: 'over' }).where('run', '=', run)
  await (job === null ? leases : leases.where('job', '=', job)).execute()
}
