import { type QueryExecutorProvider, sql } from 'kysely'
import type { Store } from '../store/store.ts'

/** The tables of the store as the handle (or transaction) sees them. */
export const tableNames = async (db: QueryExecutorProvider, dialect: Store['dialect']): Promise<string[]> => {
  const listing =
    dialect === 'sqlite'
      ? sql<{ name: string }>`SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name`
      : sql<{ name: string }>`SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1`
  const { rows } = await listing.execute(db)
  return rows.map(({ name }) => name)
}
