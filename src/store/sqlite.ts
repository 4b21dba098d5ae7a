import { AsyncLocalStorage } from 'node:async_hooks'
import { closeSync, fsyncSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  Kysely,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type Transaction,
} from 'kysely'
import { effectSync } from '../effect.ts'
import { Problem } from '../problem.ts'
import { createMutex } from './mutex.ts'
import { copyDatabase } from './sqlite-backup.ts'
import type { Inline } from './sqlite-inline.ts'
import { type Rows, type SqliteThread, startThread } from './sqlite-thread.ts'
import type { Store, TransactionOptions } from './store.ts'
import { storable } from './text.ts'

export type SqliteOptions = {
  /** How long the second thread, which serves heavy reads, is kept without work; 5 s when left out. */
  readonly readerIdleMs?: number
  /** The most pages (4 KiB each) that the database may take; for tests of a full disk. */
  readonly maxPages?: number
}

const writerPragmas = [
  'journal_mode = WAL',
  'synchronous = FULL', // a commit is on the disk when it is acknowledged
  'foreign_keys = ON',
  'trusted_schema = OFF',
  'secure_delete = ON', // what is erased is overwritten, not only unlinked
  'journal_size_limit = 8388608',
  'cache_size = -2048',
]
/** Much is written at once, and the writer's thread brings it from the log into the file afterwards, which takes long. */
const inlinePragmas = ['cache_size = -65536', 'wal_autocheckpoint = 0']
/** A long transaction leaves no more than this in the log (16 of SQLite's own checkpoints), which would grow with each that follows. */
const longLogBytes = 64 * 2 ** 20
const readerPragmas = ['query_only = ON', 'trusted_schema = OFF', 'cache_size = -2048']

/** A read that took longer than this goes to the second thread from then on. */
const heavyMs = 25
const rememberedHeavyStatements = 500
/** A read waits this long for an open transaction before a second thread is started for it. */
const shortTransactionMs = 20

/**
 * The store in one SQLite file (mode 0600), written by one worker thread. That thread also answers light reads while nobody has a
 * transaction open; other reads go to a second, read-only thread, started when first needed and ended when idle. Throws a `Problem`
 * when the file cannot be opened or the disk is full.
 */
export const openSqliteStore = async (file: string, options: SqliteOptions = {}): Promise<Store> => {
  effectSync('store.create', () => createClosed(file))
  const threads = createThreads(file, options)
  // an erasure that a crash cut short is finished: its bytes leave the log; on a full disk that has to wait
  await threads.writer().run('PRAGMA wal_checkpoint(TRUNCATE)', []).catch(unlessFull)
  await threads.writer().run('SELECT 1', [])
  const handle = <Tables>(options?: TransactionOptions) =>
    new Kysely<Tables>({ dialect: dialectOver(threads, options ?? {}) })
  const inTransaction = new AsyncLocalStorage<{ open: boolean }>()
  return {
    dialect: 'sqlite',
    tables: () => handle(),
    transaction: async <Tables, Result>(
      work: (tx: Transaction<Tables>) => Promise<Result>,
      options?: TransactionOptions,
    ) => {
      if (inTransaction.getStore()?.open)
        throw new Error('a transaction was begun inside another and would wait for itself')
      const mark = { open: true }
      try {
        return await inTransaction.run(mark, () => handle<Tables>(options).transaction().execute(work))
      } finally {
        mark.open = false
      }
    },
    backup: (target) => copyDatabase(file, target),
    close: () => threads.close(),
  }
}

/** The threads over one file: the writer always, the reader while it has work. */
const createThreads = (file: string, options: SqliteOptions) => {
  const pragmas = options.maxPages ? [...writerPragmas, `max_page_count = ${options.maxPages}`] : writerPragmas
  const turns = createMutex()
  const heavy = new Set<string>()
  let writer: SqliteThread | null = null
  let reader: SqliteThread | null = null
  let readerEnd: NodeJS.Timeout | undefined
  let transaction: Promise<void> | null = null
  let closed = false

  const currentWriter = (): SqliteThread => {
    if (closed) throw new Error(`the database ${file} is closed`)
    if (!writer || writer.ended) writer = startThread({ file, readOnly: false, pragmas })
    return writer
  }
  const currentReader = (): SqliteThread => {
    if (closed) throw new Error(`the database ${file} is closed`)
    if (!reader || reader.ended) reader = startThread({ file, readOnly: true, pragmas: readerPragmas })
    return reader
  }
  const readAside = async (sql: string, parameters: readonly unknown[]): Promise<Rows> => {
    clearTimeout(readerEnd)
    const thread = currentReader()
    try {
      return await thread.run(sql, parameters)
    } finally {
      if (thread.pending === 0 && thread === reader) {
        clearTimeout(readerEnd)
        readerEnd = setTimeout(() => {
          reader = null
          thread.close().catch(() => {})
        }, options.readerIdleMs ?? 5_000).unref()
      }
    }
  }
  const rememberHeavy = (sql: string) => {
    if (heavy.size >= rememberedHeavyStatements) heavy.clear()
    heavy.add(sql)
  }

  return {
    writer: currentWriter,
    /** A connection of its own in this thread, for whoever has the turn to write. */
    inline: async (): Promise<Inline> => {
      if (closed) throw new Error(`the database ${file} is closed`)
      const { openInline } = await import('./sqlite-inline.ts')
      const { run, close } = openInline({ file, readOnly: false, pragmas: [...pragmas, ...inlinePragmas] })
      return {
        run,
        close: async () => {
          await close()
          const log = statSync(`${file}-wal`, { throwIfNoEntry: false })
          if (!log || log.size <= longLogBytes) return
          // What was committed stands in the log as well as in the file: where the disk has no room, a later commit tries again.
          await currentWriter()
            .run('PRAGMA wal_checkpoint(PASSIVE)', [])
            .catch(() => {})
        },
      }
    },
    /** Waits for its turn, then keeps single writes and light reads away until it is left. */
    enterTransaction: async (): Promise<() => void> => {
      const leave = await turns.enter()
      const { promise, resolve } = Promise.withResolvers<void>()
      transaction = promise
      return () => {
        transaction = null
        resolve()
        leave()
      }
    },
    /** A read outside every transaction: sees what was committed, nothing else. */
    read: async (sql: string, parameters: readonly unknown[]): Promise<Rows> => {
      if (!reader && transaction) await Promise.race([transaction, delay(shortTransactionMs)])
      if (transaction || reader || heavy.has(sql)) return readAside(sql, parameters)
      const rows = await currentWriter().runLight(sql, parameters)
      if (rows !== 'heavy' && rows.tookMs <= heavyMs) return rows
      rememberHeavy(sql)
      return rows === 'heavy' ? readAside(sql, parameters) : rows
    },
    /** A single write outside every transaction. */
    write: async (sql: string, parameters: readonly unknown[]): Promise<Rows> => {
      const leave = await turns.enter()
      try {
        return await currentWriter().run(sql, parameters)
      } finally {
        leave()
      }
    },
    close: async () => {
      const leave = await turns.enter()
      closed = true
      clearTimeout(readerEnd)
      await reader?.close()
      await writer?.close()
      leave()
    },
  }
}

type Threads = ReturnType<typeof createThreads>
/** Whom a transaction asks: the writer's thread, or a connection in this one. */
type Asked = SqliteThread | Inline

const dialectOver = (threads: Threads, options: TransactionOptions): Dialect => ({
  createDriver: () => new ThreadDriver(threads, options),
  createAdapter: () => new ThreadAdapter(),
  createIntrospector: (db) => new SqliteIntrospector(db),
  createQueryCompiler: () => new StorableQueryCompiler(),
})

class StorableQueryCompiler extends SqliteQueryCompiler {
  protected override addParameter(parameter: unknown): void {
    super.addParameter(storable(parameter))
  }
}

/** Kysely's own would let in one query at a time; here the threads say what may run beside what. */
class ThreadAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true
  }
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

class ThreadConnection implements DatabaseConnection {
  readonly #threads: Threads
  readonly #options: TransactionOptions
  #transaction: { readonly at: Asked; readonly leave: () => void } | null = null

  constructor(threads: Threads, options: TransactionOptions) {
    this.#threads = threads
    this.#options = options
  }

  async executeQuery<Row>({ sql, parameters, query }: CompiledQuery): Promise<QueryResult<Row>> {
    const reads = isRead(query.kind, sql)
    const found = this.#transaction
      ? await this.#transaction.at.run(sql, parameters)
      : await (reads ? this.#threads.read(sql, parameters) : this.#threads.write(sql, parameters))
    return answer<Row>(found, reads)
  }

  // biome-ignore lint/correctness/useYield: refuses before it yields
  async *streamQuery<Row>(): AsyncIterableIterator<QueryResult<Row>> {
    throw new Error('the store answers whole pages; ask with a limit')
  }

  async begin(): Promise<void> {
    const leave = await this.#threads.enterTransaction()
    let at: Asked | null = null
    try {
      at = this.#options.isLong ? await this.#threads.inline() : this.#threads.writer()
      // can only be set between transactions; nothing comes between, as the turn is ours
      const settings = this.#options.isDerived ? [at.run('PRAGMA synchronous = NORMAL', [])] : []
      await Promise.all([...settings, at.run('BEGIN IMMEDIATE', [])])
      this.#transaction = { at, leave }
    } catch (error) {
      if (at) await this.#done(at).finally(leave)
      else leave()
      throw error
    }
  }

  async end(statement: 'COMMIT' | 'ROLLBACK'): Promise<void> {
    const transaction = this.#transaction
    if (!transaction) return
    try {
      await transaction.at.run(statement, [])
    } catch (error) {
      // SQLite rolls back by itself on some errors (a full disk) and then has no transaction to roll back; on others it stays open
      await transaction.at.run('ROLLBACK', []).catch(() => {})
      if (statement === 'COMMIT') throw error
    } finally {
      this.#transaction = null
      await this.#done(transaction.at).finally(transaction.leave)
    }
  }

  /** The thread is durable again before anything else, as requests are answered in order; one that has ended is replaced by one that is. */
  async #done(at: Asked): Promise<void> {
    if (this.#options.isLong) await at.close()
    else if (this.#options.isDerived) at.run('PRAGMA synchronous = FULL', []).catch(() => {})
  }
}

class ThreadDriver implements Driver {
  readonly #threads: Threads
  readonly #options: TransactionOptions

  constructor(threads: Threads, options: TransactionOptions) {
    this.#threads = threads
    this.#options = options
  }
  async init(): Promise<void> {}
  async acquireConnection(): Promise<ThreadConnection> {
    return new ThreadConnection(this.#threads, this.#options)
  }
  async beginTransaction(connection: ThreadConnection): Promise<void> {
    await connection.begin()
  }
  async commitTransaction(connection: ThreadConnection): Promise<void> {
    await connection.end('COMMIT')
  }
  async rollbackTransaction(connection: ThreadConnection): Promise<void> {
    await connection.end('ROLLBACK')
  }
  async releaseConnection(): Promise<void> {}
  async destroy(): Promise<void> {}
}

/** Text of our own is looked at; what is wrongly taken for a write only waits for its turn. */
const isRead = (kind: string, sql: string): boolean =>
  kind === 'SelectQueryNode' ||
  /^\s*(select|values|explain)\b/i.test(sql) ||
  (/^\s*with\b/i.test(sql) && !/\b(insert|update|delete|replace)\b/i.test(sql))

/** The rows have the shape that the query's types promise; Kysely's own drivers hand them over in the same way. */
const answer = <Row>(found: Rows, reads: boolean): QueryResult<Row> => {
  const rows = found.rows as Row[]
  return reads ? { rows } : { rows, numAffectedRows: found.changes, insertId: found.insertId }
}

const unlessFull = (error: unknown): void => {
  if (!(error instanceof Problem && error.kind === 'disk-full')) throw error
}

/** Makes an empty file that nobody else may read, before SQLite would make one by the umask. */
const createClosed = (file: string): void => {
  closeSync(openSync(file, 'a', 0o600))
  const directory = openSync(dirname(file), 'r')
  fsyncSync(directory)
  closeSync(directory)
}
