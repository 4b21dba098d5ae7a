import { Worker } from 'node:worker_threads'
import { Problem } from '../problem.ts'
import { pack, unpack } from './packed.ts'
import type { WorkerReply, WorkerRequest, WorkerStart } from './sqlite-worker.ts'

export type Rows = {
  readonly rows: Record<string, unknown>[]
  readonly changes: bigint
  readonly insertId: bigint
  readonly tookMs: number
}

/** One worker thread with one connection to the database; requests are answered in order. */
export type SqliteThread = {
  run(sql: string, parameters: readonly unknown[]): Promise<Rows>
  /** The same for a read that gives up with `heavy` when it turns out to be long. */
  runLight(sql: string, parameters: readonly unknown[]): Promise<Rows | 'heavy'>
  readonly pending: number
  readonly ended: boolean
  /** Answers what was asked, then closes the connection and ends the thread. */
  close(): Promise<void>
}

type Waiting = { resolve(reply: WorkerReply): void; reject(error: Error): void }

const workerFile = import.meta.url.endsWith('.ts') ? './sqlite-worker.ts' : './sqlite-worker.js'

/** The writer's is small, because an idle Headway holds it all the time; a reader lives shortly and moves many rows. */
const limitsFor = ({ readOnly }: WorkerStart) => ({
  maxYoungGenerationSizeMb: readOnly ? 16 : 2,
  maxOldGenerationSizeMb: 256,
  stackSizeMb: 1,
})

export const startThread = (start: WorkerStart): SqliteThread => {
  const worker = new Worker(new URL(workerFile, import.meta.url), {
    workerData: start,
    resourceLimits: limitsFor(start),
  })
  const waiting = new Map<number, Waiting>()
  let nextId = 1
  let end: Error | null = null
  let outgoing: WorkerRequest[] = []
  let transfers: ArrayBuffer[] = []

  const fail = (error: Error) => {
    end ??= error
    for (const { reject } of waiting.values()) reject(end)
    waiting.clear()
  }
  worker.on('error', (cause) => fail(storeError(start.file, cause)))
  worker.on('exit', () => fail(new Error(`the database ${start.file} is closed`)))
  worker.on('message', (replies: readonly WorkerReply[]) => {
    for (const reply of replies) {
      waiting.get(reply.id)?.resolve(reply)
      waiting.delete(reply.id)
    }
    if (waiting.size === 0) worker.unref()
  })
  worker.unref()

  const ask = (make: (id: number) => { request: WorkerRequest; transfer?: ArrayBuffer }): Promise<WorkerReply> =>
    new Promise((resolve, reject) => {
      if (end) return reject(end)
      const id = nextId++
      const { request, transfer } = make(id)
      waiting.set(id, { resolve, reject })
      worker.ref() // an answer is awaited: the process must not end before it
      // what is asked at the same time goes in one message, as each costs more than a small statement
      if (outgoing.length === 0) queueMicrotask(send)
      outgoing.push(request)
      if (transfer && transfer.byteLength > 0) transfers.push(transfer)
    })

  const send = (): void => {
    const [requests, blocks] = [outgoing, transfers]
    outgoing = []
    transfers = []
    worker.postMessage(requests, blocks)
  }

  const run = async (sql: string, values: readonly unknown[], light: boolean): Promise<Rows | 'heavy'> => {
    const reply = await ask((id) => {
      const parameters = pack(values)
      return { request: { id, kind: 'run', sql, parameters, light }, transfer: parameters.bytes }
    })
    if (reply.kind === 'heavy') return 'heavy'
    if (reply.kind === 'failed') throw sqlError(start.file, sql, reply.message, reply.code)
    return {
      rows: rowsOf(reply.columns, unpack(reply.cells)),
      changes: BigInt(reply.changes),
      insertId: BigInt(reply.insertId),
      tookMs: reply.tookMs,
    }
  }

  return {
    run: async (sql, parameters) => {
      const rows = await run(sql, parameters, false)
      if (rows === 'heavy') throw new Error('a thread called a read heavy that was not asked to be light')
      return rows
    },
    runLight: (sql, parameters) => run(sql, parameters, true),
    get pending() {
      return waiting.size
    },
    get ended() {
      return end !== null
    },
    close: async () => {
      if (end) return
      const exited = new Promise((resolve) => worker.once('exit', resolve))
      await ask((id) => ({ request: { id, kind: 'close' } }))
      worker.ref()
      await exited
    },
  }
}

const rowsOf = (columns: readonly string[], cells: readonly unknown[]): Record<string, unknown>[] => {
  const rows: Record<string, unknown>[] = []
  const width = columns.length
  for (let at = 0; at < cells.length; at += width) {
    const row: Record<string, unknown> = {}
    for (let column = 0; column < width; column += 1) row[columns[column] ?? ''] = cells[at + column]
    rows.push(row)
  }
  return rows
}

/** SQLite's own error, with its result code (https://www.sqlite.org/rescode.html) and the statement, never the values. */
export class SqlError extends Error {
  readonly code: number | null

  constructor(message: string, code: number | null, sql: string) {
    super(`${message} in: ${sql.length > 300 ? `${sql.slice(0, 300)} ...` : sql}`)
    this.name = 'SqlError'
    this.code = code
  }
}

const sqliteFull = 13
const sqliteIoErrors = 10 // the lower byte of every SQLITE_IOERR_*
const sqliteShmSize = 4874 // the shared-memory file beside the database could not grow: there, only a full disk does that

const sqlError = (file: string, sql: string, message: string, code: number | null): Error => {
  const cause = new SqlError(message, code, sql)
  return code === sqliteFull || code === sqliteShmSize ? diskFull(file, cause) : cause
}

const storeError = (file: string, cause: unknown): Error => {
  const full =
    cause instanceof Error && 'errcode' in cause && [sqliteFull, sqliteShmSize].includes(Number(cause.errcode))
  if (full) return diskFull(file, cause)
  const unreadable =
    cause instanceof Error && 'errcode' in cause && (Number(cause.errcode) & 0xff) === sqliteIoErrors
      ? 'the disk failed to read or write it'
      : 'it could not be opened'
  return new Problem(
    {
      kind: 'store-broken',
      status: 500,
      detail: `the database ${file}: ${unreadable} (${cause instanceof Error ? cause.message : String(cause)})`,
      next: 'look at the disk and the rights of the file; a database that is damaged is replaced by `headway restore <backup>`',
    },
    { cause },
  )
}

/** The disk holds no more; what was acknowledged stands, what was being written was rolled back. */
export const diskFull = (file: string, cause: unknown): Problem =>
  new Problem(
    {
      kind: 'disk-full',
      status: 507,
      detail: `the disk that holds ${file} is full; nothing recorded so far was lost, and this change was not made`,
      next: `free space there (df -h, then remove what is not needed) and do it again; Headway need not be restarted`,
    },
    { cause },
  )
