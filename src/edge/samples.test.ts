import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../clock.ts'
import { type EdgeRoute, latencyEdgesMs } from './protocol.ts'
import { rememberedErrors, type Sampled, Samples } from './samples.ts'
import { poolOf } from './testing.ts'

const route = (more: Partial<EdgeRoute> = {}): EdgeRoute => ({
  hosts: ['shop.localhost'],
  service: 'shop',
  pools: [poolOf('old', 90, {}), poolOf('new', 10, {})],
  sample: { errorWindowMs: 1_000 },
  ...more,
})
const ok: Sampled = {
  service: 'shop',
  version: 'old',
  status: 200,
  failed: false,
  durationMs: 3,
  client: '10.0.0.1',
  method: 'GET',
  path: '/',
  mirrored: false,
}
const startSamples = (...routes: EdgeRoute[]) => {
  const time = { nowMs: 0 }
  const samples = new Samples('epoch', { ...systemClock, now: () => 7, monotonicMs: () => time.nowMs })
  samples.judge(routes.length === 0 ? [route()] : routes)
  const errorsOf = (version: string) =>
    samples.snapshot().services[0]?.versions.find((one) => one.version === version)?.errors
  const fail = (more: Partial<Sampled> = {}) => samples.count({ ...ok, status: 500, ...more })
  return { samples, time, errorsOf, fail }
}
const none = Array<number>(latencyEdgesMs.length).fill(0)

test('requests, errors and what is slower than each edge are told by version, all of the same instant', () => {
  const { samples } = startSamples()
  samples.count(ok)
  samples.count({ ...ok, durationMs: 2, status: 499 })
  samples.count({ ...ok, version: 'new', durationMs: 60_001, status: 404 })
  samples.count({ ...ok, version: 'new', durationMs: 0.5, status: 200, failed: true })
  samples.count({ ...ok, service: 'nobody judges it' })
  assert.deepEqual(samples.snapshot(), {
    epoch: 'epoch',
    at: 7,
    services: [
      {
        service: 'shop',
        versions: [
          { version: 'old', requests: 2, errors: 0, slower: [2, 1, ...none.slice(2)], mirrored: 0, leftOut: 0 },
          { version: 'new', requests: 2, errors: 1, slower: none.map(() => 1), mirrored: 0, leftOut: 0 },
        ],
      },
    ],
  })
})

test('an error counts once per client and route within the window, for the version that met it first', () => {
  const { time, errorsOf, fail } = startSamples()
  for (let turn = 0; turn < 10; turn += 1) {
    fail({ version: 'new', path: `/pay?try=${turn}` })
    fail({ version: 'old', path: '/pay' })
  }
  assert.deepEqual([errorsOf('old'), errorsOf('new')], [0, 1])
  fail({ path: '/pay', client: '10.0.0.2' })
  fail({ path: '/pay', method: 'POST' })
  fail({ path: '/other' })
  assert.deepEqual([errorsOf('old'), errorsOf('new')], [3, 1])
  time.nowMs = 999
  fail({ path: '/pay' })
  assert.equal(errorsOf('old'), 3)
  time.nowMs = 1_000
  fail({ path: '/pay' })
  fail({ path: '/pay', version: 'new' })
  assert.deepEqual([errorsOf('old'), errorsOf('new')], [4, 1])
})

test('addresses of one IPv6 network are one client, written however', () => {
  const { errorsOf, fail } = startSamples()
  for (const client of ['2001:db8:1:2::1', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2:ffff::']) fail({ client })
  assert.equal(errorsOf('old'), 1)
  for (const client of ['2001:db8:1:3::1', '2001:db8::1', '::1']) fail({ client })
  assert.equal(errorsOf('old'), 4)
})

test('copies are kept apart from what they are copies of', () => {
  const mirror = { version: 'shadow', endpoints: [], share: 1, methods: ['GET'] }
  const { samples, fail } = startSamples(route({ mirror }))
  fail()
  fail({ version: 'shadow', mirrored: true })
  fail({ version: 'shadow', mirrored: true })
  samples.leaveOut('shop', 'shadow')
  const shadow = samples.snapshot().services[0]?.versions.find(({ version }) => version === 'shadow')
  const slower = [2, 2, ...none.slice(2)]
  assert.deepEqual(shadow, { version: 'shadow', requests: 2, errors: 1, slower, mirrored: 2, leftOut: 1 })
})

test('a storm of errors from everywhere is held in bounded memory, and none of it counts twice', () => {
  const { time, errorsOf, fail } = startSamples()
  for (let client = 0; client < rememberedErrors + 5_000; client += 1) fail({ client: `c${client}` })
  for (let client = 0; client < 100; client += 1) fail({ client: `c${client}` })
  assert.equal(errorsOf('old'), rememberedErrors)
  time.nowMs = 1_000
  fail({ client: 'c1' })
  assert.equal(errorsOf('old'), rememberedErrors + 1)
})

test('counts only rise within an epoch, also when a service is not judged for a while; who is not judged is not told', () => {
  const { samples, fail } = startSamples()
  fail()
  samples.judge([{ hosts: ['shop.localhost'], service: 'shop', pools: [] }])
  fail({ client: 'other' })
  assert.deepEqual(samples.snapshot().services, [])
  samples.judge([route()])
  fail({ client: 'third' })
  assert.deepEqual(
    samples.snapshot().services[0]?.versions.map(({ version, requests, errors }) => [version, requests, errors]),
    [
      ['old', 2, 2],
      ['new', 0, 0],
    ],
  )
})

test('versions that went long ago are forgotten, those of the table never', () => {
  const { samples } = startSamples()
  for (let turn = 0; turn < 500; turn += 1) samples.judge([route({ pools: [poolOf(`v${turn}`, 1, {})] })])
  const versions = samples.snapshot().services[0]?.versions ?? []
  assert.equal(versions.length, 64)
  assert.equal(versions.at(-1)?.version, 'v499')
})
