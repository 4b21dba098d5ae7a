import assert from 'node:assert/strict'
import { test } from 'node:test'
import { toilCsv } from './toil.ts'

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
