import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('crash-testing.ts', import.meta.url))

const life = (
  directory: string,
  env: Readonly<Record<string, string>>,
): Promise<{ signal: string | null; said: string }> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, directory], {
      env: { PATH: process.env.PATH, TMPDIR: directory, ...env },
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

test('killed before or after any effect, twice in a row, packaging ends as if nothing had happened', async () => {
  const { expected, marks } = await inDirectory(async (directory) => {
    const trace = join(directory, 'trace')
    const { said } = await life(directory, { HEADWAY_FAILPOINT_TRACE: trace })
    const passed = new Set(readFileSync(trace, 'utf8').trim().split('\n'))
    return { expected: said, marks: [...passed].filter((mark) => /^(package|processes)\./.test(mark)) }
  })
  assert.deepEqual(JSON.parse(expected).processes, 0, 'what a command left running is ended')
  assert.ok(marks.includes('processes.end-left-over:after'))
  assert.ok(marks.length >= 22, `only ${marks.join(', ')} were passed`)
  const waiting = [...marks]
  const worker = async () => {
    for (let mark = waiting.shift(); mark !== undefined; mark = waiting.shift()) {
      const HEADWAY_FAILPOINT = mark
      await inDirectory(async (directory) => {
        const env = { HEADWAY_FAILPOINT, HEADWAY_FAILPOINT_TIMES: `2:${directory}` }
        const killed = [(await life(directory, env)).signal, (await life(directory, env)).signal]
        const last = await life(directory, env)
        assert.equal(killed[0], 'SIGKILL', `${mark} did not kill`)
        assert.deepEqual(
          [mark, JSON.parse(last.said || (await life(directory, {})).said)],
          [mark, JSON.parse(expected)],
        )
      })
    }
  }
  await Promise.all([worker(), worker(), worker()])
})
