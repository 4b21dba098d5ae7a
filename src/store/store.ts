import type { Kysely, Transaction } from 'kysely'

/**
 * The relational store beneath the ledger and the views: SQLite in worker threads, or PostgreSQL. Stages write their queries
 * once, in Kysely, in the subset that both understand; each stage types the handle with its own tables.
 */
export type Store = {
  readonly dialect: 'sqlite' | 'postgres'
  /** A handle for reading (and for single autocommitted writes), typed by the caller's tables. Heavy reads never block writes. */
  tables<Tables>(): Kysely<Tables>
  /** Runs `work` in one durable, serialisable transaction; rolled back when it throws. Not re-entrant. */
  transaction<Tables, Result>(
    work: (tx: Transaction<Tables>) => Promise<Result>,
    options?: TransactionOptions,
  ): Promise<Result>
  /** Writes a consistent copy of everything to a file while the store is in use. */
  backup(file: string): Promise<void>
  close(): Promise<void>
}

export type TransactionOptions = {
  /**
   * What is written follows from what is durable already: the transaction does not wait for the disk. Should the machine lose its power, the
   * newest of these may be gone, whole and in order, and are made anew from where their cursor stands.
   */
  readonly isDerived?: boolean
  /**
   * Very many small statements, one after the other: SQLite is asked in this thread, which others get every few milliseconds, as the way of
   * each to another thread and back would take most of the time.
   */
  readonly isLong?: boolean
}
