import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Counters } from './counters.ts'

const none = { c1: 0, c2: 0, c3: 0, c4: 0, c5: 0, failed: 0 }
const shop = { service: 'default/shop', version: 'v1', failed: false }

test('requests are counted by service, version and minute, each in one class and one bucket', () => {
  let now = 60_000 * 100 + 59_000
  const counters = new Counters(() => now)
  for (const [status, durationMs] of [
    [101, 0.5],
    [200, 1],
    [204, 1.01],
    [302, 60_000],
    [404, 60_001],
    [499, 3],
    [500, 3],
  ] as const)
    counters.count({ ...shop, status, durationMs })
  counters.count({ ...shop, status: 502, failed: true, durationMs: 3 })
  now += 1_000
  counters.count({ ...shop, version: 'v2', status: 200, durationMs: 15 })
  assert.deepEqual(counters.minutes(), [
    {
      minute: 60_000 * 100,
      service: 'default/shop',
      version: 'v1',
      requests: 8,
      classes: { c1: 1, c2: 2, c3: 1, c4: 2, c5: 1, failed: 1 },
      latency: [2, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1],
    },
    {
      minute: 60_000 * 101,
      service: 'default/shop',
      version: 'v2',
      requests: 1,
      classes: { ...none, c2: 1 },
      latency: [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    },
  ])
})

test('ten finished minutes are kept beside the current one', () => {
  let now = 0
  const counters = new Counters(() => now)
  for (let minute = 1; minute <= 30; minute += 1) {
    now = minute * 60_000
    counters.count({ ...shop, status: 200, durationMs: 1 })
  }
  const kept = counters.minutes().map(({ minute }) => minute / 60_000)
  assert.deepEqual(kept, [20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30])
})
