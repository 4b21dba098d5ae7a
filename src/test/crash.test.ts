import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { killedAt, killsInARow, lifeEnvironment } from '../kills.testing.ts'

const program = fileURLToPath(new URL('crash-testing.ts', import.meta.url))

const life = (
  directory: string,
  env: Readonly<Record<string, string>>,
): Promise<{ signal: string | null; said: string }> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, directory], {
      env: { ...lifeEnvironment(), ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let [said, complaints] = ['', '']
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
  try {
    return await work(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

test('killed before or after any effect, the same results are kept and no others', async () => {
  const { expected, marks } = await inDirectory(async (directory) => {
    const trace = join(directory, 'trace')
    const { said } = await life(directory, { HEADWAY_FAILPOINT_TRACE: trace })
    const passed = new Set(readFileSync(trace, 'utf8').trim().split('\n'))
    return { expected: said, marks: [...passed].filter((mark) => /^(test|shelf)\./.test(mark)) }
  })
  assert.deepEqual(JSON.parse(expected).cases, ['kept'])
  assert.equal(JSON.parse(expected).files.length, 1)
  assert.deepEqual(marks.toSorted(), [
    'shelf.forget:after',
    'shelf.forget:before',
    'shelf.keep:after',
    'shelf.keep:before',
  ])
  for (const mark of marks)
    await inDirectory(async (directory) => {
      const env = killedAt(mark, directory)
      let last = await life(directory, env)
      assert.equal(last.signal, 'SIGKILL', `${mark} did not kill`)
      for (let kill = 1; kill <= killsInARow; kill += 1) last = await life(directory, env)
      assert.deepEqual(last.said, expected, mark)
    })
})
