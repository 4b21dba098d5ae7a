import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConditionError, holds, type Metric, parseCondition } from './condition.ts'

const refusalOf = (text: string): string => {
  try {
    parseCondition(text)
  } catch (error) {
    if (error instanceof ConditionError) return error.message
    throw error
  }
  return 'accepted'
}

test("the mission's example is read", () => {
  const condition = {
    kind: 'and',
    all: [
      { kind: 'compare', metric: 'error_rate', windowMs: 300_000, sign: '>', limit: 0.02 },
      { kind: 'in-progress' },
    ],
  }
  assert.deepEqual(parseCondition('error_rate_5m > 2 % AND deployment_in_progress'), condition)
  assert.deepEqual(parseCondition('error_rate_5m>2% and(deployment_in_progress)'), condition)
})

test('or binds weaker than and, and weaker than not; parentheses group', () => {
  const deploying = { kind: 'in-progress' } as const
  const slow = { kind: 'compare', metric: 'p95', windowMs: 3_600_000, sign: '>=', limit: 1500 } as const
  const idle = { kind: 'compare', metric: 'requests', windowMs: 600_000, sign: '<', limit: 100 } as const
  const rare = { kind: 'compare', metric: 'request_rate', windowMs: 60_000, sign: '<=', limit: 0.5 } as const
  assert.deepEqual(parseCondition('p95_1h >= 1.5s or requests_10m < 100 and not deployment_in_progress'), {
    kind: 'or',
    all: [slow, { kind: 'and', all: [idle, { kind: 'not', of: deploying }] }],
  })
  assert.deepEqual(parseCondition('not (p95_1h >= 1500ms or request_rate_1m <= 0.5/s) and deployment_in_progress'), {
    kind: 'and',
    all: [{ kind: 'not', of: { kind: 'or', all: [slow, rare] } }, deploying],
  })
})

test('what is no condition is refused with its place', () => {
  const metric =
    'expected deployment_in_progress, not, ( or a metric with its window such as error_rate_5m (error_rate, p50, p95, p99, requests, request_rate)'
  assert.deepEqual(
    [
      '',
      'error_rate > 2%',
      'error_rate_5m >',
      'error_rate_5m > 2',
      'error_rate_5m = 2%',
      'error_rate_5m > 200 %',
      'p95_5m > 2%',
      'requests_90d > 1',
      'error_rate_5m > 2% deployment_in_progress',
      '(deployment_in_progress',
      'deployment_in_progress and',
      'deployment_in_progress)',
      'error_rate_5m > 2% ; rm',
    ].map(refusalOf),
    [
      `${metric} at character 1, found the end`,
      `${metric} at character 1, found "error_rate"`,
      'expected a number at character 16, found the end',
      'expected a percentage from 0 % to 100 % such as 2 % at character 17, found "2"',
      'expected >, >=, < or <= at character 15, found "="',
      'expected a percentage from 0 % to 100 % such as 2 % at character 17, found "200 %"',
      'expected a time such as 300ms or 2s at character 10, found "2%"',
      'expected a window from 1m to 1d at character 1, found "requests_90d"',
      'expected and, or, or the end at character 20, found "deployment_in_progress"',
      'expected and, or, or a closing parenthesis at character 24, found the end',
      `${metric} at character 27, found the end`,
      'expected and, or, or the end at character 23, found ")"',
      'expected and, or, or the end at character 20, found ";"',
    ],
  )
  assert.match(refusalOf('('.repeat(400)), /^expected less nesting at character 5/)
  assert.match(refusalOf('x'.repeat(501)), /^expected a shorter condition/)
})

test('no data is neither true nor false, unless the rest decides', () => {
  const values: Partial<Record<Metric, number>> = { requests: 0 }
  const reading = { value: (metric: Metric) => values[metric] ?? null, isInProgress: true }
  const say = (text: string) => holds(parseCondition(text), reading)
  assert.deepEqual(
    [
      'error_rate_5m > 2 %',
      'not error_rate_5m > 2 %',
      'error_rate_5m > 2 % and deployment_in_progress',
      'error_rate_5m > 2 % and not deployment_in_progress',
      'error_rate_5m > 2 % or deployment_in_progress',
      'error_rate_5m > 2 % or not deployment_in_progress',
      'requests_5m < 1',
      'requests_5m <= 0 and deployment_in_progress',
      'requests_5m > 0',
    ].map(say),
    [null, null, null, false, true, null, true, true, false],
  )
})
