import { writeSync } from 'node:fs'
import { z } from '@hono/zod-openapi'
import { systemClock } from '../clock.ts'
import { openStore } from '../store/open.ts'
import { defineFact, fact } from './fact.ts'
import { ledgerMigrations } from './migrations.ts'
import { openLedger } from './open.ts'

/** Run by the crash tests in a process of its own: appends to the store named by its argument and says what was acknowledged. */
export const counted = defineFact('crash.counted', 1, z.object({ who: z.string(), number: z.number() }))

const life = async (place: string): Promise<void> => {
  const store = await openStore(place, { migrations: ledgerMigrations, program: 'test', clock: systemClock })
  const ledger = await openLedger({ store, definitions: [counted], clock: systemClock })
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
