import { DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'

/** How a connection is opened. */
export type ConnectionStart = { readonly file: string; readonly readOnly: boolean; readonly pragmas: readonly string[] }

/** A statement, and whether it answers with rows, which costs as much to ask as a small one takes to run. */
export type Prepared = { readonly statement: StatementSync; readonly hasRows: boolean }

const keptStatements = 400
const keptStatementCharacters = 4_000

/** One connection to the database in the thread of whoever calls it, and the statements that it was asked lately. Throws SQLite's errors. */
export const openConnection = (start: ConnectionStart) => {
  const database = new DatabaseSync(start.file, { readOnly: start.readOnly, timeout: 10_000 })
  for (const pragma of start.pragmas) database.exec(`PRAGMA ${pragma}`)
  const kept = new Map<string, Prepared>()
  return {
    database,
    prepare: (sql: string): Prepared => {
      const known = kept.get(sql)
      if (known) return known
      const statement = database.prepare(sql)
      const prepared = { statement, hasRows: statement.columns().length > 0 }
      if (sql.length <= keptStatementCharacters) kept.set(sql, prepared)
      if (kept.size > keptStatements) kept.delete(kept.keys().next().value ?? '')
      return prepared
    },
    close: (): void => {
      kept.clear()
      database.close()
    },
  }
}

/** A value as SQLite takes it. */
export const bindable = (value: unknown): SQLInputValue => {
  switch (typeof value) {
    case 'string':
    case 'number':
    case 'bigint':
      return value
    case 'boolean':
      return value ? 1 : 0
    case 'undefined':
      return null
    default:
      if (value === null || value instanceof Uint8Array) return value
      throw new TypeError(`a value of type ${typeof value} cannot be kept in SQLite; pass text, a number or bytes`)
  }
}

/** SQLite's words and its result code, where it is an error of SQLite. */
export const describeFailure = (error: unknown): { message: string; code: number | null } => {
  const message = error instanceof Error ? error.message : String(error)
  const code = error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : null
  return { message, code }
}
