import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { systemClock } from '../../clock.ts'
import { killedAt, liveOnce, liveThrough, marksToKillAt } from '../../kills.testing.ts'
import { openLedger } from '../../ledger/open.ts'
import { openSqliteStore } from '../../store/sqlite.ts'
import { learnFacts } from '../facts.ts'

const effects = ['learn.write-digest', 'ledger.append']
const marks = effects.flatMap((name) => [`${name}:before`, `${name}:after`])

const program = join(import.meta.dirname, 'crash-testing.ts')

describe('killed while a digest is written and started again, there is one of that week, in the ledger and as a file', () => {
  for (const mark of marksToKillAt(marks, effects))
    test(mark, async () => {
      const directory = mkdtempSync(join(tmpdir(), 'headway-crash-'))
      try {
        const kills = join(directory, 'kills')
        mkdirSync(kills)
        const life = await liveThrough([program, directory], killedAt(mark, kills))
        assert.ok(life.kills >= 1)
        await liveOnce([program, directory])
        const store = await openSqliteStore(join(directory, 'headway.db'))
        const ledger = await openLedger({ store, definitions: learnFacts, clock: systemClock })
        const written = await ledger.read({ types: ['digest.written'] })
        await store.close()
        const files = join(directory, 'digests/default')
        assert.equal(written.length, 1)
        assert.deepEqual(
          readdirSync(files).map((name) => [name, readFileSync(join(files, name), 'utf8')]),
          [['2026-01-05.md', '# a week']],
        )
      } finally {
        rmSync(directory, { recursive: true, force: true })
      }
    })
})
