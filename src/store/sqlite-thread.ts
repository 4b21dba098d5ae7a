import { Worker } from 'node:worker_threads'
import { pack, unpack } from './packed.ts'
import type { ConnectionStart } from './sqlite-connection.ts'
import { sqlError, storeError } from './sqlite-failures.ts'
import type { WorkerReply, WorkerRequest } from './sqlite-worker.ts'

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
const limitsFor = ({ readOnly }: ConnectionStart) => ({
  maxYoungGenerationSizeMb: readOnly ? 16 : 2,
  maxOldGenerationSizeMb: 256,
  stackSizeMb: 1,
})

export const startThread = (start: ConnectionStart): SqliteThread => {
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
