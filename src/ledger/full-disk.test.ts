import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { Problem } from '../problem.ts'
import { migrate } from '../store/migrations.ts'
import { openSqliteStore } from '../store/sqlite.ts'
import { testClock } from '../testing.ts'
import { defineFact, fact } from './fact.ts'
import { ledgerMigrations } from './migrations.ts'
import { openLedger } from './open.ts'
import { verifyLedger } from './verify.ts'

const noted = defineFact('note.written', 1, z.object({ text: z.string() }))
const note = (text: string) => fact(noted, { subject: 'note:1', actor: 'user:ada', payload: { text } })

test('a full disk refuses appends with a remedy; what was acknowledged stays, and the chain goes on when there is room', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-full-'))
  try {
    const clock = testClock()
    const store = await openSqliteStore(join(directory, 'a.db'), { maxPages: 80 })
    await migrate(store, { migrations: ledgerMigrations, program: 'test', clock })
    const ledger = await openLedger({ store, definitions: [noted], clock })
    await ledger.append([note('before')])
    const settled = await Promise.allSettled(
      ['one', 'x'.repeat(500_000), 'two'].map((text) => ledger.append([note(text)])),
    )
    for (const outcome of settled)
      assert.ok(
        outcome.status === 'rejected' && outcome.reason instanceof Problem && outcome.reason.kind === 'disk-full',
      )
    await ledger.append([note('after')])
    assert.deepEqual(
      (await ledger.read({})).map(({ seq, payload }) => [seq, payload]),
      [
        [1, { text: 'before' }],
        [2, { text: 'after' }],
      ],
    )
    assert.equal((await verifyLedger(store)).kind, 'whole')
    await store.close()
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
