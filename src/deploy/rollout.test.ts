import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Instance } from '../agent/protocol.ts'
import type { NewFact, RecordedFact } from '../ledger/fact.ts'
import { defaultEnvironment, defaultProject, ProjectName, ServiceName } from '../names.ts'
import { Problem } from '../problem.ts'
import { readDesired, writeDesired } from './desired.ts'
import { compareDesired, describeDrift, findDrift } from './drift.ts'
import { deploymentRequested } from './facts.ts'
import { planRollout } from './plan.ts'
import { judge } from './readiness.ts'
import { previousOf } from './requests.ts'
import { type Deployment, decide, fold, mayOvertake, nextStep, type Observation, pick } from './rollout.ts'
import { defaultHost, desiredPath, ownerOf, parseDesiredPath, parseTargetLabel, targetLabel } from './target.ts'
import { commitOf, digestOf } from './testing.ts'

const target = { project: defaultProject, service: ServiceName.parse('shop'), environment: defaultEnvironment }

const recorded = (seq: number, { type, version, subject, actor, causes, payload }: NewFact): RecordedFact => ({
  seq,
  at: seq * 1000,
  type,
  version,
  subject,
  actor,
  causes,
  payload,
})

const requested = (id: string, seq: number, words = `shop ${id}`): Deployment => {
  const payload = {
    deployment: id,
    ...target,
    release: digestOf(words),
    commit: commitOf(words),
    reason: 'push' as const,
    push: null,
  }
  const state = fold(null, {
    ...recorded(seq, { ...deploymentRequested, subject: `deployment:${id}`, actor: 'a', causes: [], payload }),
  })
  assert.ok(state)
  return state
}

/** The deployment after these observations, one after the other. */
const after = (state: Deployment, ...seen: Observation[]): Deployment =>
  seen.reduce(
    (at, one) => decide(at, one).reduce<Deployment>((now, made) => fold(now, recorded(99, made)) ?? now, at),
    state,
  )

const committed: Observation = { kind: 'committed', desired: commitOf('environments') }
const prepared: Observation = {
  kind: 'prepared',
  replicas: 2,
  plan: planRollout({ rules: null, strategy: 'rolling', replicas: 2, baseline: null, isReturn: false }),
}

const ready: Observation = { kind: 'ready', step: 0 }

test('a deployment goes step by step from its wish to its end', () => {
  const start = requested('deployment-1', 1)
  const routed: Observation = { kind: 'routed' }
  const steps = [
    start,
    after(start, committed),
    after(start, committed, prepared),
    after(start, committed, prepared, ready),
    after(start, committed, prepared, ready, routed),
    after(start, committed, prepared, ready, routed, { kind: 'retired', url: 'http://shop.localhost/' }),
  ]
  assert.deepEqual(steps.map(nextStep), ['commit', 'prepare', 'bring-up', 'shift', 'retire', 'done'])
  assert.deepEqual(steps[2]?.instances, ['shop.1.1', 'shop.1.2'])
  assert.equal(steps[5]?.finished?.outcome, 'succeeded')
})

test('what has traffic is no longer failed or overtaken, and what has ended stays as it ended', () => {
  const shifted = after(requested('deployment-1', 1), committed, prepared, ready, { kind: 'routed' })
  const refused: Observation = { kind: 'refused', problem: new Problem({ kind: 'x', status: 500, detail: 'no' }) }
  const overtaken: Observation = { kind: 'overtaken', by: 'deployment-2' }
  assert.deepEqual([decide(shifted, refused), decide(shifted, overtaken)], [[], []])
  const failed = after(requested('deployment-1', 1), refused)
  assert.deepEqual(decide(failed, { kind: 'routed' }), [])
})

test('of what is unfinished the newest goes on, but one that has traffic first', () => {
  const [first, second, third] = [requested('a', 1), requested('b', 2), requested('c', 3)]
  assert.deepEqual(pick([]), { carryOn: null, overtaken: [] })
  assert.deepEqual(pick([third, first, second]), {
    carryOn: third,
    overtaken: [
      { deployment: first, by: 'c' },
      { deployment: second, by: 'c' },
    ],
  })
  const shifted = after(first, committed, prepared, ready, { kind: 'routed' })
  assert.deepEqual(pick([shifted, second]), { carryOn: shifted, overtaken: [] })
  assert.deepEqual([mayOvertake(9_999), mayOvertake(10_000)], [false, true])
})

const instance = (id: string, over: Partial<Instance>): Instance => ({
  id,
  owner: { project: 'default', service: 'shop', environment: 'production', release: 'r', commit: 'c' },
  state: 'healthy',
  port: 1,
  pid: 1,
  startedAt: 0,
  restarts: 0,
  lastExit: null,
  lastProbe: null,
  memoryBytes: null,
  ...over,
})

test('new instances are judged: all healthy, one hopeless, or not yet to be said', () => {
  const seen = (...all: (Instance | null)[]) => new Map(all.map((one, index) => [one?.id ?? `gone-${index}`, one]))
  const healthy = instance('a', {})
  const starting = instance('b', { state: 'starting' })
  assert.deepEqual(judge(seen(healthy), false), { kind: 'healthy' })
  assert.deepEqual(judge(seen(), false), { kind: 'healthy' }, 'none wanted, none missing')
  assert.deepEqual(judge(seen(healthy, starting), false), { kind: 'waiting' })
  assert.deepEqual(judge(seen(healthy, starting), true), { kind: 'unhealthy', instance: 'b', seen: starting })
  const looping = instance('c', { state: 'backing-off', restarts: 3 })
  assert.deepEqual(judge(seen(healthy, looping), false), { kind: 'unhealthy', instance: 'c', seen: looping })
  assert.deepEqual(judge(seen(null), false), { kind: 'unhealthy', instance: 'gone-0', seen: null })
})

test('rolling back goes to what ran before the running release first did, twice is further back', () => {
  const [one, two, three] = ['shop v1', 'shop v2', 'shop v3'].map((words, index) => requested(words, index, words))
  assert.ok(one && two && three)
  assert.equal(previousOf(three, [three, two, one]), two)
  assert.equal(previousOf(two, [two, three, two, one]), one, 'after the rollback from three to two')
  assert.equal(previousOf(one, [one]), null)
})

test('main is compared with what runs and with what was tried', () => {
  const failed = after(requested('a', 1), committed, {
    kind: 'refused',
    problem: new Problem({ kind: 'x', status: 500, detail: 'no' }),
  })
  assert.equal(compareDesired({ head: 'x', current: 'x', latest: 'y' }, failed, false), 'in-order')
  assert.equal(compareDesired({ head: 'y', current: 'x', latest: 'y' }, failed, false), 'set-back')
  assert.equal(compareDesired({ head: 'y', current: 'x', latest: 'y' }, failed, true), 'wanted', 'somebody insists')
  assert.equal(compareDesired({ head: null, current: 'x', latest: 'y' }, failed, false), 'removed')
  assert.equal(compareDesired({ head: 'z', current: null, latest: null }, null, false), 'wanted')
})

test('drift names what is missing, what nobody wants, what is of another release and a wrong route', () => {
  const running = after(requested('deployment-1', 1), committed, prepared)
  const own = { owner: ownerOf(target, running.release, running.commit) }
  const right = [instance('shop.1.1', own), instance('shop.1.2', own)]
  assert.equal(findDrift(running, right, true), null)
  const drift = findDrift(running, [instance('shop.1.1', { state: 'failed' }), instance('shop.0.1', {})], false)
  assert.ok(drift)
  assert.equal(
    describeDrift(drift),
    'missing: shop.1.1, shop.1.2; runs without being wanted: shop.0.1; its route is not the one wanted',
  )
  const changed = findDrift(running, [instance('shop.1.1', own), instance('shop.1.2', {})], true)
  assert.equal(changed && describeDrift(changed), 'not of the release that should run: shop.1.2')
  assert.equal(findDrift(null, [instance('shop.0.1', { state: 'stopping' })], true), null)
})

test('desired state is written the same way every time and read back as it was', () => {
  const text = 'release: RELEASE\ncommit: COMMIT\nenv:\n  B: "2"\n  A: "1"\n'
    .replace('RELEASE', digestOf('shop v1'))
    .replace('COMMIT', commitOf('shop v1'))
  const state = readDesired('f.yaml', text)
  const written = writeDesired(target, state)
  assert.equal(writeDesired(target, readDesired('f.yaml', written)), written)
  assert.match(written, /\nenv:\n {2}A: "1"\n {2}B: "2"\n/)
  assert.equal(state.replicas, 1)
})

test('a file that cannot be read is refused with the place in it', () => {
  const place = (text: string) => {
    try {
      readDesired('f.yaml', text)
    } catch (error) {
      assert.ok(error instanceof Problem)
      return [error.where?.line, error.where?.column, error.detail]
    }
    return assert.fail('it was read')
  }
  const good = `release: ${digestOf('shop v1')}\ncommit: ${commitOf('shop v1')}\n`
  assert.deepEqual(place(`${good}replicas: -1\n`)?.slice(0, 2), [3, 11])
  assert.deepEqual(place(`${good}colour: red\n`), [3, 1, 'unknown key colour'])
  assert.deepEqual(place(`${good}env: [\n`)?.slice(0, 1), [4])
  assert.deepEqual(place('replicas: 1\n')?.slice(0, 2), [1, 1])
})

test('targets have a label, a file and a host, each of its own', () => {
  const other = { ...target, project: ProjectName.parse('team') }
  assert.deepEqual([targetLabel(other), desiredPath(other)], ['team/shop/production', 'production/team/shop.yaml'])
  assert.deepEqual(
    [parseTargetLabel('team/shop/production'), parseDesiredPath('production/team/shop.yaml')],
    [other, other],
  )
  assert.deepEqual([parseTargetLabel('../shop/production'), parseDesiredPath('a/b/c/d.yaml')], [null, null])
  assert.deepEqual([defaultHost(target), defaultHost(other)], ['shop.localhost', 'shop.team.localhost'])
})
