import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import pg from 'pg'

export type RawRow = Readonly<Record<string, SQLInputValue>>

/** Rows of views, written straight into the store past the views, and asked for in plain SQL that both stores understand. */
export type RawRows = {
  /** There once `save` has resolved, if not before. */
  insert(table: string, row: RawRow): void
  save(): Promise<void>
  /** Once all are in: keys and indexes that were left aside, and what the store wants to know to plan its queries. */
  finish(): Promise<void>
  ask(statement: string): Promise<void>
  close(): Promise<void>
}

export const sqliteRows = (file: string, large: readonly string[]): RawRows => {
  const database = new DatabaseSync(file)
  database.exec('PRAGMA synchronous = off; PRAGMA cache_size = -1000000')
  const putBack = withoutIndexes(database, large)
  const statements = new Map<string, StatementSync>()
  database.exec('BEGIN')
  return {
    insert: (table, row) => {
      const columns = Object.keys(row)
      const statement =
        statements.get(table) ??
        database.prepare(`INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`)
      statements.set(table, statement)
      statement.run(...Object.values(row))
    },
    save: async () => database.exec('COMMIT; BEGIN'),
    finish: async () => {
      database.exec('COMMIT')
      putBack()
    },
    ask: async (statement) => void database.prepare(statement).all(),
    close: async () => database.close(),
  }
}

/** Makes large tables anew without their keys and indexes, and returns what puts these on once they are filled. */
const withoutIndexes = (database: DatabaseSync, large: readonly string[]): (() => void) => {
  const tables = `(${large.map((table) => `'${table}'`).join(', ')})`
  const parts = database
    .prepare(`SELECT type, name, tbl_name, sql FROM sqlite_master WHERE tbl_name IN ${tables}`)
    .all()
  const after: string[] = []
  for (const { type, name, tbl_name: table, sql } of parts) {
    if (type === 'index' && sql !== null) after.push(String(sql))
    if (type !== 'table') continue
    const [bare, key] = String(sql).split(/, constraint "[^"]+" primary key /)
    database.exec(`DROP TABLE ${table}; ${bare})`)
    if (key) after.push(`CREATE UNIQUE INDEX ${name}_key_of_bench ON ${table} ${key.slice(0, -1)}`)
  }
  return () => {
    for (const sql of after) database.exec(sql)
  }
}

/** PostgreSQL numbers at most so many parameters of a statement. */
const mostParameters = 60_000

export const postgresRows = async (url: string): Promise<RawRows> => {
  const client = new pg.Client(url)
  await client.connect()
  const waiting = new Map<string, RawRow[]>()
  const write = async (table: string, rows: readonly RawRow[]): Promise<void> => {
    const columns = Object.keys(rows[0] ?? {})
    const places = rows.map((_, row) => `(${columns.map((_, at) => `$${row * columns.length + at + 1}`).join(', ')})`)
    const statement = `INSERT INTO ${table} (${columns.join(', ')}) VALUES ${places.join(', ')}`
    await client.query(
      statement,
      rows.flatMap((row) => Object.values(row)),
    )
  }
  const save = async (): Promise<void> => {
    for (const [table, rows] of waiting) {
      const most = Math.floor(mostParameters / Object.keys(rows[0] ?? {}).length)
      for (let from = 0; from < rows.length; from += most) await write(table, rows.slice(from, from + most))
    }
    waiting.clear()
  }
  return {
    insert: (table, row) => {
      const rows = waiting.get(table) ?? []
      rows.push(row)
      waiting.set(table, rows)
    },
    save,
    finish: async () => {
      await save()
      // As autovacuum has done some time after so many rows have come.
      await client.query('VACUUM ANALYZE')
    },
    ask: async (statement) => void (await client.query(statement)),
    close: () => client.end(),
  }
}
