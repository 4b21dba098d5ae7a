import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Conclusion } from '../../build/facts.ts'
import { CommitId } from '../../names.ts'
import type { Check, Test } from './change.ts'
import { outcomeOf } from './gates.ts'
import { defaultRules } from './rules.ts'

const commit = CommitId.parse('a'.repeat(40))
const check = (run: string, job: string | null, name: string, conclusion: Conclusion | null): Check => ({
  ...{ run, job, name, conclusion, status: conclusion === null ? 'running' : 'finished' },
  ...{ startedAt: 0, finishedAt: null },
})
const testOf = (checks: readonly Check[], conclusion: Conclusion | null, notes: readonly string[] = []): Test => ({
  ...{
    event: 'event-1',
    version: 1,
    base: commit,
    candidate: commit,
    method: 'merge',
    purpose: 'change',
    changesChecks: false,
  },
  ...{ checks, conclusion, failure: null, notes },
})
const outcome = (test: Test, requiredChecks: string[] | null) => outcomeOf(test, { ...defaultRules, requiredChecks })

describe('checks', () => {
  test('without names all have passed when the whole has, and nothing to run is no failure', () => {
    assert.deepEqual(outcome(testOf([], null), null), { kind: 'running', detail: 'its checks are running' })
    assert.deepEqual(outcome(testOf([], 'success'), null), { kind: 'passed' })
    assert.deepEqual(outcome(testOf([], 'skipped'), null), { kind: 'passed' })
    assert.deepEqual(outcome(testOf([], 'cancelled'), null), { kind: 'failed', detail: 'its checks were cancelled' })
  })

  test('are found by the name of a workflow, of a job, or of both', () => {
    const test = testOf([check('r', null, 'ci', 'failure'), check('r', 'a', 'unit', 'success')], 'failure')
    assert.deepEqual(outcome(test, ['unit']), { kind: 'passed' })
    assert.deepEqual(outcome(test, ['ci / unit']), { kind: 'passed' })
    assert.deepEqual(outcome(test, ['ci']), { kind: 'failed', detail: 'the check ci has ended with failure' })
    assert.deepEqual(outcome(test, []), { kind: 'passed' })
  })

  test('count as failed at once, and as passed when all have ended, whatever became of the others', () => {
    const slow = check('r', 'b', 'slow', null)
    assert.deepEqual(outcome(testOf([check('r', 'a', 'unit', 'success'), slow], null), ['unit']), {
      kind: 'running',
      detail: 'its checks are running',
    })
    assert.deepEqual(outcome(testOf([check('r', 'a', 'unit', 'failure'), slow], null), ['slow', 'unit']), {
      kind: 'failed',
      detail: 'the check unit has ended with failure',
    })
    const ended = [check('r', 'a', 'unit', 'success'), check('r', 'b', 'slow', 'failure')]
    assert.deepEqual(outcome(testOf(ended, 'failure'), ['unit']), { kind: 'passed' })
  })

  test('that the message of the last commit asked to leave out have not passed', () => {
    const left = testOf([], 'skipped', ["the commit's message says [skip ci]"])
    assert.deepEqual(outcome(left, null), {
      kind: 'failed',
      detail: "nothing has checked it: the commit's message says [skip ci]",
    })
    assert.deepEqual(outcome(left, []), { kind: 'passed' })
  })

  test('with a quality gate that is not met have failed, whatever is named', () => {
    const failure = { job: 'quality gate', step: null, command: null, exitCode: null, lastLines: [], where: null }
    const gated: Test = {
      ...testOf([check('r', 'a', 'unit', 'success')], 'failure'),
      failure: { ...failure, detail: 'coverage fell' },
    }
    const lost = { kind: 'failed', detail: 'its quality gate is not met' }
    assert.deepEqual([outcome(gated, ['unit']), outcome(gated, null)], [lost, lost])
  })

  test('that did not run have not passed, and it is said why', () =>
    assert.deepEqual(outcome(testOf([], 'skipped', ['ci.yml does not run for this']), ['unit']), {
      kind: 'failed',
      detail: 'the check unit is required and did not run (ci.yml does not run for this)',
    }))

  test('of the same name all have to pass; a skipped one has', () => {
    const pair = (second: Conclusion) =>
      testOf([check('r', 'a', 'unit', 'success'), check('s', 'a', 'unit', second)], 'success')
    assert.deepEqual(outcome(pair('skipped'), ['unit']), { kind: 'passed' })
    assert.deepEqual(outcome(pair('cancelled'), ['unit']), {
      kind: 'failed',
      detail: 'the check unit has ended with cancelled',
    })
  })
})
