import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defineRelease } from '../golden/release.ts'
import { defaultEnvironment, defaultProject, ServiceName } from '../names.ts'
import { planRollout } from './plan.ts'
import type { Deployment } from './rollout.ts'
import { commitOf, digestOf } from './testing.ts'
import { trafficAt } from './traffic.ts'
import { questionsOf } from './verdicts.ts'

const target = { project: defaultProject, service: ServiceName.parse('shop'), environment: defaultEnvironment }
const baseline = { deployment: 'deployment-0', release: digestOf('shop v1') }
const rules = defineRelease({
  steps: [10, 50, 90, 100],
  metrics: [{ name: 'failed', bad: 'failed_total', of: 'all_total' }],
})
const others = { old: ['old.1'], fresh: ['fresh.1'] }

/** A canary of so many instances at a step, as planned. */
const canaryAt = (index: number, instances: readonly string[]): Deployment => {
  const rollout = planRollout({ rules, strategy: null, replicas: instances.length, baseline, isReturn: false })
  return {
    ...{ id: 'deployment-1', target, release: digestOf('shop v2'), commit: commitOf('shop v2'), reason: 'push' },
    ...{ push: null, requestedSeq: 1, requestedAt: 0, desired: commitOf('desired'), instances, seq: 9 },
    ...{ rollout, step: { index, weightPercent: rollout.steps[index]?.weightPercent ?? 100, at: 0 } },
    ...{ judged: null, paused: null, resumedAt: null, promoted: null, aborted: null },
    ...{ shiftedAt: null, watchedAt: null, finished: null },
  }
}

test('in every step the old version keeps requests that errors can be compared with, also where there is one instance', () => {
  const weights = [0, 1, 2].map((step) =>
    trafficAt(canaryAt(step, ['new.1']), others, rules).pools.map(({ weight }) => weight),
  )
  assert.deepEqual(weights, [
    [10, 10, 80],
    [50, 25, 25],
    [90, 5, 5],
  ])
  assert.deepEqual(
    trafficAt(canaryAt(1, ['new.1', 'new.2']), others, rules).pools.map(({ weight }) => weight),
    [50, 25, 25],
  )
})

test('metrics of its own are asked of every instance of either version, by the judging that has the errors', () => {
  const questions = questionsOf(canaryAt(0, ['new.1', 'new.2']), others)
  assert.deepEqual(
    questions.map(({ plan, who }) => [plan.metrics, who.own]),
    [
      [['failed'], { rules: rules.metrics, baseline: ['old.1', 'fresh.1'], canary: ['new.1', 'new.2'] }],
      [undefined, undefined],
    ],
  )
})
