import assert from 'node:assert/strict'
import { test } from 'node:test'
import { writtenDown } from './toil.ts'

test('what was written down is told by its time, and nothing is not 0 ms', () => {
  assert.deepEqual(
    [
      { minutes: 0, entries: 0 },
      { minutes: 10, entries: 1 },
      { minutes: 150, entries: 4 },
    ].map(writtenDown),
    ['no work by hand was written down', '10 min of work by hand in 1 entry', '3 h of work by hand in 4 entries'],
  )
})
