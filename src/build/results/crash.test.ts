import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { killedAt, liveOnce, liveThrough, marksToKillAt, patienceMs, sideBySide } from '../../kills.testing.ts'

const program = fileURLToPath(new URL('crash-testing.ts', import.meta.url))

const place = (): string => mkdtempSync(join(tmpdir(), 'headway-results-crash-'))

const expected = { artifacts: [['kept', 14]], caches: [], uploads: [], contents: 1 }

test('killed at any effect and started again, what jobs leave ends as if nothing had been', {
  timeout: patienceMs,
}, async () => {
  const traced = place()
  const trace = join(traced, 'trace')
  assert.deepEqual(JSON.parse((await liveOnce([program, traced], { HEADWAY_FAILPOINT_TRACE: trace })).said), expected)
  const marks = [...new Set(readFileSync(trace, 'utf8').split('\n'))].filter((mark) => mark.startsWith('build.'))
  rmSync(traced, { recursive: true, force: true })
  assert.ok(marks.includes('build.drop-partial:before') && marks.length >= 28, `these marks were passed: ${marks}`)
  const faults: string[] = []
  const suffer = async (mark: string): Promise<void> => {
    const root = place()
    const { kills, said } = await liveThrough([program, root], killedAt(mark, root))
    if (kills === 0) faults.push(`${mark}: the process was not killed`)
    if (said !== JSON.stringify(expected)) faults.push(`${mark}: ${said}`)
    rmSync(root, { recursive: true, force: true })
  }
  await sideBySide(marksToKillAt(marks), suffer)
  assert.deepEqual(faults, [])
})
