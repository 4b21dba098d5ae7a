import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import { type Migration, migrate } from '../store/migrations.ts'
import { openSqliteStore } from '../store/sqlite.ts'
import type { Store } from '../store/store.ts'
import { testClock } from '../testing.ts'
import type { FactDefinition } from './fact.ts'
import type { Ledger, View, Views } from './ledger.ts'
import { ledgerMigrations } from './migrations.ts'
import { openLedger } from './open.ts'
import { openViews } from './views.ts'

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
  /** The tables beside the views that the room under test needs. */
  migrations?: readonly Migration[]
  clock?: Clock
}): Promise<TestLedger> => {
  const clock = options.clock ?? testClock()
  const directory = await mkdtemp(join(tmpdir(), 'headway-ledger-'))
  const store = await openSqliteStore(join(directory, 'headway.db'))
  await migrate(store, { migrations: [...ledgerMigrations, ...(options.migrations ?? [])], program: 'test', clock })
  const ledger = await openLedger({ store, definitions: options.definitions, clock })
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
