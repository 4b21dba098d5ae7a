import { type MigrationOptions, migrate } from './migrations.ts'
import { openSqliteStore } from './sqlite.ts'
import type { Store } from './store.ts'

/**
 * Opens the store at a `postgres://` URL, or in the SQLite file at a path, and brings its tables forward. An existing SQLite file is
 * copied beside itself (`<file>.before-format-<n>`) first; of a PostgreSQL database its operator keeps the backups.
 */
export const openStore = async (place: string, options: Omit<MigrationOptions, 'backup'>): Promise<Store> => {
  const remote = /^postgres(ql)?:\/\//.test(place)
  const store = remote ? await openRemote(place) : await openSqliteStore(place)
  try {
    const backup = (format: number) => store.backup(`${place}.before-format-${format + 1}`)
    await migrate(store, remote ? options : { ...options, backup })
    return store
  } catch (error) {
    await store.close()
    throw error
  }
}

const openRemote = async (url: string): Promise<Store> => {
  const { openPostgresStore } = await import('./postgres.ts')
  return openPostgresStore(url)
}
