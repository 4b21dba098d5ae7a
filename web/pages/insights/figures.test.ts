import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Dora } from '../../api/learn-queries.ts'
import { metricsOf, often } from './figures.ts'

const nothing: Dora['total'] = {
  deployments: { n: 0, perDay: null },
  leadTime: { median: null, p90: null, n: 0, dropped: { first: 0, merge: 0, negative: 0, unknown: 0, again: 0 } },
  changeFailRate: { value: null, failed: 0, n: 0, pending: 0, suspected: 0 },
  recovery: { median: null, p90: null, n: 0, open: 0, dropped: { negative: 0 } },
  rework: { value: null, unplanned: 0, n: 0 },
}
const hour = 3_600_000
const some: Dora['total'] = {
  deployments: { n: 4, perDay: 0.5 },
  leadTime: { median: hour, p90: 2 * hour, n: 9, dropped: { first: 2, merge: 1, negative: 0, unknown: 0, again: 0 } },
  changeFailRate: { value: 0.25, failed: 1, n: 4, pending: 1, suspected: 1 },
  recovery: { median: null, p90: null, n: 0, open: 1, dropped: { negative: 0 } },
  rework: { value: 0, unplanned: 0, n: 4 },
}
const span = { from: 0, until: 7 * 24 * hour }
const dora: Dora = {
  scope: { project: 'default', services: ['shop'], environment: 'production' },
  services: 1,
  span,
  bucket: 'week',
  zone: 'UTC',
  relativeError: 0,
  total: some,
  perDay: { median: 1, p90: 2, n: 3 },
  levels: { leadTime: null, deployments: null, changeFailRate: null, recovery: null },
  quickCheck: { leadTime: 8, deployments: 6, changeFailRate: 7.5, recovery: null, rework: 10 },
  buckets: [
    { span, figures: nothing },
    { span, figures: some },
  ],
}

test('figures come with how many values they have, what was left out and why, and where that leads', () => {
  assert.deepEqual(
    metricsOf(dora).map(({ name, figure, remarks }) => [
      name,
      figure,
      remarks.map(({ text, behind }) => [text, behind]),
    ]),
    [
      [
        'leadTime',
        '1 h',
        [
          ['90 % within 2 h', null],
          ['n = 9', null],
          ['Commits without a lead time: 3 (first deployment 2, merges 1)', 'dropped'],
        ],
      ],
      [
        'deployments',
        '3.5 a week',
        [
          ['4 in all', null],
          ['2 on a busy day (p90)', null],
        ],
      ],
      [
        'changeFailRate',
        '25 %',
        [
          ['1 of 4', 'failed'],
          ['1 only suspected', 'suspected'],
          ['1 not judged yet', 'pending'],
        ],
      ],
      [
        'recovery',
        null,
        [
          ['n = 0', null],
          ['1 still open', 'open'],
        ],
      ],
      ['rework', '0 %', [['0 of 4', 'rework']]],
    ],
  )
})

test('a bucket without data has no bar, one of nothing has a bar of nothing', () => {
  const bars = metricsOf(dora).map(({ bars }) => bars.map(({ value }) => value))
  assert.deepEqual(bars, [
    [null, hour],
    [null, 4],
    [null, 0.25],
    [null, null],
    [null, 0],
  ])
})

test('how often is said in the unit in which it is at least once', () => {
  assert.deepEqual(
    [often(null), often(12.4), often(1), often(0.5), often(0.1)],
    [...[null, '12 a day', '1 a day', '3.5 a week', '3 a month']],
  )
})
