import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextAfter, parseCron } from './cron.ts'

/** The next times after one, in UTC. */
const next = (text: string, after: string, count = 3, timezone = 'UTC'): string[] => {
  const cron = parseCron(text)
  assert.ok(cron, text)
  const times: string[] = []
  for (let at = Date.parse(after); times.length < count; ) {
    const found = nextAfter(cron, timezone, at)
    if (found === undefined) break
    times.push(new Date(found).toISOString().slice(0, 16))
    at = found
  }
  return times
}

test('crontab lines are read as POSIX has them, with names, lists, ranges and steps', () => {
  assert.deepEqual(next('30 5,17 * * *', '2026-01-01T06:00Z'), [
    '2026-01-01T17:30',
    '2026-01-02T05:30',
    '2026-01-02T17:30',
  ])
  assert.deepEqual(next('*/20 3 * * *', '2026-01-01T03:20Z'), [
    '2026-01-01T03:40',
    '2026-01-02T03:00',
    '2026-01-02T03:20',
  ])
  assert.deepEqual(next('0 0 * feb MON-WED', '2026-01-31T00:00Z'), [
    '2026-02-02T00:00',
    '2026-02-03T00:00',
    '2026-02-04T00:00',
  ])
  assert.deepEqual(next('0 0 29 2 *', '2026-01-01T00:00Z', 1), ['2028-02-29T00:00'])
  assert.deepEqual(next('0 12 13 * 5', '2026-02-01T00:00Z'), [
    '2026-02-06T12:00',
    '2026-02-13T12:00',
    '2026-02-20T12:00',
  ])
  assert.deepEqual(next('0 0 * * 7', '2026-01-01T00:00Z', 1), ['2026-01-04T00:00'])
  assert.deepEqual(next('0 0 30 2 *', '2026-01-01T00:00Z'), [])
})

test('a time zone shifts them with its summer time; a time of day that is skipped is the first that is there', () => {
  assert.deepEqual(next('30 2 * * *', '2026-03-27T12:00Z', 3, 'Europe/Berlin'), [
    '2026-03-28T01:30',
    '2026-03-29T01:00',
    '2026-03-30T00:30',
  ])
  assert.deepEqual(next('30 2 * * *', '2026-10-24T12:00Z', 2, 'Europe/Berlin'), [
    '2026-10-25T00:30',
    '2026-10-26T01:30',
  ])
  assert.deepEqual(next('0 9 * * 1', '2026-01-01T00:00Z', 1, 'America/New_York'), ['2026-01-05T14:00'])
})

test('what is no crontab line is refused', () => {
  for (const text of [
    '',
    '* * * *',
    '60 * * * *',
    '* 24 * * *',
    '* * 0 * *',
    '* * * 13 *',
    '*/0 * * * *',
    '5-1 * * * *',
    '@daily',
  ])
    assert.equal(parseCron(text), undefined, text)
})
