import assert from 'node:assert/strict'
import { test } from 'node:test'
import { latencyEdgesMs, type TrafficMinute } from '../agent/protocol.ts'
import { openTestLedger } from '../ledger/testing.ts'
import { defaultEnvironment, defaultProject, ServiceName } from '../names.ts'
import type { Runtime } from '../runtimes/runtime.ts'
import { testClock } from '../testing.ts'
import { nothingWatched } from './alerts/testing.ts'
import { quantile } from './histogram.ts'
import { createMonitor, monitorMigrations } from './index.ts'

const shop = { project: defaultProject, service: ServiceName.parse('shop'), environment: defaultEnvironment }
const label = 'default/shop/production'

const minute = (at: number, requests: number, over: Partial<TrafficMinute> = {}): TrafficMinute => ({
  minute: at,
  service: label,
  version: 'v1',
  requests,
  classes: { c1: 0, c2: requests, c3: 0, c4: 0, c5: 0, failed: 0 },
  latency: latencyEdgesMs.map((edge) => (edge === 10 ? requests : 0)).concat(0),
  ...over,
})

const begin = async () => {
  const clock = testClock()
  const ground = await openTestLedger({ definitions: [], migrations: monitorMigrations })
  const runtime: Runtime = {
    start: () => assert.fail(),
    settled: () => assert.fail(),
    stop: () => assert.fail(),
    instances: () => assert.fail(),
    route: () => assert.fail(),
    routes: () => assert.fail(),
    events: () => assert.fail(),
    samples: async () => [],
    traffic: async () => ({ epoch: seen.epoch, minutes: seen.minutes }),
    logs: () => assert.fail(),
  }
  const seen: { epoch: string; minutes: TrafficMinute[]; runtime: Runtime } = { epoch: 'one', minutes: [], runtime }
  const open = () => createMonitor({ ...ground, ...nothingWatched, clock, runtime })
  return { clock, ground, seen, open }
}

test('counters that grow within a minute are taken over, not added up, also by a new control plane', async () => {
  const { ground, seen, open, clock } = await begin()
  const at = clock.now()
  seen.minutes = [minute(at, 10)]
  await open().collect()
  seen.minutes = [minute(at, 25), minute(at + 60_000, 5)]
  const monitor = open()
  await monitor.collect()
  await monitor.collect()
  const counted = await monitor.byMinute(shop, { from: at, until: at + 120_000 })
  assert.deepEqual(
    counted.map((one) => [one.minute - at, one.version, one.requests]),
    [
      [0, 'v1', 25],
      [60_000, 'v1', 5],
    ],
  )
  await ground[Symbol.asyncDispose]()
})

test('what a new edge counts in the same minute comes on top of what the old one had counted', async () => {
  const { ground, seen, open, clock } = await begin()
  const monitor = open()
  seen.minutes = [minute(clock.now(), 10)]
  await monitor.collect()
  seen.epoch = 'two'
  seen.minutes = [minute(clock.now(), 3)]
  await monitor.collect()
  assert.equal((await monitor.total(shop, { from: clock.now(), until: clock.now() + 1 })).requests, 13)
  await ground[Symbol.asyncDispose]()
})

test('errors and latency are told by version, and nothing is told of what nobody asked for', async () => {
  const { ground, seen, open, clock } = await begin()
  const monitor = open()
  const at = clock.now()
  const classes = { c1: 0, c2: 6, c3: 0, c4: 1, c5: 2, failed: 1 }
  seen.minutes = [minute(at, 100), minute(at, 10, { version: 'v2', classes })]
  await monitor.collect()
  const latency = { p50Ms: 7.5, p95Ms: 9.75, p99Ms: 9.95 }
  assert.deepEqual(await monitor.byVersion(shop, { from: at, until: at + 1 }), [
    { version: 'v1', requests: 100, errorRate: 0, classes: minute(at, 100).classes, ...latency },
    { version: 'v2', requests: 10, errorRate: 0.3, classes, ...latency },
  ])
  assert.deepEqual(await monitor.total(shop, { from: at + 60_000, until: at + 120_000 }), {
    requests: 0,
    errorRate: null,
    classes: { c1: 0, c2: 0, c3: 0, c4: 0, c5: 0, failed: 0 },
    p50Ms: null,
    p95Ms: null,
    p99Ms: null,
  })
  await ground[Symbol.asyncDispose]()
})

test('what is older than thirty days goes', async () => {
  const { ground, seen, open, clock } = await begin()
  const at = clock.now()
  seen.minutes = [minute(at - 31 * 86_400_000, 4), minute(at, 1)]
  const monitor = open()
  await monitor.collect()
  assert.equal((await monitor.total(shop, { from: 0, until: at + 1 })).requests, 1)
  await ground[Symbol.asyncDispose]()
})

test('the edge is asked every five seconds while there is traffic and at most once a minute while there is none', async () => {
  const { ground, seen, clock } = await begin()
  const waits: number[] = []
  const watched = {
    now: () => clock.now(),
    monotonicMs: () => clock.monotonicMs(),
    sleep: (ms: number, signal?: AbortSignal) => {
      waits.push(ms)
      return clock.sleep(ms, signal)
    },
  }
  const monitor = createMonitor({ ...ground, ...nothingWatched, clock: watched, runtime: seen.runtime })
  const waiting = async (count: number): Promise<void> => {
    while (waits.length < count) await new Promise(setImmediate)
  }
  seen.minutes = [minute(clock.now(), 1)]
  await monitor.start()
  await waiting(1)
  seen.minutes = [minute(clock.now(), 2)]
  for (let count = 2; count <= 8; count += 1) {
    await clock.advance(waits.at(-1) ?? 0)
    await waiting(count)
  }
  assert.deepEqual(waits, [5_000, 5_000, 10_000, 20_000, 40_000, 60_000, 60_000, 60_000])
  await monitor.stop()
  await ground[Symbol.asyncDispose]()
})

test('quantiles are spread within their bucket, and what lies beyond the last edge counts as that edge', () => {
  const counts = latencyEdgesMs.map(() => 0).concat(0)
  assert.equal(quantile(counts, 0.5), null)
  assert.equal(quantile([10, ...counts.slice(1)], 0.5), 0.5)
  assert.equal(quantile([...counts.slice(0, -1), 5], 0.99), 60_000)
})
