import { sql } from 'kysely'
import { Problem } from '../problem.ts'
import type { Store } from '../store/store.ts'

/**
 * Makes sure that bytes which were deleted are in no file of the store any more. SQLite overwrites deleted cells (secure_delete), but
 * older copies of a page stay in the write-ahead log until it is cut off; PostgreSQL keeps old row versions until the table is
 * written anew. (PostgreSQL's own write-ahead log and archives of it keep them until they are recycled; that is its operator's to set.)
 */
export const scrub = async (store: Store): Promise<void> => {
  if (store.dialect === 'postgres') {
    await sql`VACUUM FULL ledger_facts`.execute(store.tables())
    return
  }
  const { rows } = await sql<{ busy: number }>`PRAGMA wal_checkpoint(TRUNCATE)`.execute(store.tables())
  if (rows[0]?.busy === 0) return
  throw new Problem({
    kind: 'erasure-unfinished',
    status: 503,
    detail:
      'the payload is erased, but a long read still holds older pages of the database, so that the bytes are not off the disk yet',
    next: 'erase the same fact again in a moment, which finishes it; a restart of Headway does so too',
  })
}
