import { type Compilable, PostgresAdapter } from 'kysely'
import type { Tx } from './lane.ts'

/** Asks without waiting for what was asked before. */
export type Ask = <Row>(query: Compilable<Row>) => Promise<Row[]>

/**
 * Statements of one transaction that are sent at once and answered in their order. Kysely itself lets a transaction send one at a time, and
 * most of what a small statement takes is its way to the store's thread and back. PostgreSQL's client wants to be asked one by one. While
 * this is at work nothing else may be asked of the transaction.
 */
export const together = <Result>(tx: Tx, work: (ask: Ask) => Promise<Result>): Promise<Result> => {
  const executor = tx.getExecutor()
  const isOneByOne = executor.adapter instanceof PostgresAdapter
  return executor.provideConnection((connection) => {
    let last: Promise<unknown> = Promise.resolve()
    return work(async <Row>(query: Compilable<Row>) => {
      const ask = () => connection.executeQuery<Row>(query.compile())
      const asked = isOneByOne ? last.then(ask) : ask()
      last = asked
      return (await asked).rows
    })
  })
}
