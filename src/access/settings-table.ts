import type { Kysely } from 'kysely'
import type { Migration } from '../store/migrations.ts'
import type { Store } from '../store/store.ts'

/**
 * One sealed value. It stands beside the ledger, as a value must be forgettable. `service` and `environment` are empty for all of them.
 * `pending` says what is being done to the row while its fact is not recorded yet, `pending_by` who asked for it.
 */
export type SettingRow = {
  project: string
  service: string
  environment: string
  name: string
  kind: string
  sealed: Uint8Array
  set_at: number
  pending: 'set' | 'remove' | null
  pending_by: string | null
}
export type SettingTables = { access_settings: SettingRow }

const createSettingsTable = async (db: Kysely<unknown>, dialect: Store['dialect']): Promise<void> => {
  await db.schema
    .createTable('access_settings')
    .addColumn('project', 'text', (column) => column.notNull())
    .addColumn('service', 'text', (column) => column.notNull())
    .addColumn('environment', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('kind', 'text', (column) => column.notNull())
    .addColumn('sealed', dialect === 'sqlite' ? 'blob' : 'bytea', (column) => column.notNull())
    .addColumn('set_at', 'bigint', (column) => column.notNull())
    .addColumn('pending', 'text')
    .addColumn('pending_by', 'text')
    .addPrimaryKeyConstraint('access_settings_key', ['project', 'service', 'environment', 'name'])
    .execute()
}

export const accessMigrations: readonly Migration[] = [{ name: 'access-settings', up: createSettingsTable }]
