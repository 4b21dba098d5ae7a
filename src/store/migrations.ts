import type { Kysely } from 'kysely'
import type { Clock } from '../clock.ts'
import { Problem } from '../problem.ts'
import type { Store } from './store.ts'

/**
 * One step forward of the tables that are not views. Steps are numbered by their order in the list that `migrate` is given: add new
 * ones at its end, never change, move or remove one that was released. `up` runs in a transaction.
 */
export type Migration = {
  /** Unique and lasting: `access-sealed-values`. */
  readonly name: string
  // biome-ignore lint/suspicious/noExplicitAny: a step makes tables that no type describes yet
  up(db: Kysely<any>, dialect: Store['dialect']): Promise<void>
}

export type MigrationOptions = {
  readonly migrations: readonly Migration[]
  /** The version of the program that opens the data: `0.1.0`. */
  readonly program: string
  readonly clock: Clock
  /** Takes a backup of existing data before it is changed; given the format that the data has so far. */
  readonly backup?: (format: number) => Promise<void>
}

type MigrationTables = { store_migrations: { name: string; format: number; program: string; at: number } }

/**
 * Brings the store's tables forward to what this program knows and resolves with the format number that the data has then. Refuses,
 * changing nothing, data that a newer program has brought further (`Problem` of the kind `newer-data`).
 */
export const migrate = async (store: Store, options: MigrationOptions): Promise<number> => {
  const { migrations, program, clock, backup } = options
  const db = store.tables<MigrationTables>()
  await db.schema
    .createTable('store_migrations')
    .ifNotExists()
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('format', 'integer', (column) => column.notNull())
    .addColumn('program', 'text', (column) => column.notNull())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .execute()
  const applied = await db.selectFrom('store_migrations').selectAll().orderBy('format').execute()
  const newer = applied.findLast(({ name }) => !migrations.some((migration) => migration.name === name))
  if (newer) throw newerData(newer, program, migrations.length)

  const pending = migrations.filter(({ name }) => !applied.some((row) => row.name === name))
  let format = applied.at(-1)?.format ?? 0
  if (pending.length > 0 && applied.length > 0) await backup?.(format)
  for (const migration of pending) {
    format += 1
    const row = { name: migration.name, format, program, at: clock.now() }
    await store.transaction<MigrationTables, void>(async (tx) => {
      await migration.up(tx, store.dialect)
      await tx.insertInto('store_migrations').values(row).execute()
    })
  }
  return format
}

const newerData = (
  newer: { name: string; format: number; program: string },
  program: string,
  format: number,
): Problem =>
  new Problem({
    kind: 'newer-data',
    status: 409,
    detail:
      `this data was written by a newer Headway, ${newer.program} (data format ${newer.format}, "${newer.name}"); ` +
      `this is Headway ${program} (data format ${format}), which does not know it and has changed nothing`,
    next: `run Headway ${newer.program} or later, or restore the backup that was made before the upgrade`,
  })
