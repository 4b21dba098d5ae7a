import type { SQLInputValue } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { collectAfterStart } from '../processes/memory.ts'
import { type Packed, pack, unpack } from './packed.ts'
import { bindable, type ConnectionStart, describeFailure, openConnection } from './sqlite-connection.ts'

export type WorkerRequest =
  | {
      readonly id: number
      readonly kind: 'run'
      readonly sql: string
      readonly parameters: Packed
      /** Give up with `heavy` when more has to be read than a thread that also writes should. */
      readonly light: boolean
    }
  | { readonly id: number; readonly kind: 'close' }

export type WorkerReply = { readonly id: number } & (
  | {
      readonly kind: 'done'
      readonly columns: readonly string[]
      readonly cells: Packed
      readonly changes: number | bigint
      readonly insertId: number | bigint
      readonly tookMs: number
    }
  | { readonly kind: 'heavy' }
  | { readonly kind: 'failed'; readonly message: string; readonly code: number | null }
)

const lightRows = 2_000
const lightMs = 10
/** A whole look at a database of this size (4 MiB) is a light read. */
const smallPages = 1_024
/** Answers are sent together as long as they are made this quickly. */
const togetherMs = 1
const keptPlans = 200

const serve = (start: ConnectionStart, port: NonNullable<typeof parentPort>): void => {
  const { database, prepare, close } = openConnection(start)
  const scans = new Map<string, boolean>()
  const pageCount = database.prepare('PRAGMA page_count')
  pageCount.setReturnArrays(true)

  /** Whether a read looks at whole tables or sorts, so that its length is that of the database. */
  const scansMuch = (sql: string, parameters: readonly SQLInputValue[]): boolean => {
    const known = scans.get(sql)
    if (known !== undefined) return known
    const plan = database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all(...parameters)
    const found = plan.some(({ detail }) => /SCAN|TEMP B-TREE|RECURSIVE|MATERIALIZE|CO-ROUTINE/.test(String(detail)))
    if (scans.size >= keptPlans) scans.clear()
    scans.set(sql, found)
    return found
  }
  const isRecursive = (sql: string): boolean => /\brecursive\b/i.test(sql)
  const isSmall = (): boolean => Number(Object.values(pageCount.get() ?? [])[0]) <= smallPages

  const run = (request: Extract<WorkerRequest, { kind: 'run' }>): WorkerReply => {
    const began = performance.now()
    const { id } = request
    const { statement, hasRows } = prepare(request.sql)
    const parameters = unpack(request.parameters).map(bindable)
    if (!hasRows) {
      const { changes, lastInsertRowid } = statement.run(...parameters)
      return { id, kind: 'done', columns: [], cells: pack([]), changes, insertId: lastInsertRowid, tookMs: 0 }
    }
    statement.setReturnArrays(true)
    if (request.light && scansMuch(request.sql, parameters) && (isRecursive(request.sql) || !isSmall()))
      return { id, kind: 'heavy' }
    const cells: unknown[] = []
    let rows = 0
    const take = (row: unknown): void => {
      if (Array.isArray(row)) for (const value of row) cells.push(value)
      rows += 1
    }
    if (!request.light) statement.all(...parameters).forEach(take)
    else
      for (const row of statement.iterate(...parameters)) {
        take(row)
        if (rows > lightRows || (rows % 64 === 0 && performance.now() - began > lightMs)) return { id, kind: 'heavy' }
      }
    // after the rows: stepping compiles a statement anew when the tables have changed, columns() does not
    const columns = rows === 0 ? [] : statement.columns().map(({ name }) => name)
    const tookMs = performance.now() - began
    return { id, kind: 'done', columns, cells: pack(cells), changes: rows, insertId: 0, tookMs }
  }

  const answer = (request: Extract<WorkerRequest, { kind: 'run' }>): WorkerReply => {
    try {
      return run(request)
    } catch (error) {
      return { id: request.id, kind: 'failed', ...describeFailure(error) }
    }
  }

  let replies: WorkerReply[] = []
  const reply = (): void => {
    const blocks = replies.flatMap((one) =>
      one.kind === 'done' && one.cells.bytes.byteLength > 0 ? [one.cells.bytes] : [],
    )
    port.postMessage(replies, blocks)
    replies = []
  }

  port.on('message', (requests: readonly WorkerRequest[]) => {
    let began = performance.now()
    for (const request of requests) {
      if (request.kind === 'close') {
        close()
        replies.push({ id: request.id, kind: 'heavy' })
        reply()
        return port.close()
      }
      replies.push(answer(request))
      // what is answered does not wait for what takes long
      if (performance.now() - began <= togetherMs) continue
      reply()
      began = performance.now()
    }
    if (replies.length > 0) reply()
  })
}

/** Not at the moment at which the main thread collects. */
const collectAfterMs = 8_500

if (parentPort) {
  serve(workerData, parentPort)
  collectAfterStart(collectAfterMs)
}
