import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { QualityRules } from '../golden/service.ts'
import { type Evidence, judge } from './quality.ts'
import { type CaseResult, percentOf } from './results.ts'

const noRules: QualityRules = {
  coverage: { minimumPercent: null, largestDropPercent: null },
  ...{ p95Ms: null, refuse: [] },
}
const nothing: Evidence = { coverage: null, coverageBefore: null, p95Ms: null, newlyFailing: [], newlyFlaky: [] }
const one: CaseResult = {
  ...{ suite: 'cart', name: 'adds', file: 'cart.test.js', line: 3, outcome: 'failed', durationMs: 1 },
  ...{ isFlaky: false, message: null, detail: null },
}

const said = (rules: Partial<QualityRules>, evidence: Partial<Evidence>): string[] =>
  judge({ ...noRules, ...rules }, { ...nothing, ...evidence }).map(
    ({ rule, isMet, detail, next }) => `${isMet ? 'met' : 'not met'}: ${rule}: ${detail}${next ? ` (${next})` : ''}`,
  )

test('no rule, no check', () => {
  assert.deepEqual(said({}, { newlyFailing: [one] }), [])
})

test('coverage is held to a minimum, and to what the default branch has', () => {
  const rules = { coverage: { minimumPercent: 80, largestDropPercent: 0.5 } }
  const before = { covered: 801, total: 1000 }
  assert.deepEqual(said(rules, { coverage: { covered: 800, total: 1000 }, coverageBefore: before }), [
    'met: coverage: 80 % of the lines are covered (at least 80 %)',
    'met: coverage-drop: coverage is 80 %, on the default branch 80.1 %',
  ])
  assert.deepEqual(
    said(rules, { coverage: { covered: 79_999, total: 100_000 }, coverageBefore: { covered: 81, total: 100 } }),
    [
      'not met: coverage: 79.99 % of the lines are covered, and at least 80 % must be (cover 1 more of the 100000 lines, or lower quality.coverage in headway.yaml)',
      'not met: coverage-drop: coverage is 79.99 %, on the default branch 81 %, and may be lower by 0.5 points (cover the lines that this change adds, or raise quality.coverage.drop in headway.yaml)',
    ],
  )
  assert.deepEqual(said({ coverage: { minimumPercent: null, largestDropPercent: 0 } }, { coverage: before }), [
    'met: coverage-drop: the default branch has no coverage yet to compare with',
  ])
  assert.deepEqual(
    said(rules, {}).map((line) => line.replace(/ \(.*/, '')),
    ['not met: coverage: no report told of coverage', 'not met: coverage-drop: no report told of coverage'],
  )
})

test('the 95th percentile may be as large as the rule says', () => {
  assert.deepEqual(
    [300, 300.04, 301].flatMap((p95Ms) => said({ p95Ms: 300 }, { p95Ms }).map((line) => line.replace(/ \(.*/, ''))),
    [
      'met: p95: the 95th percentile of request durations is 300 ms',
      'not met: p95: the 95th percentile of request durations is 300 ms, and at most 300 ms are allowed',
      'not met: p95: the 95th percentile of request durations is 301 ms, and at most 300 ms are allowed',
    ],
  )
  assert.match(said({ p95Ms: 300 }, {})[0] ?? '', /^not met: p95: no summary of k6 was found \(let a step run k6/)
})

test('refused tests are named with their places', () => {
  const refuse = ['newly-failing', 'newly-flaky'] as const
  assert.deepEqual(said({ refuse }, {}), [
    'met: newly-failing: no test fails and passed on the default branch',
    'met: newly-flaky: no test passes and fails for the same code',
  ])
  assert.deepEqual(said({ refuse }, { newlyFailing: [one, one], newlyFlaky: [{ ...one, line: null }] }), [
    'not met: newly-failing: cart › adds (cart.test.js:3) fails and passed on the default branch, and 1 more (mend it: headway tests --failed shows why)',
    'not met: newly-flaky: cart › adds (cart.test.js) passes and fails for the same code (mend or remove it, as it will hold up others: headway tests --flaky shows its history)',
  ])
})

test('a share is never rounded up to what it is not', () => {
  assert.deepEqual(
    [
      percentOf({ covered: 79_999, total: 100_000 }),
      percentOf({ covered: 2, total: 3 }),
      percentOf({ covered: 0, total: 0 }),
    ],
    [79.99, 66.66, 100],
  )
})
