import assert from 'node:assert/strict'
import { test } from 'node:test'
import { places, preferenceOf } from './preference.ts'
import type { EdgeRoute, EdgeTable } from './protocol.ts'
import { choose, Router } from './router.ts'
import { ask, host, poolOf, startEdge, startInstance, tableOf } from './testing.ts'

const tableWith = (more: Partial<EdgeRoute>, ...pools: EdgeRoute['pools']): EdgeTable => ({
  generation: 1,
  routes: [{ hosts: [host], service: 'shop', pools, ...more }],
})
const weighed = (old: number, fresh: number) => [poolOf('old', old, { a: 1001 }), poolOf('new', fresh, { b: 1002 })]
const affinity = { cookie: 'hw', seconds: 3_600 }

const startRouter = (table: EdgeTable) => {
  const router = new Router()
  router.replace(table)
  const take = (asked: { path?: string; pairs?: string[] } = {}) => {
    const destination = router.find(host)
    assert.ok(destination)
    const preference = preferenceOf(destination, asked.path ?? '/', asked.pairs ?? [])
    return { version: choose(destination, null, preference)?.version, setCookie: preference.setCookie }
  }
  return { router, take }
}
const cookieOf = (setCookie: string | null): string[] => ['cookie', `a=b; ${setCookie?.split(';')[0]}; c=d`]

test('clients keep their version for as long as weights stay, and a change of weights moves only as many as it must', () => {
  const { router, take } = startRouter(tableWith({ affinity }, ...weighed(90, 10)))
  const clients = Array.from({ length: 10_000 }, () => take())
  const share = (versions: readonly (string | undefined)[]) => versions.filter((one) => one === 'new').length
  assert.ok(Math.abs(share(clients.map(({ version }) => version)) - 1_000) <= 10)
  const again = () => clients.map(({ setCookie }) => take({ pairs: cookieOf(setCookie) }))
  assert.deepEqual(
    again().map(({ version }) => version),
    clients.map(({ version }) => version),
  )
  assert.ok(again().every(({ setCookie }) => setCookie === null))
  let before = again()
  for (const weight of [25, 50, 100]) {
    // In another order of the pools, which must not matter.
    router.replace(tableWith({ affinity }, ...weighed(100 - weight, weight).toReversed()))
    const after = again()
    assert.ok(Math.abs(share(after.map(({ version }) => version)) - weight * 100) <= 10, `${weight} %`)
    assert.equal(after.filter(({ version }, at) => version === 'old' && before[at]?.version === 'new').length, 0)
    before = after
  }
  router.replace(tableWith({ affinity }, ...weighed(100, 0)))
  assert.equal(share(again().map(({ version }) => version)), 0)
})

test('weights hold for clients that keep no cookie, and for each of two services by itself', () => {
  for (const weight of [1, 10, 50]) {
    const { take } = startRouter(tableWith({ affinity }, ...weighed(100 - weight, weight)))
    let fresh = 0
    for (let turn = 0; turn < 10_000; turn += 1) if (take().version === 'new') fresh += 1
    assert.ok(Math.abs(fresh - weight * 100) <= 10, `${weight} %: ${fresh}`)
  }
})

test('a cookie that is not one of ours is replaced; a version without a healthy instance is not waited for', () => {
  const { router, take } = startRouter(tableWith({ affinity }, ...weighed(50, 50)))
  for (const value of ['', '-1', '1.5', '12345', 'new', '0x1'])
    assert.match(
      take({ pairs: ['Cookie', `hw=${value}`] }).setCookie ?? '',
      /^hw=\d+; Path=\/; Max-Age=3600; HttpOnly; /,
    )
  assert.equal(take({ pairs: ['Cookie', `hw=${places - 1}`] }).version, 'old')
  const sick = { version: 'old', weight: 50, endpoints: [{ instance: 'a', port: 1001, healthy: false }] }
  router.replace(tableWith({ affinity }, sick, poolOf('new', 50, { b: 1002 })))
  assert.deepEqual(take({ pairs: ['Cookie', `hw=${places - 1}`] }), { version: 'new', setCookie: null })
})

test('a tester goes to the version, also at weight nothing; by header in any case or by query, of exactly that value', () => {
  const overrides = [
    { in: 'header', name: 'X-Version', value: 'canary', version: 'new' },
    { in: 'query', name: 'version', value: 'a b', version: 'new' },
    { in: 'header', name: 'x-version', value: 'gone', version: 'gone' },
  ] as const
  const { take } = startRouter(tableWith({ overrides, affinity }, ...weighed(100, 0)))
  const version = (pairs: string[], path = '/') => take({ pairs, path }).version
  assert.equal(version(['x-VERSION', 'canary']), 'new')
  assert.equal(version([], '/?x=1&version=a%20b'), 'new')
  assert.equal(version([], '/?version=a+b'), 'new')
  assert.equal(version(['x-version', 'Canary']), 'old')
  assert.equal(version([], '/?version=a'), 'old')
  assert.equal(version([], '/version=a+b'), 'old')
  assert.equal(version(['x-version', 'gone']), 'old')
  assert.equal(take({ pairs: ['x-version', 'canary'] }).setCookie, null)
})

test('over the wire: the cookie is set once, and a tester is not among those that are judged', async (t) => {
  const [old, fresh] = await Promise.all(
    ['old', 'new'].map((version) => startInstance(t, (_request, response) => response.end(version))),
  )
  const overrides = [{ in: 'header', name: 'x-version', value: 'new', version: 'new' }] as const
  const pools = [poolOf('old', 1, { a: old?.port ?? 0 }), poolOf('new', 0, { b: fresh?.port ?? 0 })]
  const edge = await startEdge(t, tableWith({ overrides, affinity, sample: { errorWindowMs: 1_000 } }, ...pools))
  const first = await ask({ port: edge.at })
  const [cookie = ''] = first.headers['set-cookie'] ?? []
  assert.match(cookie, /^hw=\d{1,4}; Path=\/; Max-Age=3600; HttpOnly; SameSite=Lax$/)
  const second = await ask({ port: edge.at, headers: { cookie: cookie.split(';')[0] } })
  assert.deepEqual([second.body.toString(), second.headers['set-cookie']], ['old', undefined])
  assert.equal((await ask({ port: edge.at, headers: { 'x-version': 'new' } })).body.toString(), 'new')
  edge.route({ ...tableOf(2), routes: edge.table().routes })
  const [judged] = edge.samples().services
  assert.deepEqual(
    judged?.versions.map(({ version, requests }) => [version, requests]),
    [
      ['old', 2],
      ['new', 0],
    ],
  )
  assert.equal(
    edge.counters().minutes.reduce((sum, { requests }) => sum + requests, 0),
    3,
  )
})
