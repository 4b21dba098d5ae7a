import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { killedAt, killsInARow, lifeEnvironment, marksToKillAt, patienceMs, sideBySide } from '../../kills.testing.ts'

const program = fileURLToPath(new URL('crash-testing.ts', import.meta.url))

const live = (root: string, environment: Record<string, string> = {}) =>
  new Promise<{ signal: string | null; output: string }>((resolve) => {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, root], {
      env: { ...lifeEnvironment(), ...environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
    child.once('close', (_, signal) => resolve({ signal, output }))
  })

const place = (): string => mkdtempSync(join(tmpdir(), 'headway-results-crash-'))

const expected = { artifacts: [['kept', 14]], caches: [], uploads: [], contents: 1 }

test('killed at any effect and started again, what jobs leave ends as if nothing had been', {
  timeout: patienceMs,
}, async () => {
  const traced = place()
  const trace = join(traced, 'trace')
  assert.deepEqual(JSON.parse((await live(traced, { HEADWAY_FAILPOINT_TRACE: trace })).output), expected)
  const marks = [...new Set(readFileSync(trace, 'utf8').split('\n'))].filter((mark) => mark.startsWith('build.'))
  rmSync(traced, { recursive: true, force: true })
  assert.ok(marks.includes('build.drop-partial:before') && marks.length >= 28, `these marks were passed: ${marks}`)
  const faults: string[] = []
  const suffer = async (mark: string): Promise<void> => {
    const root = place()
    const env = killedAt(mark, root)
    let last = await live(root, env)
    if (last.signal !== 'SIGKILL') faults.push(`${mark}: the process was not killed`)
    for (let kill = 1; kill <= killsInARow && last.signal === 'SIGKILL'; kill += 1) last = await live(root, env)
    if (last.output !== JSON.stringify(expected)) faults.push(`${mark}: ${last.output}`)
    rmSync(root, { recursive: true, force: true })
  }
  await sideBySide(marksToKillAt(marks), suffer)
  assert.deepEqual(faults, [])
})
