import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { killedAt, killsInARow, lifeEnvironment, marksToKillAt, sideBySide } from '../kills.testing.ts'

const program = fileURLToPath(new URL('crash-testing.ts', import.meta.url))

const life = (
  directory: string,
  env: Readonly<Record<string, string>>,
): Promise<{ signal: string | null; said: string }> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, directory], {
      env: { ...lifeEnvironment(), TMPDIR: directory, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let said = ''
    let complaints = ''
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8')
    })
    child.stderr.on('data', (chunk: Buffer) => {
      complaints += chunk.toString('utf8')
    })
    child.on('error', reject)
    child.on('close', (code, signal) => (code ? reject(new Error(complaints)) : resolve({ signal, said })))
  })

const inDirectory = async <Result>(work: (directory: string) => Promise<Result>): Promise<Result> => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-crash-'))
  chmodSync(directory, 0o711)
  try {
    return await work(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

test('killed at any effect, packaging ends as if nothing had happened', async () => {
  const { expected, marks } = await inDirectory(async (directory) => {
    const trace = join(directory, 'trace')
    const { said } = await life(directory, { HEADWAY_FAILPOINT_TRACE: trace })
    const passed = new Set(readFileSync(trace, 'utf8').trim().split('\n'))
    return { expected: said, marks: [...passed].filter((mark) => /^(package|processes)\./.test(mark)) }
  })
  assert.deepEqual(JSON.parse(expected).processes, 0, 'what a command left running is ended')
  assert.ok(marks.includes('processes.end-left-over:after'))
  assert.ok(marks.length >= 22, `only ${marks.join(', ')} were passed`)
  const suffer = (mark: string): Promise<void> =>
    inDirectory(async (directory) => {
      const env = killedAt(mark, directory)
      let last = await life(directory, env)
      assert.equal(last.signal, 'SIGKILL', `${mark} did not kill`)
      for (let kill = 1; kill <= killsInARow && last.signal === 'SIGKILL'; kill += 1) last = await life(directory, env)
      assert.deepEqual([mark, JSON.parse(last.said)], [mark, JSON.parse(expected)])
    })
  await sideBySide(marksToKillAt(marks, ['package.write-blob', 'package.write-index']), suffer, 3)
})
