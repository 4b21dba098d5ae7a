import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { killedAt, liveOnce, liveThrough, marksToKillAt, sideBySide } from '../kills.testing.ts'
import { inDirectory } from '../testing.ts'

const program = fileURLToPath(new URL('crash-testing.ts', import.meta.url))

test('killed at any effect, packaging ends as if nothing had happened', async () => {
  const { expected, marks } = await inDirectory(async (directory) => {
    const trace = join(directory, 'trace')
    const { said } = await liveOnce([program, directory], { TMPDIR: directory, HEADWAY_FAILPOINT_TRACE: trace })
    const passed = new Set(readFileSync(trace, 'utf8').trim().split('\n'))
    return { expected: said, marks: [...passed].filter((mark) => /^(package|processes)\./.test(mark)) }
  })
  assert.deepEqual(JSON.parse(expected).processes, 0, 'what a command left running is ended')
  assert.ok(marks.includes('processes.end-left-over:after'))
  assert.ok(marks.length >= 22, `only ${marks.join(', ')} were passed`)
  const suffer = (mark: string): Promise<void> =>
    inDirectory(async (directory) => {
      const { kills, said } = await liveThrough([program, directory], {
        TMPDIR: directory,
        ...killedAt(mark, directory),
      })
      assert.ok(kills > 0, `${mark} did not kill`)
      assert.deepEqual([mark, JSON.parse(said)], [mark, JSON.parse(expected)])
    })
  await sideBySide(marksToKillAt(marks, ['package.write-blob', 'package.write-index']), suffer, 3)
})
