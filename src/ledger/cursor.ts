import { type QueryExecutorProvider, sql } from 'kysely'
import type { Store } from '../store/store.ts'
import type { CursorTables } from './tables.ts'

/** How far a stage has worked through the ledger, kept beside what it derived. */
export type Cursor = {
  /** The sequence number of the last fact that was dealt with; 0 before the first. */
  read(): Promise<number>
  /** Moves the cursor in the caller's transaction, together with what was derived; never backwards. */
  commit(tx: QueryExecutorProvider, seq: number): Promise<void>
  /** Moves it by itself, after idempotent effects. */
  commitAlone(seq: number): Promise<void>
}

/** The cursor of that name (`deploy`); names of views are taken already, so stages use `<stage>:follow` and the like. */
export const openCursor = (store: Store, name: string): Cursor => {
  const move = async (db: QueryExecutorProvider, seq: number): Promise<void> => {
    await sql`
      INSERT INTO ledger_cursors (name, version, seq, tables) VALUES (${name}, 1, ${seq}, '[]')
      ON CONFLICT (name) DO UPDATE SET seq = excluded.seq WHERE ledger_cursors.seq < excluded.seq`.execute(db)
  }
  return {
    read: async () => {
      const rows = store.tables<CursorTables>().selectFrom('ledger_cursors').select('seq')
      return (await rows.where('name', '=', name).executeTakeFirst())?.seq ?? 0
    },
    commit: move,
    commitAlone: (seq) => move(store.tables(), seq),
  }
}
