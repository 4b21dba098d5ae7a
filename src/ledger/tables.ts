import type { Kysely } from 'kysely'
import type { Store } from '../store/store.ts'
import type { Link } from './chain.ts'

export type LedgerTables = { ledger_facts: Link }

/** The chain. A column beside the envelope is an index into it, never the truth. */
export const createLedgerTables = async (db: Kysely<unknown>, dialect: Store['dialect']): Promise<void> => {
  const bytes = dialect === 'sqlite' ? 'blob' : 'bytea'
  await db.schema
    .createTable('ledger_facts')
    .ifNotExists()
    .addColumn('seq', dialect === 'sqlite' ? 'integer' : 'bigint', (column) => column.primaryKey())
    .addColumn('envelope', bytes, (column) => column.notNull())
    .addColumn('hash', bytes, (column) => column.notNull())
    .addColumn('salt', bytes)
    .addColumn('payload', bytes)
    .addColumn('type', 'text', (column) => column.notNull())
    .addColumn('subject', 'text', (column) => column.notNull())
    .execute()
  await db.schema
    .createIndex('ledger_facts_subject')
    .ifNotExists()
    .on('ledger_facts')
    .columns(['subject', 'seq'])
    .execute()
  await db.schema.createIndex('ledger_facts_type').ifNotExists().on('ledger_facts').columns(['type', 'seq']).execute()
}

/** Who has worked through the chain up to where: the views, and stages that follow the ledger. */
export type CursorTables = {
  ledger_cursors: {
    readonly name: string
    readonly version: number
    readonly seq: number
    /** The tables that the view made, as a JSON list. */
    readonly tables: string
  }
}

export const createCursorTable = (db: Kysely<unknown>): Promise<void> =>
  db.schema
    .createTable('ledger_cursors')
    .ifNotExists()
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('seq', 'bigint', (column) => column.notNull())
    .addColumn('tables', 'text', (column) => column.notNull())
    .execute()
