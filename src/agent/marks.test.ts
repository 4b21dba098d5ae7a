import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'

const execute = promisify(execFile)
const program = join(import.meta.dirname, 'life.testing.ts')
const atOnce = 4

const live = async (env: Readonly<Record<string, string>>): Promise<string> => {
  try {
    const { stdout } = await execute(process.execPath, ['--disable-warning=ExperimentalWarning', program], {
      env: { ...process.env, ...env },
      timeout: 120_000,
    })
    return stdout
  } catch (error) {
    return String(error)
  }
}

test('killed at every mark, twice in a row, an agent ends in the same place', { timeout: 900_000 }, async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'hw-marks-'))
  context.after(() => rmSync(directory, { recursive: true }))
  const trace = join(directory, 'trace')
  const expected = await live({ HEADWAY_FAILPOINT_TRACE: trace })
  assert.match(expected, /nothing runs/)
  const marks = [...new Set(readFileSync(trace, 'utf8').trim().split('\n'))].filter((mark) => mark.startsWith('agent.'))
  const unequal: string[] = []
  const left = [...marks]
  const work = async (): Promise<void> => {
    for (let mark = left.pop(); mark !== undefined; mark = left.pop()) {
      const kills = join(directory, mark.replaceAll(':', '-'))
      mkdirSync(kills)
      const ended = await live({ HEADWAY_FAILPOINT: mark, HEADWAY_FAILPOINT_TIMES: `2:${kills}` })
      if (ended !== expected) unequal.push(`${mark}\n${ended}`)
      if (!existsSync(join(kills, 'kill-1'))) unequal.push(`${mark}: nothing was killed there`)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  context.diagnostic(`${marks.length} marks`)
  assert.deepEqual(unequal, [])
  assert.ok(marks.length > 40)
})
