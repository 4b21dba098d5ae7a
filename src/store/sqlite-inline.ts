import { setImmediate as turn } from 'node:timers/promises'
import { bindable, type ConnectionStart, describeFailure, openConnection } from './sqlite-connection.ts'
import { sqlError, storeError } from './sqlite-failures.ts'
import type { Rows, SqliteThread } from './sqlite-thread.ts'

/** For so long nobody else gets this thread. */
const sliceMs = 8

export type Inline = Pick<SqliteThread, 'run' | 'close'>

/**
 * A connection in this thread, for a transaction of very many small statements: the way to another thread and back takes longer than they do.
 * Others get a turn of this thread every few milliseconds.
 */
export const openInline = (start: ConnectionStart): Inline => {
  const { prepare, close } = opened(start)
  let began = performance.now()

  const ask = (sql: string, parameters: readonly unknown[]): Rows => {
    const { statement, hasRows } = prepare(sql)
    const values = parameters.map(bindable)
    if (hasRows) {
      const rows = statement.all(...values)
      for (const row of rows) asBuffers(row)
      return { rows, changes: BigInt(rows.length), insertId: 0n, tookMs: 0 }
    }
    const { changes, lastInsertRowid } = statement.run(...values)
    return { rows: [], changes: BigInt(changes), insertId: BigInt(lastInsertRowid), tookMs: 0 }
  }

  return {
    run: async (sql, parameters) => {
      if (performance.now() - began > sliceMs) {
        await turn()
        began = performance.now()
      }
      try {
        return ask(sql, parameters)
      } catch (error) {
        const { message, code } = describeFailure(error)
        throw sqlError(start.file, sql, message, code)
      }
    },
    close: async () => close(),
  }
}

/** As the threads and PostgreSQL answer. */
const asBuffers = (row: Record<string, unknown>): void => {
  for (const name in row) {
    const value = row[name]
    if (value instanceof Uint8Array) row[name] = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  }
}

const opened = (start: ConnectionStart) => {
  try {
    return openConnection(start)
  } catch (error) {
    throw storeError(start.file, error)
  }
}
