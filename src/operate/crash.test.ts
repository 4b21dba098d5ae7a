import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { systemClock } from '../clock.ts'
import { homeAt } from '../home.ts'
import { killedAt, liveThrough, marksToKillAt } from '../kills.testing.ts'
import { connectProcessRuntime } from '../runtimes/process/index.ts'

const names = [
  'operate.keep-credential',
  'operate.init-postgres',
  'operate.keep-port',
  'operate.start-postgres',
  'operate.create-role',
  'operate.create-database',
  'operate.backup',
  'operate.restore-copy',
  'operate.stop-postgres',
  'operate.restore-aside',
  'operate.restore-swap',
  'operate.restore-done',
  'operate.clear-init',
  'operate.clear-backup',
  'operate.recover-postgres',
  'operate.copy-out',
  'operate.copy-in',
  'operate.copy-forget',
  'operate.drop-database',
  'operate.drop-role',
  'operate.forget-credential',
]

const program = join(import.meta.dirname, 'crash-testing.ts')

describe('killed around any effect on the engine and started again, the data is there', { concurrency: 2 }, () => {
  const marks = names.flatMap((name) => [`${name}:before`, `${name}:after`])
  for (const mark of marksToKillAt(marks, ['operate.init-postgres', 'operate.restore-swap', 'operate.copy-in']))
    test(mark, async () => {
      const directory = mkdtempSync(join(tmpdir(), 'headway-crash-'))
      chmodSync(directory, 0o711)
      const root = join(directory, 'home')
      const home = homeAt(root, {})
      const kills = join(directory, 'kills')
      mkdirSync(kills)
      try {
        const life = await liveThrough([program, root], killedAt(mark, kills))
        assert.equal(life.kills, readdirSync(kills).length)
        assert.ok(life.kills > 0, 'it was never killed')
        assert.deepEqual(readdirSync(home.databases), ['postgres'], 'nothing is left over')
      } finally {
        const edge = { edgeHost: '127.0.0.1', edgePort: 0 }
        const runtime = await connectProcessRuntime({ home, clock: systemClock, ...edge })
        await runtime.shutdown('stop')
        rmSync(directory, { recursive: true, force: true })
      }
    })
})
