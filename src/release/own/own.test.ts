import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JudgePlan, OwnMetrics } from '../../deploy/judging.ts'
import { defineMetrics } from '../../golden/metrics.ts'
import { fakeEdge, openReleaseRoom, service, startPage } from '../testing.ts'

const [old, fresh] = ['sha256:old', 'sha256:new']
const rules = defineMetrics([
  { name: 'failed-payments', bad: 'payments_total{outcome="failed"}', of: 'payments_total' },
])
const own: OwnMetrics = { rules, baseline: ['shop.1.1'], canary: ['shop.2.1'] }
const who = { service, baseline: old, canary: fresh, own }
const plan: JudgePlan = { alpha: 0.01, tolerance: 0, latency: false, thresholds: [], metrics: ['failed-payments'] }

/** Two instances with a page each, and a judging of them that has begun. */
const begin = async () => {
  const room = await openReleaseRoom()
  const [before, after] = [await startPage(), await startPage()]
  const edge = fakeEdge('a')
  room.edges.push(edge)
  room.instances.push({ id: 'shop.1.1', release: old, restarts: 0, port: before.port })
  room.instances.push({ id: 'shop.2.1', release: fresh, restarts: 0, port: after.port })
  await room.release.judging.begin('one', plan, who)
  /** Five seconds later, with the pages as they are then. */
  const look = async (release = room.release) => {
    edge.serve(old, 90)
    edge.serve(fresh, 10)
    room.clock.forward(5_000)
    await release.judging.look('one')
    await release.settled()
    room.clock.forward(1)
    return release.judging.look('one')
  }
  const counts = async (release = room.release) => {
    const { verdict, numbers } = await look(release)
    const { metrics } = numbers
    const found = Array.isArray(metrics) ? metrics.find(({ metric }) => metric === 'own:failed-payments') : null
    return [verdict, numbers.cause, found?.baseline, found?.canary]
  }
  return {
    ...{ room, before: before.state, after: after.state, counts },
    [Symbol.asyncDispose]: async (): Promise<void> => {
      await room.release.stop()
      await Promise.all([before, after, room].map((one) => one[Symbol.asyncDispose]()))
    },
  }
}

const tally = (events: number, of: number) => ({ events, of })

test('a release whose own metric is worse fails by it, although no request of it fails', async () => {
  await using it = await begin()
  Object.assign(it.before, { good: 9000, bad: 5000 })
  assert.deepEqual(await it.counts(), ['inconclusive', 'undecided', tally(0, 0), tally(0, 0)])
  Object.assign(it.before, { good: 9090, bad: 5001 })
  Object.assign(it.after, { good: 9, bad: 1 })
  assert.deepEqual(await it.counts(), ['inconclusive', 'undecided', tally(1, 91), tally(1, 10)])
  Object.assign(it.before, { good: 9180, bad: 5002 })
  Object.assign(it.after, { good: 10, bad: 40 })
  await it.counts() // bets are made on whole blocks, which come with requests
  assert.deepEqual((await it.counts()).slice(0, 2), ['fail', 'own:failed-payments'])
})

test('a process that starts anew goes on where the one before it was, and a page that is not there loses nothing', async () => {
  await using it = await begin()
  await it.counts()
  Object.assign(it.after, { good: 100 })
  Object.assign(it.before, { good: 100 })
  assert.deepEqual((await it.counts()).slice(2), [tally(0, 100), tally(0, 100)])
  it.after.status = 500
  it.after.good = 150
  it.before.good = 101
  assert.deepEqual((await it.counts()).slice(2), [tally(0, 101), tally(0, 100)])
  it.after.status = 200
  const next = it.room.again()
  assert.deepEqual((await it.counts(next)).slice(2), [tally(0, 101), tally(0, 150)])
  Object.assign(it.room.instances[1] ?? {}, { restarts: 1 })
  Object.assign(it.after, { good: 160, bad: 3 })
  assert.deepEqual((await it.counts(next)).slice(2), [tally(0, 101), tally(3, 313)])
  await next.stop()
})

test('what nobody shows is no data: neither a pass nor a fail', async () => {
  await using it = await begin()
  it.after.status = 404
  it.before.status = 404
  for (let round = 0; round < 40; round += 1)
    assert.deepEqual(await it.counts(), ['inconclusive', 'undecided', tally(0, 0), tally(0, 0)])
})
