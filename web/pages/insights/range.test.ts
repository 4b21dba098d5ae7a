import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dayAt, daysAfter, rangeOf, type Said } from './range.ts'

const now = Date.UTC(2026, 5, 30, 22, 30)
const read = (said: Said) => rangeOf(said, 'UTC', now)

test('without a word it is ninety days by the week, up to now', () => {
  const { range, wrong } = read({})
  assert.deepEqual(wrong, [])
  assert.deepEqual([range.period, range.bucket, range.until, range.zone], ['quarter', 'week', undefined, 'UTC'])
  assert.equal(range.since, Date.UTC(2026, 5, 30, 22) - 90 * 86_400_000)
})

test('days are asked for with the last of them included, in the zone that is named', () => {
  const { range, wrong } = read({ from: '2026-02-01', to: '2026-02-28', zone: 'Europe/Berlin' })
  assert.deepEqual(wrong, [])
  assert.deepEqual(
    [range.period, range.since, range.until, range.zone, range.bucket],
    [null, '2026-02-01', '2026-03-01', 'Europe/Berlin', 'day'],
  )
})

test('what is left open at one end goes to today of that zone, or begins a period before', () => {
  const { range: toToday } = read({ from: '2026-06-01', zone: 'Europe/Berlin' })
  assert.deepEqual([toToday.from, toToday.to], ['2026-06-01', '2026-07-01'])
  const { range: before } = read({ to: '2026-02-28', period: 'month' })
  assert.deepEqual([before.from, before.to], ['2026-01-29', '2026-02-28'])
})

test('what cannot be asked is told and something that can be is shown instead', () => {
  const cases: readonly (readonly [Said, number])[] = [
    [{ from: '2026-02-30' }, 1],
    [{ from: 'yesterday', to: '9' }, 2],
    [{ from: '2026-03-01', to: '2026-02-01' }, 1],
    [{ from: '1969-12-31' }, 1],
    [{ zone: 'Mars/Olympus' }, 1],
    [{ period: 'century', bucket: 'minute' }, 2],
    [{ from: '1990-01-01', bucket: 'day' }, 1],
  ]
  for (const [said, faults] of cases) {
    const { range, wrong } = read(said)
    assert.equal(wrong.length, faults, `${JSON.stringify(said)}: ${wrong.join('; ')}`)
    assert.ok(range.from <= range.to || range.period !== null)
    assert.ok(range.buckets.includes(range.bucket))
  }
})

test('buckets are fitting where nobody says, and so few that their bars can be told apart', () => {
  assert.deepEqual(
    ['2026-06-20', '2026-03-01', '2025-01-01', '2020-01-01', '1980-01-01'].map((from) => {
      const { bucket, buckets } = read({ from }).range
      return [bucket, buckets.length]
    }),
    [
      ['day', 5],
      ['week', 5],
      ['month', 5],
      ['quarter', 4],
      ['year', 3],
    ],
  )
})

test('days of the calendar', () => {
  assert.deepEqual(
    [dayAt(now, 'UTC'), dayAt(now, 'Asia/Tokyo'), daysAfter('2024-02-28', 1), daysAfter('2026-01-01', -1)],
    ['2026-06-30', '2026-07-01', '2024-02-29', '2025-12-31'],
  )
})
