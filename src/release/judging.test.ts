import assert from 'node:assert/strict'
import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { rolloutJudged, rolloutStarted } from '../deploy/facts.ts'
import type { JudgePlan } from '../deploy/judging.ts'
import { fact } from '../ledger/fact.ts'
import { defaultEnvironment, defaultProject, ServiceName } from '../names.ts'
import type { Release } from './index.ts'
import { fakeEdge, openReleaseRoom, service, startedOf } from './testing.ts'

const plan: JudgePlan = { alpha: 0.01, tolerance: 0, latency: true, thresholds: [] }
const [old, fresh] = ['sha256:old', 'sha256:new']
const who = { service, baseline: old, canary: fresh }

const countsOf = async ({ judging }: Release, rollout = 'one') => {
  const { verdict, numbers } = await judging.look(rollout)
  const { baseline, canary, cause } = numbers
  return { verdict, cause, baseline, canary }
}
const counted = (requests: number, errors = 0, restarts = 0) => ({ requests, errors, restarts })

test('what the edges counted since a judging began is judged, and nothing from before', async () => {
  await using room = await openReleaseRoom()
  const edge = fakeEdge('a')
  room.edges.push(edge)
  edge.serve(old, 5000, 100)
  edge.serve(fresh, 300, 300)
  await room.release.judging.begin('one', plan, who)
  edge.serve(old, 95)
  edge.serve(fresh, 5)
  room.clock.forward(250)
  const first = await countsOf(room.release)
  assert.deepEqual(first, {
    ...{ verdict: 'inconclusive', cause: 'undecided' },
    ...{ baseline: counted(95), canary: counted(5) },
  })
  edge.serve(fresh, 10, 6)
  edge.serve(old, 190)
  room.clock.forward(250)
  const found = await countsOf(room.release)
  assert.deepEqual(found, {
    ...{ verdict: 'fail', cause: 'errors' },
    ...{ baseline: counted(285), canary: counted(15, 6) },
  })
  room.state.answers = false
  assert.deepEqual(await countsOf(room.release), found, 'a fail stays one, also when nobody answers')
})

test('an edge that takes over, one that is gone and comes back, and counters that begin anew lose and double nothing', async () => {
  await using room = await openReleaseRoom()
  const [first, second] = [fakeEdge('a'), fakeEdge('b')]
  room.edges.push(first)
  first.serve(old, 1000)
  await room.release.judging.begin('one', plan, who)
  const look = async () => {
    room.clock.forward(250)
    const { baseline, canary } = await countsOf(room.release)
    return [baseline.requests, canary.requests]
  }
  first.serve(old, 90)
  first.serve(fresh, 10)
  assert.deepEqual(await look(), [90, 10])
  room.edges.push(second) // the new edge; the old one still ends what is open
  first.serve(fresh, 1)
  second.serve(old, 9)
  second.serve(fresh, 2)
  assert.deepEqual(await look(), [99, 13])
  room.edges.splice(0, 1) // the old one is away
  second.serve(old, 9)
  assert.deepEqual(await look(), [108, 13])
  room.edges.push(first)
  first.serve(old, 1)
  assert.deepEqual(await look(), [109, 13])
  assert.deepEqual(await look(), [109, 13])
  second.forget() // counts from zero under the same name
  second.serve(old, 5)
  second.serve(fresh, 3)
  assert.deepEqual(await look(), [114, 16])
  room.edges.splice(0, 2, fakeEdge('c')) // a worker has crashed, with what nobody had asked for yet
  room.edges[0]?.serve(fresh, 4)
  assert.deepEqual(await look(), [114, 20])
})

test('an edge that begins to show the service only now counts from what it shows first', async () => {
  await using room = await openReleaseRoom()
  const edge = fakeEdge('a')
  const silent = { ...edge, samples: (at: number) => ({ epoch: 'a', at, services: [] }) }
  room.edges.push(silent)
  await room.release.judging.begin('one', plan, who)
  edge.serve(old, 700, 7) // of an earlier rollout
  room.edges.splice(0, 1, edge)
  assert.deepEqual((await countsOf(room.release)).baseline, counted(0))
  edge.serve(old, 5)
  room.clock.forward(250)
  assert.deepEqual((await countsOf(room.release)).baseline, counted(5))
})

test('the next process goes on with the same counts, and begins nothing a second time', async () => {
  await using room = await openReleaseRoom()
  const edge = fakeEdge('a')
  room.edges.push(edge)
  await room.release.judging.begin('one', plan, who)
  edge.serve(old, 90, 1)
  edge.serve(fresh, 10, 1)
  room.clock.forward(250)
  const before = await room.release.judging.look('one')
  const next = room.again()
  await next.judging.begin('one', { ...plan, alpha: 0.5 }, { ...who, canary: 'sha256:other' })
  edge.serve(fresh, 1)
  room.clock.forward(60_000)
  const after = await next.judging.look('one')
  assert.deepEqual(after.numbers.canary, counted(11, 1))
  assert.equal(after.numbers.pValue, before.numbers.pValue)
})

test('without an answer of the edges there is a telemetry gap, which ends with the next answer', async () => {
  await using room = await openReleaseRoom()
  room.state.answers = false
  await room.release.judging.begin('one', plan, who)
  assert.equal((await countsOf(room.release)).cause, 'telemetry-gap')
  room.state.answers = true
  const edge = fakeEdge('a')
  edge.serve(old, 4000)
  room.edges.push(edge)
  room.clock.forward(250)
  assert.equal((await countsOf(room.release)).cause, 'no-traffic')
  edge.serve(old, 9)
  edge.serve(fresh, 1)
  room.clock.forward(250)
  assert.equal((await countsOf(room.release)).cause, 'undecided')
  room.edges.splice(0)
  room.clock.forward(250)
  assert.equal((await countsOf(room.again())).cause, 'telemetry-gap', 'no edge at all is no answer')
  await assert.rejects(room.release.judging.look('another'), /nothing is being judged under the name another/)
})

test('restarts count once in a minute for each instance, and by its release', async () => {
  await using room = await openReleaseRoom()
  room.edges.push(fakeEdge('a'))
  room.instances.push({ id: 'shop.1', release: old, restarts: 7 }, { id: 'shop.2', release: fresh, restarts: 0 })
  await room.release.judging.begin('one', plan, { ...who, canary: `${fresh}+deployment-2` })
  const look = async (seconds: number, ...restarts: number[]) => {
    for (const [place, one] of room.instances.entries()) one.restarts = restarts[place] ?? 0
    room.clock.forward(seconds * 1000)
    const { baseline, canary } = await countsOf(room.release)
    return [baseline.restarts, canary.restarts]
  }
  assert.deepEqual(await look(1, 7, 1), [0, 1])
  assert.deepEqual(await look(1, 7, 3), [0, 1])
  assert.deepEqual(await look(70, 8, 3), [1, 1])
  assert.deepEqual(await look(1, 8, 4), [1, 2])
})

test('a first version is judged by thresholds alone', async () => {
  await using room = await openReleaseRoom()
  const edge = fakeEdge('a')
  room.edges.push(edge)
  const thresholds = [{ metric: 'error-rate' as const, below: 0.02 }]
  await room.release.judging.begin('one', { ...plan, thresholds }, { ...who, baseline: null })
  edge.serve(fresh, 100, 20)
  room.clock.forward(250)
  assert.equal((await countsOf(room.release)).cause, 'threshold-0')
})

test('a verdict is explained, computed anew from its evidence, and one that was tampered with is found', async () => {
  await using room = await openReleaseRoom()
  const edge = fakeEdge('a')
  room.edges.push(edge)
  const target = {
    ...{ deployment: 'one', project: defaultProject, service: ServiceName.parse('shop') },
    environment: defaultEnvironment,
  }
  const about = { subject: 'deployment:one', actor: 'system:deploy' }
  await room.ledger.append([fact(rolloutStarted, { ...about, payload: startedOf(target, plan) })])
  await room.release.judging.begin('one', plan, who)
  for (let second = 0; second < 20; second += 1) {
    edge.serve(old, 95, second % 5 === 0 ? 1 : 0, 3)
    edge.serve(fresh, 5, second % 10 === 0 ? 1 : 0)
    room.clock.forward(1000)
    await room.release.judging.look('one')
  }
  room.clock.forward(1000) // nothing more is counted until the verdict
  const step = await room.release.judging.look('one')
  const { evidence } = await room.release.judging.conclude('one')
  assert.deepEqual(await room.release.judging.conclude('one'), { evidence })
  await room.ledger.append([fact(rolloutJudged, { ...about, payload: { ...target, step: 0, ...step, evidence } })])
  edge.serve(fresh, 9, 9)
  edge.serve(old, 95)
  room.clock.forward(-500_000) // the clock is set back
  const end = await room.release.judging.look('one')
  const last = await room.release.judging.conclude('one')
  const lie = { ...end.numbers, pValue: 0.5 }
  await room.ledger.append([
    fact(rolloutJudged, { ...about, payload: { ...target, step: 1, ...end, ...last } }),
    fact(rolloutJudged, { ...about, payload: { ...target, step: 2, ...end, numbers: lie, ...last } }),
    fact(rolloutJudged, { ...about, payload: { ...target, step: 3, ...end, evidence: null } }),
  ])
  const why = await room.again().explain('one', 5)
  assert.deepEqual(
    why?.verdicts.map(({ step, verdict, recomputed }) => [step, verdict, recomputed.kind]),
    [
      [0, 'inconclusive', 'agrees'],
      [1, 'fail', 'agrees'],
      [2, 'fail', 'differs'],
      [3, 'fail', 'none'],
    ],
  )
  assert.deepEqual(why?.verdicts[2]?.recomputed.judgement, end)
  assert.deepEqual(
    why?.series.map(({ canary }) => canary),
    [5, 30, 55, 80, 109].map((requests, place) => ({ requests, errors: [1, 1, 2, 2, 11][place] })),
  )
  const { errorRate, latency } = why?.now?.canary ?? assert.fail('nothing is shown')
  assert.ok(errorRate.from > 0.02 && errorRate.from < 11 / 109 && errorRate.until > 11 / 109 && errorRate.until < 0.4)
  assert.deepEqual(latency[0], { quantile: 0.5, fromMs: 10, untilMs: 20 })
  const document = await room.release.evidence('one', evidence)
  assert.equal(document?.batches.length, 20)
  assert.equal(await room.release.evidence('two', evidence), null, 'of another rollout')

  const folder = join(room.directory, 'blobs/evidence')
  assert.equal(readdirSync(folder).length, 2)
  writeFileSync(join(folder, `${evidence.slice(7)}.json.gz`), 'other bytes')
  assert.equal((await room.again().explain('one'))?.verdicts[0]?.recomputed.kind, 'gone')
  assert.equal(await room.release.explain('two'), null)
})
