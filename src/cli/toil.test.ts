import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toilCsv, writtenDown } from './toil.ts'

test('toil as CSV is a line for each that is done again and again, in quotes what people wrote', () => {
  const candidates = [
    { what: 'restarted "x", twice', source: 'logged' as const, times: 4, minutes: 40 },
    { what: 'rolled back shop', source: 'ledger' as const, times: 3, minutes: null },
  ]
  assert.equal(
    toilCsv({ candidates }),
    'what,source,times,minutes\n"restarted ""x"", twice",logged,4,40\n"rolled back shop",ledger,3,',
  )
})

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
