import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  type QueryResult,
  SelectQueryNode,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import { Problem } from '../problem.ts'
import type { WorkerAnswer, WorkerOptions, WorkerRequest } from './sqlite-worker.ts'
import type { Store } from './store.ts'

/**
 * SQLite (WAL, every commit durable) behind worker threads, so that no query blocks the event loop. One worker holds the writing
 * connection and one for light reads; when reads pile up, a second worker is started for them and ended when it has been idle.
 */
export const openSqliteStore = async (file: string): Promise<Store> => {
  const main = startWorker({ file, readOnly: false })
  await main.ask({ kind: 'query', on: 'reader', sql: 'select 1', parameters: [] })
  const readers = createReaders(file, main)
  const writing = createMutex()

  const connectionFor = (inTransaction: boolean): DatabaseConnection => ({
    executeQuery: async <Row>(query: CompiledQuery): Promise<QueryResult<Row>> => {
      const parameters = query.parameters.map(bindable)
      if (inTransaction) return result<Row>(await main.ask({ kind: 'query', on: 'writer', sql: query.sql, parameters }))
      if (SelectQueryNode.is(query.query) || /^\s*select\b/i.test(query.sql))
        return result<Row>(await readers.ask({ kind: 'query', on: 'reader', sql: query.sql, parameters }))
      return writing.hold(async () =>
        result<Row>(await main.ask({ kind: 'query', on: 'writer', sql: query.sql, parameters })),
      )
    },
    streamQuery: () => {
      throw new Error('queries are not streamed from SQLite: page through them by key')
    },
  })
  const kysely = <Tables>(inTransaction: boolean): Kysely<Tables> =>
    new Kysely<Tables>({
      dialect: {
        createAdapter: () => new SqliteAdapter(),
        createDriver: () => driver(connectionFor(inTransaction)),
        createIntrospector: (db) => new SqliteIntrospector(db),
        createQueryCompiler: () => new SqliteQueryCompiler(),
      },
    })
  const outside = kysely<unknown>(false)
  const inside = kysely<unknown>(true)
  const control = (sql: string) => main.ask({ kind: 'query', on: 'writer', sql, parameters: [] })

  return {
    dialect: 'sqlite',
    tables: <Tables>() => outside as Kysely<Tables>,
    transaction: (work) =>
      writing.hold(async () => {
        await control('begin immediate')
        try {
          const done = await work(inside as never)
          await control('commit')
          return done
        } catch (error) {
          await control('rollback').catch(() => undefined) // SQLite rolls back by itself when the disk is full
          throw error
        }
      }),
    backup: async (target) => {
      await main.ask({ kind: 'backup', file: target })
    },
    close: async () => {
      await writing.hold(async () => undefined)
      await readers.close()
      await main.close()
    },
  }
}

type Ask = (
  request: WorkerRequest extends infer Request ? (Request extends { id: number } ? Omit<Request, 'id'> : never) : never,
) => Promise<WorkerAnswer & { rows: unknown[] }>
type StoreWorker = { ask: Ask; waiting(): number; close(): Promise<void> }

const startWorker = (options: WorkerOptions): StoreWorker => {
  const program = fileURLToPath(
    new URL(`./sqlite-worker${import.meta.filename.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
  )
  const worker = new Worker(program, {
    workerData: options,
    resourceLimits: { maxYoungGenerationSizeMb: 4 },
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  worker.unref()
  const waiting = new Map<
    number,
    { resolve(answer: WorkerAnswer & { rows: unknown[] }): void; reject(error: Error): void }
  >()
  let next = 0
  let broken: Error | undefined
  const breakAll = (error: Error): void => {
    broken = error
    for (const { reject } of waiting.values()) reject(error)
    waiting.clear()
  }
  worker.on('message', (answer: WorkerAnswer) => {
    const waiter = waiting.get(answer.id)
    waiting.delete(answer.id)
    if (waiting.size === 0) worker.unref()
    if ('error' in answer) waiter?.reject(storeError(answer.error, options.file))
    else waiter?.resolve(answer)
  })
  worker.on('error', (error) => breakAll(error instanceof Error ? error : new Error(String(error))))
  worker.on('exit', () => breakAll(new Error(`the store's worker for ${options.file} has ended`)))
  const ask: Ask = (request) =>
    new Promise((resolve, reject) => {
      if (broken) {
        reject(broken)
        return
      }
      next += 1
      worker.ref() // an unanswered query keeps the process alive
      waiting.set(next, { resolve, reject })
      worker.postMessage({ ...request, id: next })
    })
  return {
    ask,
    waiting: () => waiting.size,
    close: async () => {
      await ask({ kind: 'close' })
      await worker.terminate()
    },
  }
}

/** Sends reads to the main worker while it has little to do, else to one of their own. */
const createReaders = (file: string, main: StoreWorker) => {
  const busyFrom = 4
  const idleMs = 30_000
  let own: StoreWorker | undefined
  let idle: NodeJS.Timeout | undefined
  const ask: Ask = async (request) => {
    if (!own && main.waiting() < busyFrom) return main.ask(request)
    own ??= startWorker({ file, readOnly: true })
    clearTimeout(idle)
    try {
      return await own.ask(request)
    } finally {
      clearTimeout(idle)
      idle = setTimeout(() => {
        const ending = own
        own = undefined
        void ending?.close()
      }, idleMs).unref()
    }
  }
  return {
    ask,
    close: async () => {
      clearTimeout(idle)
      await own?.close()
    },
  }
}

const createMutex = () => {
  let last: Promise<unknown> = Promise.resolve()
  return {
    hold: <Result>(work: () => Promise<Result>): Promise<Result> => {
      const mine = last.then(work)
      last = mine.catch(() => undefined)
      return mine
    },
  }
}

const driver = (connection: DatabaseConnection): Driver => ({
  init: async () => undefined,
  acquireConnection: async () => connection,
  releaseConnection: async () => undefined,
  beginTransaction: () => Promise.reject(new Error('use store.transaction()')),
  commitTransaction: () => Promise.reject(new Error('use store.transaction()')),
  rollbackTransaction: () => Promise.reject(new Error('use store.transaction()')),
  destroy: async () => undefined,
})

const result = <Row>(answer: { rows: unknown[] } & WorkerAnswer): QueryResult<Row> => {
  const changes = 'changes' in answer ? answer.changes : null
  return { rows: answer.rows as Row[], ...(changes === null ? {} : { numAffectedRows: BigInt(changes) }) }
}

/** SQLite has no booleans and no undefined. */
const bindable = (value: unknown): unknown =>
  typeof value === 'boolean' ? Number(value) : value === undefined ? null : value

const sqliteFull = 13
const storeError = ({ message, code }: { message: string; code: number | null }, file: string): Error => {
  const cause = new Error(message)
  if (code !== null && (code & 0xff) === sqliteFull)
    return new Problem(
      {
        kind: 'disk-full',
        status: 507,
        detail: `the disk that holds ${file} is full; nothing was recorded`,
        next: 'make room there and try again',
      },
      { cause },
    )
  return Object.assign(new Error(`${file}: ${message}`, { cause }), { code })
}
