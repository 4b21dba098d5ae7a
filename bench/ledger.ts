import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { z } from 'zod'
import { defineFact, fact } from '../src/ledger/fact.ts'
import { openTestLedger } from '../src/ledger/testing.ts'

const measured = defineFact('bench.measured', 1, z.object({ number: z.number(), text: z.string() }))
const one = (number: number) => [
  fact(measured, {
    subject: `bench:${number % 100}`,
    actor: 'user:bench',
    payload: { number, text: 'some words of a usual length' },
  }),
]

/** Durable appends a second, alone and 64 at a time, beside bare SQLite with the same durability on the same disk. */
export const measureLedger = async (say: (name: string, figure: string) => void): Promise<void> => {
  await using opened = await openTestLedger({ definitions: [measured] })
  const { ledger } = opened
  const alone = await perSecond(2000, async () => {
    for (let number = 0; number < 2000; number += 1) await ledger.append(one(number))
  })
  const together = await perSecond(64_000, async () => {
    for (let round = 0; round < 1000; round += 1)
      await Promise.all(Array.from({ length: 64 }, (_, place) => ledger.append(one(round * 64 + place))))
  })
  const bare = bareInserts(2000)
  say('ledger appends a second, one at a time, each durable', alone.toFixed(0))
  say('  baseline: bare node:sqlite inserts, one at a time', `${bare.toFixed(0)}; ratio ${(alone / bare).toFixed(2)}`)
  say('ledger appends a second, 64 at a time, each durable', together.toFixed(0))
}

const perSecond = async (count: number, work: () => Promise<void>): Promise<number> => {
  const began = performance.now()
  await work()
  return count / ((performance.now() - began) / 1000)
}

const bareInserts = (count: number): number => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-bench-'))
  const database = new DatabaseSync(join(directory, 'bare.db'))
  database.exec(
    'PRAGMA journal_mode = wal; PRAGMA synchronous = full; CREATE TABLE facts (seq INTEGER PRIMARY KEY, envelope TEXT, payload TEXT)',
  )
  const insert = database.prepare('INSERT INTO facts VALUES (?, ?, ?)')
  const began = performance.now()
  for (let number = 1; number <= count; number += 1) insert.run(number, 'x'.repeat(300), 'y'.repeat(60))
  const rate = count / ((performance.now() - began) / 1000)
  database.close()
  rmSync(directory, { recursive: true, force: true })
  return rate
}
