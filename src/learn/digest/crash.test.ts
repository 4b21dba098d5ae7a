import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { systemClock } from '../../clock.ts'
import { killedAt, marksToKillAt } from '../../kills.testing.ts'
import { openLedger } from '../../ledger/open.ts'
import { openSqliteStore } from '../../store/sqlite.ts'
import { learnFacts } from '../facts.ts'

const effects = ['learn.write-digest', 'ledger.append']
const marks = effects.flatMap((name) => [`${name}:before`, `${name}:after`])

const live = async (directory: string, env: Record<string, string>) => {
  const script = join(import.meta.dirname, 'crash-testing.ts')
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, directory], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk
  })
  await once(child, 'close')
  if (child.exitCode !== 0 && child.signalCode !== 'SIGKILL') assert.fail(said)
  return child.signalCode
}

describe('killed while a digest is written and started again, there is one of that week, in the ledger and as a file', () => {
  for (const mark of marksToKillAt(marks, effects))
    test(mark, async () => {
      const directory = mkdtempSync(join(tmpdir(), 'headway-crash-'))
      try {
        const kills = join(directory, 'kills')
        mkdirSync(kills)
        const env = killedAt(mark, kills)
        while ((await live(directory, env)) === 'SIGKILL');
        assert.ok(readdirSync(kills).length >= 1)
        await live(directory, {})
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
