import { createHash, hash } from 'node:crypto'
import { sql } from 'kysely'
import { Digest } from '../names.ts'
import type { Store } from '../store/store.ts'

const pageRows = 5_000

/** A digest over all rows of the tables, the same in whatever order the rows were inserted. */
export const digestTables = async (store: Store, tables: readonly string[]): Promise<Digest> => {
  const whole = createHash('sha256')
  for (const table of tables) {
    const rows = await rowHashes(store, table)
    whole.update(`${table} ${rows.length}\n`)
    for (const row of rows.sort()) whole.update(row)
  }
  return Digest.parse(`sha256:${whole.digest('hex')}`)
}

const rowHashes = async (store: Store, table: string): Promise<string[]> => {
  const stored = sql.ref(store.dialect === 'sqlite' ? 'rowid' : 'ctid')
  const hashes: string[] = []
  for (;;) {
    const page = sql<Record<string, unknown>>`
      SELECT * FROM ${sql.table(table)} ORDER BY ${stored} LIMIT ${pageRows} OFFSET ${hashes.length}`
    const { rows } = await page.execute(store.tables())
    for (const row of rows) hashes.push(hash('sha256', JSON.stringify(sorted(row)), 'hex'))
    if (rows.length < pageRows) return hashes
  }
}

const sorted = (row: Record<string, unknown>): [string, unknown][] =>
  Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1))
