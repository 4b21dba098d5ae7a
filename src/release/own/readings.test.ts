import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { OwnMetrics } from '../../deploy/judging.ts'
import { defineMetrics } from '../../golden/metrics.ts'
import { advanceOwn, type OwnCursor, type OwnTallies, type Page } from './readings.ts'

const own: OwnMetrics = {
  rules: defineMetrics([
    { name: 'failed', bad: 'failed_total', of: 'all_total' },
    { name: 'lost', good: 'kept_total', of: 'all_total' },
    { name: 'queue', gauge: 'queue', above: 10, below: 1 },
  ]),
  ...{ baseline: ['old.1', 'old.2'], canary: ['new.1'] },
}

/** What each reading counts, one after the other. */
const follow = (readings: readonly (readonly [at: number, pages: readonly Page[]])[]) => {
  let cursor: OwnCursor = {}
  return readings.map(([at, pages]): [OwnTallies, OwnTallies] => {
    const after = advanceOwn(cursor, { at, pages }, own)
    cursor = JSON.parse(JSON.stringify(after.cursor))
    return [after.baseline, after.canary]
  })
}
const page = (instance: string, series: Record<string, number>, restarts = 0): Page => ({
  ...{ instance, restarts, series: new Map(Object.entries(series)) },
})
const counts = (failed: number, kept: number, all: number) => ({
  ...{ failed_total: failed, kept_total: kept, all_total: all },
})

test('counters count from the first sight of an instance on, and add up over the instances of a side', () => {
  assert.deepEqual(
    follow([
      [0, [page('old.1', counts(50, 900, 1000)), page('new.1', counts(1, 9, 10))]],
      [1, [page('old.1', counts(51, 990, 1100)), page('old.2', counts(7, 7, 7)), page('new.1', counts(4, 27, 30))]],
      [2, [page('old.1', counts(51, 995, 1105)), page('old.2', counts(8, 16, 17))]],
    ]),
    [
      [{}, {}],
      [
        { failed: { events: 1, of: 100 }, lost: { events: 10, of: 100 } },
        { failed: { events: 3, of: 20 }, lost: { events: 2, of: 20 } },
      ],
      [{ failed: { events: 1, of: 15 }, lost: { events: 1, of: 15 } }, {}],
    ],
  )
})

test('counters that fell began anew, and so did those of an instance that was started again, however high they are', () => {
  assert.deepEqual(
    follow([
      [0, [page('new.1', counts(5, 95, 100))]],
      [1, [page('new.1', counts(0, 6, 6))]],
      [2, [page('new.1', counts(2, 20, 22), 1)]],
      [3, [page('new.1', counts(2, 21, 23), 1)]],
    ]).map(([, canary]) => canary.failed),
    [undefined, { events: 0, of: 6 }, { events: 2, of: 22 }, { events: 0, of: 1 }],
  )
})

test('a counter that is not shown yet counted nothing', () => {
  assert.deepEqual(
    follow([
      [0, [page('new.1', {})]],
      [1, [page('new.1', { all_total: 10 })]],
      [2, [page('new.1', { all_total: 12, failed_total: 2 })]],
    ]).map(([, canary]) => canary.failed),
    [undefined, { events: 0, of: 10 }, { events: 2, of: 2 }],
  )
})

test('a gauge counts once a minute and instance, by its worst reading', () => {
  const readings = Array.from({ length: 13 }, (_, place): [number, Page[]] => {
    const at = place * 15_000
    return [at, [page('new.1', { queue: place === 2 ? 11 : 5 }), page('old.1', { queue: place >= 8 ? 0 : 10 })]]
  })
  const counted = follow(readings).map(([baseline, canary]) => [baseline.queue, canary.queue])
  assert.deepEqual(
    counted.flatMap((sides, place) => (sides.some(Boolean) ? [[place, ...sides]] : [])),
    [
      [4, { events: 0, of: 1 }, { events: 1, of: 1 }],
      [8, { events: 0, of: 1 }, { events: 0, of: 1 }],
      [12, { events: 1, of: 1 }, { events: 0, of: 1 }],
    ],
  )
  assert.deepEqual(follow([[0, [page('new.1', {})]]])[0], [{}, {}])
})
