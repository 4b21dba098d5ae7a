import type { Migration } from '../store/migrations.ts'
import { createCursorTable, createLedgerTables } from './tables.ts'

/** The ledger's own tables; first in the list that `openStore` is given. */
export const ledgerMigrations: readonly Migration[] = [
  { name: 'ledger-facts', up: createLedgerTables },
  { name: 'ledger-cursors', up: createCursorTable },
]
