import type { Kysely } from 'kysely'
import { createTable } from '../create-table.ts'

/** What somebody has told of work by hand; who it was stays in the ledger. */
export type ToilRow = {
  toil: string
  project: string
  service: string | null
  what: string
  /** Whole numbers in both stores. */
  seconds: number
  at: number
}
/** How often something was done by hand, or somebody was called, in a quarter of an hour: days of every time zone are made of those. */
export type OperationRow = { project: string; quarter: number; operation: string; target: string; times: number }
export type CapacityRow = { project: string; seconds_per_week: number }

export type ToilTables = {
  learn_toil: ToilRow
  learn_operations: OperationRow
  learn_capacities: CapacityRow
}

export const dropToilTables = async (db: Kysely<ToilTables>): Promise<void> => {
  for (const name of ['toil', 'operations', 'capacities'])
    await db.schema.dropTable(`learn_${name}`).ifExists().execute()
}

export const createToilTables = async (db: Kysely<ToilTables>): Promise<void> => {
  await createTable(
    db,
    'learn_toil',
    { toil: 'text', project: 'text', service: 'text?', what: 'text', seconds: 'bigint', at: 'bigint' },
    ['toil'],
    { time: ['project', 'at'] },
  )
  await createTable(
    db,
    'learn_operations',
    { project: 'text', quarter: 'bigint', operation: 'text', target: 'text', times: 'integer' },
    ['project', 'quarter', 'operation', 'target'],
  )
  await createTable(db, 'learn_capacities', { project: 'text', seconds_per_week: 'bigint' }, ['project'])
}
