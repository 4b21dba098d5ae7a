import { backup, DatabaseSync, type SQLInputValue, type StatementSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'

export type WorkerOptions = { readonly file: string; readonly readOnly: boolean }
/** What the main thread asks; `on` says which of the worker's two connections does it. */
export type WorkerRequest =
  | {
      readonly id: number
      readonly kind: 'query'
      readonly on: 'writer' | 'reader'
      readonly sql: string
      readonly parameters: readonly unknown[]
    }
  | { readonly id: number; readonly kind: 'backup'; readonly file: string }
  | { readonly id: number; readonly kind: 'close' }
export type WorkerAnswer =
  | { readonly id: number; readonly rows: unknown[]; readonly changes: number | null }
  | { readonly id: number; readonly error: { readonly message: string; readonly code: number | null } }

const { file, readOnly } = workerData as WorkerOptions
const port = parentPort
if (!port) throw new Error('sqlite-worker.ts is started by sqlite.ts, as a worker')

const connect = (asReader: boolean): DatabaseSync => {
  const database = new DatabaseSync(file, { readOnly: asReader, timeout: 5000 })
  database.exec(
    asReader
      ? 'PRAGMA query_only = on'
      : 'PRAGMA journal_mode = wal; PRAGMA synchronous = full; PRAGMA secure_delete = on',
  )
  database.exec('PRAGMA cache_size = -4000; PRAGMA trusted_schema = off; PRAGMA foreign_keys = on')
  return database
}

// The writer comes first: it creates the file and its journal.
const writer = readOnly ? null : connect(false)
const reader = connect(true)
const prepared = { writer: new Map<string, StatementSync>(), reader: new Map<string, StatementSync>() }

const statement = (on: 'writer' | 'reader', sql: string): StatementSync => {
  const known = prepared[on].get(sql)
  if (known) return known
  const made = (on === 'writer' && writer ? writer : reader).prepare(sql)
  if (prepared[on].size >= 200) prepared[on].clear()
  prepared[on].set(sql, made)
  return made
}

const answer = async (request: WorkerRequest): Promise<WorkerAnswer> => {
  const { id } = request
  switch (request.kind) {
    case 'query': {
      const made = statement(request.on, request.sql)
      const parameters = request.parameters as SQLInputValue[]
      if (made.columns().length > 0) return { id, rows: made.all(...parameters), changes: null }
      return { id, rows: [], changes: Number(made.run(...parameters).changes) }
    }
    case 'backup':
      await backup(reader, request.file)
      return { id, rows: [], changes: null }
    case 'close':
      reader.close()
      writer?.close()
      return { id, rows: [], changes: null }
  }
}

port.on('message', (request: WorkerRequest) => {
  answer(request).then(
    (done) => {
      port.postMessage(done)
      if (request.kind === 'close') port.close()
    },
    (error: Error & { errcode?: number }) =>
      port.postMessage({ id: request.id, error: { message: error.message, code: error.errcode ?? null } }),
  )
})
