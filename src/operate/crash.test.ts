import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { systemClock } from '../clock.ts'
import { homeAt } from '../home.ts'
import { killedAt, marksToKillAt } from '../kills.testing.ts'
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

const live = async (root: string, env: Record<string, string>): Promise<NodeJS.Signals | number | null> => {
  const script = join(import.meta.dirname, 'crash-testing.ts')
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, root], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk
  })
  await once(child, 'close')
  if (child.exitCode !== 0 && child.signalCode !== 'SIGKILL') assert.fail(said)
  return child.signalCode ?? child.exitCode
}

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
      const env = killedAt(mark, kills)
      try {
        let runs = 1
        while ((await live(root, env)) !== 0) runs += 1
        assert.equal(runs - 1, readdirSync(kills).length)
        assert.ok(runs > 1, 'it was never killed')
        assert.deepEqual(readdirSync(home.databases), ['postgres'], 'nothing is left over')
      } finally {
        const edge = { edgeHost: '127.0.0.1', edgePort: 0 }
        const runtime = await connectProcessRuntime({ home, clock: systemClock, ...edge })
        await runtime.shutdown('stop')
        rmSync(directory, { recursive: true, force: true })
      }
    })
})
