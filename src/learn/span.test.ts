import assert from 'node:assert/strict'
import { test } from 'node:test'
import { inTime, ofSpan, spanOf } from './span.ts'

const now = Date.UTC(2026, 5, 1)
const isMoment = (text: string): boolean => inTime.since.safeParse(text).success

test('a day begins at midnight in the zone that is named, also where clocks are set in between', () => {
  // In Berlin clocks are set forward on 2026-03-29.
  assert.deepEqual(
    ['UTC', 'Europe/Berlin', 'Asia/Kathmandu'].map((zone) => {
      const { from, until } = spanOf({ since: '2026-03-29', until: '2026-03-30', zone }, now)
      return [new Date(from).toISOString(), (until - from) / 3_600_000]
    }),
    [
      ['2026-03-29T00:00:00.000Z', 24],
      ['2026-03-28T23:00:00.000Z', 23],
      ['2026-03-28T18:15:00.000Z', 24],
    ],
  )
})

test('milliseconds are taken as they are, and without any the last thirty days are asked about', () => {
  assert.deepEqual(spanOf({ since: '5', until: '7', zone: 'UTC' }, now), { from: 5, until: 7 })
  assert.deepEqual(spanOf({ zone: 'UTC' }, now), { from: now + 1 - 30 * 86_400_000, until: now + 1 })
})

test('what is no moment is refused', () => {
  assert.deepEqual(['0', '1700000000000', '2026-02-28', '2024-02-29'].filter(isMoment).length, 4)
  assert.deepEqual(
    ['', '-1', '1.5', '9'.repeat(20), '2026-02-29', '2026-13-01', '2026-1-1', '0001-01-01', 'yesterday'].filter(
      isMoment,
    ),
    [],
  )
  const { error } = ofSpan.safeParse({ since: 'soon' })
  assert.match(error?.message ?? '', /neither milliseconds since 1970 nor a day as 2026-01-31/)
})

test('a span that ends before it begins is refused, as is one that is still to come and a zone that nobody knows', () => {
  const refused = (since: string, until: string | undefined, zone = 'UTC') => {
    try {
      return spanOf({ since, until, zone }, now)
    } catch (error) {
      return error instanceof Error && 'kind' in error ? error.kind : error
    }
  }
  assert.deepEqual(
    [
      refused('2026-01-02', '2026-01-01'),
      refused('2026-01-01', '2026-01-01'),
      refused('2026-07-01', undefined),
      refused('1960-01-01', '1961-01-01'),
      refused('2026-01-01', '2026-01-02', 'Mars/Olympus'),
    ],
    ['empty-span', 'empty-span', 'empty-span', 'empty-span', 'unknown-time-zone'],
  )
})
