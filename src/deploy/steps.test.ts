import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultEnvironment, defaultProject, ServiceName } from '../names.ts'
import type { Judgement } from './judging.ts'
import { planRollout } from './plan.ts'
import type { Deployment } from './rollout.ts'
import { decideStep } from './steps.ts'
import { commitOf, digestOf } from './testing.ts'

const minute = 60_000
const target = { project: defaultProject, service: ServiceName.parse('shop'), environment: defaultEnvironment }
const baseline = { deployment: 'deployment-0', release: digestOf('shop v1') }

/** A canary at 10 % since time 0, as planned where the service says nothing. */
const canary: Deployment = {
  ...{ id: 'deployment-1', target, release: digestOf('shop v2'), commit: commitOf('shop v2'), reason: 'push' },
  ...{ push: null, requestedSeq: 1, requestedAt: 0, desired: commitOf('desired'), instances: ['a'], seq: 9 },
  rollout: planRollout({ rules: null, strategy: 'canary', replicas: 1, baseline, isReturn: false }),
  step: { index: 0, weightPercent: 10, at: 0 },
  ...{ judged: null, paused: null, resumedAt: null, promoted: null, aborted: null },
  ...{ shiftedAt: null, watchedAt: null, finished: null },
}

const saw = (canaryRequests: number, baselineRequests: number): Judgement => {
  const side = (requests: number) => ({ requests, errors: 0, restarts: 0 })
  return {
    verdict: 'inconclusive',
    reason: 'no traffic',
    numbers: { baseline: side(baselineRequests), canary: side(canaryRequests) },
  }
}

const unheard: Judgement = { ...saw(0, 0), numbers: { ...saw(0, 0).numbers, cause: 'telemetry-gap' } }

const decide = (
  judgement: Judgement,
  now: number,
  noData: 'hold' | 'promote' | 'abort' | null = null,
  heldAt = 0,
): string => {
  const deployment = canary.rollout ? { ...canary, rollout: { ...canary.rollout, noData } } : canary
  const look = {
    now,
    heldAt,
    judgement,
    main: judgement,
    broken: null,
    newer: null,
    partners: { kind: 'ready' },
  } as const
  return decideStep(deployment, look).kind
}

test('a canary that nobody uses goes on after a minute, called inconclusive, where nothing else was asked for', () => {
  assert.equal(decide(saw(0, 0), minute - 1), 'wait')
  assert.equal(decide(saw(0, 0), minute), 'judged')
  assert.equal(decide(saw(0, 0), minute, 'hold'), 'wait')
  assert.equal(decide(saw(0, 0), 10 * minute, 'hold'), 'held')
  assert.equal(decide(saw(0, 0), 10 * minute, 'abort'), 'undo')
})

test('of a time in which nobody looked nothing follows: after a restart a step has its time anew', () => {
  const restartedAt = 20 * minute
  const after = (sinceMs: number, judgement = saw(0, 0), noData: 'hold' | null = null) =>
    decide(judgement, restartedAt + sinceMs, noData, restartedAt)
  assert.deepEqual([after(0), after(minute - 1), after(minute)], ['wait', 'wait', 'judged'])
  assert.deepEqual([after(0, saw(0, 500)), after(10 * minute, saw(0, 500))], ['wait', 'held'])
  assert.deepEqual([after(0, saw(0, 0), 'hold'), after(10 * minute, saw(0, 0), 'hold')], ['wait', 'held'])
  const passed: Judgement = { ...saw(500, 500), verdict: 'pass' }
  assert.deepEqual([after(minute - 1, passed), after(minute, passed)], ['wait', 'judged'])
  assert.equal(after(0, { ...saw(500, 500), verdict: 'fail' }), 'judged')
})

test('one that is hardly used has the time of its step, and goes on', () => {
  assert.equal(decide(saw(0, 20), 2 * minute), 'wait')
  assert.equal(decide(saw(0, 20), 10 * minute), 'judged')
  assert.equal(decide(saw(2, 20), 10 * minute), 'judged')
})

test('one that gets nothing of what its service is asked is held', () => {
  assert.equal(decide(saw(0, 500), 10 * minute), 'held')
  assert.equal(decide(saw(500, 0), 10 * minute), 'held')
})

test('where the edges cannot be asked nothing is known of its use, and it is held', () => {
  assert.equal(decide(unheard, 2 * minute), 'wait')
  assert.equal(decide(unheard, 10 * minute), 'held')
})
