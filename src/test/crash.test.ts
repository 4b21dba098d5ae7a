import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { killedAt, killsInARow, liveOnce, liveThrough } from '../kills.testing.ts'
import { inDirectory } from '../testing.ts'

const program = fileURLToPath(new URL('crash-testing.ts', import.meta.url))

test('killed before or after any effect, the same results are kept and no others', async () => {
  const { expected, marks } = await inDirectory(async (directory) => {
    const trace = join(directory, 'trace')
    const { said } = await liveOnce([program, directory], { HEADWAY_FAILPOINT_TRACE: trace })
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
      const { kills, said } = await liveThrough([program, directory], killedAt(mark, directory))
      assert.deepEqual([mark, kills, said], [mark, killsInARow, expected])
    })
})
