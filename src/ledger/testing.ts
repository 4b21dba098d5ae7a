import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import { openSqliteStore } from '../store/sqlite.ts'
import type { Store } from '../store/store.ts'
import { testClock } from '../testing.ts'
import type { FactDefinition } from './fact.ts'
import { ledgerFacts } from './facts.ts'
import type { Ledger, View, Views } from './ledger.ts'
import { createLedgerTables, openLedger } from './open.ts'
import { createCursorTable, openViews } from './views.ts'

export type TestLedger = AsyncDisposable & {
  readonly store: Store
  readonly ledger: Ledger
  readonly views: Views
  readonly directory: string
}

/** A real ledger on SQLite in a temporary directory that goes when it is disposed of. */
export const openTestLedger = async (options: {
  definitions: readonly FactDefinition[]
  views?: readonly View[]
  clock?: Clock
}): Promise<TestLedger> => {
  const directory = await mkdtemp(join(tmpdir(), 'headway-ledger-'))
  const store = await openSqliteStore(join(directory, 'headway.db'))
  await createLedgerTables(store.tables(), store.dialect)
  await createCursorTable(store.tables())
  const clock = options.clock ?? testClock()
  const ledger = await openLedger({ store, definitions: [...ledgerFacts, ...options.definitions], clock })
  const views = await openViews({ store, ledger, views: options.views ?? [] })
  return {
    store,
    ledger,
    views,
    directory,
    [Symbol.asyncDispose]: async () => {
      await views.stop()
      await store.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
