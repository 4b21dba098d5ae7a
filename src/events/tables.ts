import type { Kysely } from 'kysely'
import type { Migration } from '../store/migrations.ts'
import type { Store } from '../store/store.ts'

/** What must not stand in the ledger, sealed: a source's secret, a subscription's address and secret. */
export type SecretRow = { secret: string; project: string; sealed: Uint8Array; made_at: number }

/** How far a subscription was told, and how the next event stands with it. */
export type OutboxRow = {
  subscription: string
  seq: number
  attempts: number
  /** Milliseconds since 1970; null: at once. */
  retry_at: number | null
  /** Why it was not taken last; null: it was. */
  detail: string | null
  /** 1 since an event was given up, until one is taken: then each is tried once only. */
  is_failing: number
}

/** An event that nobody took. */
export type DeadRow = { subscription: string; seq: number; failed_at: number; attempts: number; detail: string }

export type EventsOwnTables = { events_secrets: SecretRow; events_outbox: OutboxRow; events_dead: DeadRow }

const createTables = async (db: Kysely<unknown>, dialect: Store['dialect']): Promise<void> => {
  await db.schema
    .createTable('events_secrets')
    .addColumn('secret', 'text', (column) => column.primaryKey())
    .addColumn('project', 'text', (column) => column.notNull())
    .addColumn('sealed', dialect === 'sqlite' ? 'blob' : 'bytea', (column) => column.notNull())
    .addColumn('made_at', 'bigint', (column) => column.notNull())
    .execute()
  await db.schema
    .createTable('events_outbox')
    .addColumn('subscription', 'text', (column) => column.primaryKey())
    .addColumn('seq', 'bigint', (column) => column.notNull())
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('retry_at', 'bigint')
    .addColumn('detail', 'text')
    .addColumn('is_failing', 'integer', (column) => column.notNull())
    .execute()
  await db.schema
    .createTable('events_dead')
    .addColumn('subscription', 'text', (column) => column.notNull())
    .addColumn('seq', 'bigint', (column) => column.notNull())
    .addColumn('failed_at', 'bigint', (column) => column.notNull())
    .addColumn('attempts', 'integer', (column) => column.notNull())
    .addColumn('detail', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('events_dead_key', ['subscription', 'seq'])
    .execute()
}

export const eventsMigrations: readonly Migration[] = [{ name: 'events-door', up: createTables }]
