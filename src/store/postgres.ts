import { AsyncLocalStorage } from 'node:async_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { Kysely, PostgresDialect, PostgresQueryCompiler, sql, type Transaction } from 'kysely'
import pg from 'pg'
import { describeError, Problem } from '../problem.ts'
import { describeUrl, dumpPostgres } from './postgres-backup.ts'
import type { Store, TransactionOptions } from './store.ts'
import { storable } from './text.ts'

const serializationFailure = '40001'
const deadlock = '40P01'
const diskFull = '53100'
const attempts = 12

/**
 * The store in a PostgreSQL database. Whole numbers of 64 bits arrive as numbers and throw beyond 2^53. Transactions are
 * serialisable and run again when PostgreSQL asks for it, so `work` may run several times. Throws a `Problem` when it cannot be reached.
 */
export const openPostgresStore = async (url: string): Promise<Store> => {
  const pool = new pg.Pool({ connectionString: url, max: 8, idleTimeoutMillis: 30_000, types: parsers() })
  pool.on('error', () => {}) // an idle connection ended; the next query opens another, or says why it cannot
  const handle = <Tables>() => new Kysely<Tables>({ dialect: new StorableDialect({ pool }) })
  try {
    await pool.query('SELECT 1')
  } catch (error) {
    await pool.end()
    throw unreachableStore(url, error)
  }
  let closing: Promise<void> | null = null
  const inTransaction = new AsyncLocalStorage<{ open: boolean }>()

  const once = async <Tables, Result>(
    work: (tx: Transaction<Tables>) => Promise<Result>,
    { isDerived = false }: TransactionOptions = {},
  ): Promise<Result> => {
    const mark = { open: true }
    try {
      const begun = handle<Tables>().transaction().setIsolationLevel('serializable')
      return await inTransaction.run(mark, () =>
        begun.execute(async (tx) => {
          if (isDerived) await sql`SET LOCAL synchronous_commit TO off`.execute(tx)
          return work(tx)
        }),
      )
    } finally {
      mark.open = false
    }
  }

  return {
    dialect: 'postgres',
    tables: handle,
    transaction: async (work, options) => {
      if (inTransaction.getStore()?.open) throw new Error('a transaction was begun inside another')
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await once(work, options)
        } catch (error) {
          const code = sqlState(error)
          if (code === diskFull) throw fullDisk(url, error)
          if (attempt === attempts || (code !== serializationFailure && code !== deadlock)) throw error
          await delay(2 ** Math.min(attempt, 7) * Math.random())
        }
      }
    },
    backup: (file) => dumpPostgres(url, file),
    close: () => {
      closing ??= pool.end()
      return closing
    },
  }
}

class StorableDialect extends PostgresDialect {
  override createQueryCompiler(): PostgresQueryCompiler {
    return new StorableQueryCompiler()
  }
}

class StorableQueryCompiler extends PostgresQueryCompiler {
  protected override addParameter(parameter: unknown): void {
    super.addParameter(storable(parameter))
  }
}

const parsers = () => {
  const overrides = new pg.TypeOverrides()
  overrides.setTypeParser(pg.types.builtins.INT8, wholeNumber)
  overrides.setTypeParser(pg.types.builtins.NUMERIC, numeric)
  return overrides
}

const wholeNumber = (digits: string): number => {
  const value = Number(digits)
  if (!Number.isSafeInteger(value)) throw new RangeError(`${digits} is beyond what a number holds exactly (2^53)`)
  return value
}

/** Sums of whole numbers are numeric in PostgreSQL and integers in SQLite; what a number cannot hold exactly stays text. */
const numeric = (digits: string): number | string => (String(Number(digits)) === digits ? Number(digits) : digits)

const sqlState = (error: unknown): string | null =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null

const fullDisk = (url: string, cause: unknown): Problem =>
  new Problem(
    {
      kind: 'disk-full',
      status: 507,
      detail: `the disk of the database ${describeUrl(url)} is full; nothing recorded so far was lost, and this change was not made`,
      next: 'free space on the machine of that PostgreSQL and do it again; Headway need not be restarted',
    },
    { cause },
  )

const unreachableStore = (url: string, cause: unknown): Problem =>
  new Problem(
    {
      kind: 'store-unreachable',
      status: 503,
      detail: `the database ${describeUrl(url)} cannot be used: ${describeError(cause)}`,
      next: 'see that PostgreSQL runs there and that the user, password and database of the URL are right, then start Headway again',
    },
    { cause },
  )
