import { writeSync } from 'node:fs'
import { z } from 'zod'
import { systemClock } from '../clock.ts'
import { openStore } from '../store/open.ts'
import { defineFact, isFact } from './fact.ts'
import type { View } from './ledger.ts'
import { ledgerMigrations } from './migrations.ts'
import { openLedger } from './open.ts'
import { openViews } from './views.ts'

/** Run by the kill tests in a process of its own: opens the views of the store named by its argument, rebuilds them when asked to, says their digest. */
export const heard = defineFact('rebuild.heard', 1, z.object({ word: z.string() }))

const viewOf = (name: string): View<Record<string, { seq: number; word: string }>> => ({
  name,
  version: 1,
  create: async (db) => {
    await db.schema
      .createTable(name)
      .addColumn('seq', 'bigint', (column) => column.primaryKey())
      .addColumn('word', 'text', (column) => column.notNull())
      .execute()
    await db.schema.createIndex(`${name}_word`).on(name).column('word').execute()
  },
  drop: (db) => db.schema.dropTable(name).execute(),
  apply: async (tx, recorded) => {
    if (!isFact(heard, recorded)) return
    await tx.insertInto(name).values({ seq: recorded.seq, word: recorded.payload.word }).execute()
  },
})

/** Two, so that one may be new while the other is old. */
export const heardViews = [viewOf('heard_first'), viewOf('heard_second')]

const life = async (place: string, what: string | undefined): Promise<void> => {
  const store = await openStore(place, { migrations: ledgerMigrations, program: 'test', clock: systemClock })
  const ledger = await openLedger({ store, definitions: [heard], clock: systemClock })
  const views = await openViews({ store, ledger, views: heardViews })
  if (what === 'rebuild') await views.rebuild((applied) => void writeSync(1, `${applied}\n`))
  writeSync(1, `${await views.digest()}\n`)
  await views.stop()
  await store.close()
}

const [, program, place, what] = process.argv
if (program === import.meta.filename && place !== undefined) await life(place, what)
