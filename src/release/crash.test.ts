import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { killedAt, killsInARow, liveOnce, liveThrough } from '../kills.testing.ts'
import { inDirectory } from '../testing.ts'

const program = fileURLToPath(new URL('crash-testing.ts', import.meta.url))

test('killed before or after any effect, the same was judged in the end, and kept', async () => {
  const { expected, marks } = await inDirectory(async (directory) => {
    const trace = join(directory, 'trace')
    const { said } = await liveOnce([program, directory], { HEADWAY_FAILPOINT_TRACE: trace })
    const passed = new Set(readFileSync(trace, 'utf8').trim().split('\n'))
    return { expected: said, marks: [...passed].filter((mark) => /^(release|shelf)\./.test(mark)) }
  })
  assert.deepEqual(JSON.parse(expected), {
    ...{ verdict: 'inconclusive', cause: 'undecided', forgotten: true, isNamed: true },
    baseline: { requests: 1900, errors: 3, restarts: 0 },
    canary: { requests: 100, errors: 1, restarts: 1 },
  })
  assert.deepEqual(
    marks.filter((mark) => mark.endsWith(':after')).toSorted(),
    ['release.begin', 'release.forget-judgings', 'release.keep-batch', 'shelf.forget', 'shelf.keep'].map(
      (name) => `${name}:after`,
    ),
  )
  for (const mark of marks)
    await inDirectory(async (directory) => {
      const { kills, said } = await liveThrough([program, directory], killedAt(mark, directory))
      assert.deepEqual([mark, kills, said], [mark, killsInARow, expected])
    })
})
