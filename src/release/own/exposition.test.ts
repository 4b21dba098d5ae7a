import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readSeries } from './exposition.ts'

const page = `# HELP payments_total Payments.
# TYPE payments_total counter
payments_total{outcome="failed",shop="a}b"} 3
payments_total{outcome="failed",shop="c\\"d\\\\",} 4 1700000000000
payments_total{ outcome = "good" , shop="e" } 93.5
payments_total_created 1.7e9
queue_length 17
queue_length_max +Inf
broken{outcome="failed" 5
nothing NaN
huge 1e300
# EOF
`

test('a series is the sum of what its labels match', () => {
  const wanted = [
    ...['payments_total', 'payments_total{outcome="failed"}', 'payments_total{outcome!="failed",shop="e"}'],
    ...['payments_total{shop="a}b"}', 'payments_total{unknown=""}', 'queue_length'],
  ]
  assert.deepEqual(
    [...readSeries(page, wanted)].sort(([one], [other]) => (one < other ? -1 : 1)),
    [
      ['payments_total', 100.5],
      ['payments_total{outcome!="failed",shop="e"}', 93.5],
      ['payments_total{outcome="failed"}', 7],
      ['payments_total{shop="a}b"}', 3],
      ['payments_total{unknown=""}', 100.5],
      ['queue_length', 17],
    ],
  )
})

test('what cannot be counted with is left out, and what is not there is not made up', () => {
  assert.deepEqual([...readSeries(page, ['queue_length_max', 'broken', 'nothing', 'huge', 'elsewhere'])], [])
  assert.deepEqual([...readSeries(`payments_total\n<html>\n${'x{'.repeat(50_000)}`, ['payments_total', 'x'])], [])
})
