import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from '../../clock.ts'
import { openJobLog } from './log.ts'
import { createLineParser } from './log-lines.ts'

test('lines have the time at which they came, whoever looks like a stamp, also behind those of an older log', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-log-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const file = join(directory, 'job.log')
  writeFileSync(file, '5 older\n5 12 monkeys\n7 half a li')
  let now = 10
  const log = openJobLog(file, { ...systemClock, now: () => now }, () => undefined)
  log.write('one\ntwo\n')
  log.write(Buffer.from('three\n12 é\n'))
  now = 20
  log.write(Buffer.from('\u000199\n\u0001'.concat('x\n')))
  log.write('\u0001text\n')
  assert.deepEqual(log.lastLines(3), ['\u000199', '\u0001x', '\u0001text'])
  await log.close()
  assert.deepEqual(
    [...createLineParser()(readFileSync(file, 'utf8'))],
    [
      { at: 5, text: 'older' },
      { at: 5, text: '12 monkeys' },
      { at: 7, text: 'half a li' },
      ...['one', 'two', 'three', '12 é'].map((text) => ({ at: 10, text })),
      ...[' \u000199', ' \u0001x', ' \u0001text'].map((text) => ({ at: 20, text })),
    ],
  )
})
