import { writeSync } from 'node:fs'
import { sql } from 'kysely'
import { z } from 'zod'
import { systemClock } from '../clock.ts'
import { openStore } from '../store/open.ts'
import { defineFact, fact, isFact } from './fact.ts'
import type { View } from './ledger.ts'
import { ledgerMigrations } from './migrations.ts'
import { openLedger } from './open.ts'
import { openViews } from './views.ts'

/** Run by the crash tests in a process of its own: appends to the store named by its argument and says what was acknowledged. */
export const counted = defineFact('crash.counted', 1, z.object({ who: z.string(), number: z.number() }))

/** The newest number of each; moved by every fact, so that a lost or doubled one shows. */
export const countView: View<{ crash_counts: { who: string; facts: number; newest: number } }> = {
  name: 'crash',
  version: 1,
  create: (db) =>
    db.schema
      .createTable('crash_counts')
      .addColumn('who', 'text', (column) => column.primaryKey())
      .addColumn('facts', 'bigint', (column) => column.notNull())
      .addColumn('newest', 'double precision', (column) => column.notNull())
      .execute(),
  drop: (db) => db.schema.dropTable('crash_counts').execute(),
  apply: async (tx, recorded) => {
    if (!isFact(counted, recorded)) return
    const { who, number } = recorded.payload
    await tx
      .insertInto('crash_counts')
      .values({ who, facts: 1, newest: number })
      .onConflict((conflict) =>
        conflict.column('who').doUpdateSet((row) => ({
          facts: sql<number>`${row.ref('crash_counts.facts')} + 1`,
          newest: number,
        })),
      )
      .execute()
  },
}

const life = async (place: string): Promise<void> => {
  const store = await openStore(place, { migrations: ledgerMigrations, program: 'test', clock: systemClock })
  const ledger = await openLedger({ store, definitions: [counted], clock: systemClock })
  await openViews({ store, ledger, views: [countView] })
  const count = async (who: string): Promise<void> => {
    for (let number = 1; ; number += 1) {
      const about = { subject: who, actor: 'system:test' }
      const halves = [number - 0.5, number].map((half) => fact(counted, { ...about, payload: { who, number: half } }))
      const outcome = await ledger.append(halves)
      if (outcome.kind === 'appended') writeSync(1, `${who} ${number}\n`)
    }
  }
  await Promise.all(['a', 'b', 'c', 'd'].map((who) => count(`${who}-${process.pid}`)))
}

const [, program, place] = process.argv
if (program === import.meta.filename && place !== undefined) await life(place)
