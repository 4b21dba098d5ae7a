import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bucketsOf, type Span } from './calendar.ts'
import { type Grain, grainMs, grains } from './cells.ts'
import { type Plan, planOf } from './plan.ts'

const at = (text: string): number => Date.parse(text)

/** How often a plan adds a moment to a bucket, less how often it takes it away. */
const timesOf = ({ cells, rows }: Plan, bucket: number, moment: number): number => {
  const held = [...cells].flatMap(([grain, wanted]) => wanted.get(startOf(grain, moment)) ?? [])
  const single = rows.filter(({ from, until }) => from <= moment && moment < until).flatMap(({ uses }) => uses)
  return [...held, ...single].reduce((sum, use) => (use.bucket === bucket ? sum + use.times : sum), 0)
}
const startOf = (grain: Grain, moment: number): number => Math.floor(moment / grainMs[grain]) * grainMs[grain]

const plain = ({ cells, rows }: Plan) => ({
  cells: [...cells].flatMap(([grain, wanted]) =>
    [...wanted].map(([start, uses]) => [grain, new Date(start).toISOString().slice(5, 16), ...usesOf(uses)]),
  ),
  rows: rows.map(({ from, until, uses }) => [new Date(from).toISOString().slice(5, 19), until - from, ...usesOf(uses)]),
})
const usesOf = (uses: Plan['rows'][number]['uses']): string[] =>
  uses.map(({ bucket, times }) => `${times === 1 ? '+' : '-'}${bucket}`)

test('each moment of a bucket is counted once, and none beside it, in every zone and with clocks set forward and back', () => {
  const spans: Span[] = [
    { from: at('2026-03-27T11:07:31.123Z'), until: at('2026-03-31T23:58:00.001Z') },
    { from: at('2026-10-24T00:00:00Z'), until: at('2026-10-27T00:00:00Z') },
    // Begins and ends within a quarter of an hour, around a midnight of Kathmandu.
    { from: at('2026-01-01T18:11:00Z'), until: at('2026-01-01T18:22:00Z') },
  ]
  for (const span of spans)
    for (const zone of ['UTC', 'Europe/Berlin', 'Asia/Kathmandu', 'America/Los_Angeles', 'Australia/Lord_Howe'])
      for (const held of [grains, ['day'] as const, []]) {
        const buckets = bucketsOf(span, 'day', zone)
        const plan = planOf(buckets, held)
        const edges = [...buckets.flatMap(({ from, until }) => [from, until]), span.from, span.until]
        const moments = edges.flatMap((edge) => [edge - 1, edge, edge + 1])
        for (let moment = span.from - grainMs.day; moment < span.until + grainMs.day; moment += 420_007)
          moments.push(moment)
        for (const moment of moments)
          for (const [bucket, { from, until }] of buckets.entries())
            assert.equal(
              timesOf(plan, bucket, moment),
              from <= moment && moment < until ? 1 : 0,
              `${zone}, ${held.join('+')}: bucket ${bucket} at ${new Date(moment).toISOString()}`,
            )
      }
})

test('two days that share one of UTC read it once, and of the shorter part as few cells as there are', () => {
  const span = { from: at('2026-06-01T00:00:00Z'), until: at('2026-06-02T00:00:00Z') }
  assert.deepEqual(plain(planOf(bucketsOf(span, 'day', 'Europe/Berlin'), grains)), {
    cells: [
      ['day', '06-01T00:00', '+0'],
      ['hour', '06-01T22:00', '-0', '+1'],
      ['hour', '06-01T23:00', '-0', '+1'],
    ],
    rows: [],
  })
  // Nepal's midnight is at 18:15 of UTC: the last six hours without their first quarter.
  assert.deepEqual(plain(planOf(bucketsOf(span, 'day', 'Asia/Kathmandu'), grains)), {
    cells: [
      ['day', '06-01T00:00', '+0'],
      ['six-hours', '06-01T18:00', '-0', '+1'],
      ['quarter', '06-01T18:00', '+0', '-1'],
    ],
    rows: [],
  })
  assert.deepEqual(plain(planOf(bucketsOf(span, 'day', 'Asia/Kathmandu'), ['day'])), {
    cells: [['day', '06-01T00:00', '+0']],
    rows: [['06-01T18:15:00', 20_700_000, '-0', '+1']],
  })
})

test('three years by the day are read from at most five cells a day, wherever one lives', () => {
  const span = { from: at('2023-01-01T00:00:00Z'), until: at('2026-01-01T00:00:00Z') }
  for (const zone of ['Europe/Berlin', 'Asia/Kathmandu', 'Asia/Kolkata', 'Asia/Tokyo', 'America/Los_Angeles']) {
    const { cells, rows } = planOf(bucketsOf(span, 'day', zone), grains)
    const read = [...cells.values()].reduce((sum, { size }) => sum + size, 0)
    assert.ok(read <= 5 * 1_096, `${zone}: ${read}`)
    assert.deepEqual(rows, [])
  }
})
