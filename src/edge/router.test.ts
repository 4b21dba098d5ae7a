import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EdgeTable } from './protocol.ts'
import { choose, Router } from './router.ts'
import { host, poolOf, tableOf } from './testing.ts'

const routerOf = (table: EdgeTable): Router => {
  const router = new Router()
  router.replace(table)
  return router
}

const take = (router: Router) => {
  const destination = router.find(host)
  return destination ? choose(destination, null) : null
}

const tally = (router: Router, turns: number, between: (turn: number) => void = () => {}) => {
  const counts: Record<string, number> = {}
  for (let turn = 0; turn < turns; turn += 1) {
    const version = take(router)?.version ?? 'none'
    counts[version] = (counts[version] ?? 0) + 1
    between(turn)
  }
  return counts
}

test('weights hold exactly over 10,000 requests, at one percent as well', () => {
  const router = routerOf(tableOf(1, poolOf('old', 99, { a: 1001 }), poolOf('new', 1, { b: 1002 })))
  assert.deepEqual(tally(router, 10_000), { old: 9_900, new: 100 })
})

test('weights hold while the table is replaced again and again with the same weights', () => {
  const table = (generation: number) =>
    tableOf(generation, poolOf('old', 90, { a: 1001 }), poolOf('new', 10, { b: 1002 }))
  const router = routerOf(table(0))
  const counts = tally(router, 10_000, (turn) => router.replace(table(turn + 1)))
  assert.deepEqual(counts, { old: 9_000, new: 1_000 })
})

for (const share of [1, 10, 50])
  test(`${share} % are ${share} % over 10,000 requests, while instances come, go and change their health`, () => {
    const table = (generation: number) => {
      const fresh = poolOf('new', share, generation % 3 === 0 ? { c: 1003 } : { b: 1002, c: 1003 })
      const old = poolOf('old', 100 - share, { [`a${generation % 5}`]: 1001, d: 1004 })
      const endpoints = old.endpoints.map((one, at) => ({ ...one, healthy: at !== generation % 4 }))
      return tableOf(generation, { ...old, endpoints }, fresh)
    }
    const router = routerOf(table(0))
    const counts = tally(router, 10_000, (turn) => router.replace(table(turn + 1)))
    assert.deepEqual(counts, { old: 10_000 - 100 * share, new: 100 * share })
  })

test('weights hold over a canary whose weight is changed at every request', () => {
  const weights = [1, 2, 5, 3, 4]
  const table = (turn: number) => {
    const weight = weights[turn % weights.length] ?? 0
    return tableOf(turn, poolOf('old', 100 - weight, { a: 1001 }), poolOf('new', weight, { b: 1002 }))
  }
  const router = routerOf(table(0))
  const counts = tally(router, 10_000, (turn) => router.replace(table(turn + 1)))
  assert.ok(Math.abs((counts.new ?? 0) - 300) <= 100, JSON.stringify(counts)) // 3 % in the middle, within one point
})

test('a pool of weight nothing and one without a healthy endpoint get no request', () => {
  const sick = { ...poolOf('sick', 50, { c: 1003 }), endpoints: [{ instance: 'c', port: 1003, healthy: false }] }
  const router = routerOf(tableOf(1, poolOf('live', 50, { a: 1001 }), poolOf('dark', 0, { b: 1002 }), sick))
  assert.deepEqual(tally(router, 100), { live: 100 })
})

test('the endpoint with the fewest open requests is taken, and in turns where several have as few', () => {
  const router = routerOf(tableOf(1, poolOf('v1', 1, { a: 1001, b: 1002, c: 1003 })))
  const taken = () => take(router)?.backend.instance
  assert.deepEqual([taken(), taken(), taken(), taken()], ['a', 'b', 'c', 'a'])
  for (const instance of ['a', 'a', 'b', 'c', 'c']) {
    const backend = take(router)?.backend
    assert.ok(backend)
    router.hold(router.find(host)?.pools[0]?.backends.find((one) => one.instance === instance) ?? backend)
  }
  assert.deepEqual([taken(), taken(), taken()], ['b', 'b', 'b'])
})

test('a request on the books of a removed instance is told until it is released, and then forgotten', () => {
  const router = routerOf(tableOf(1, poolOf('v1', 1, { a: 1001 })))
  const choice = take(router)
  assert.ok(choice)
  router.hold(choice.backend)
  router.replace(tableOf(2, poolOf('v2', 1, { b: 1002 })))
  assert.equal(router.inFlight('a').requests, 1)
  assert.equal(take(router)?.backend.instance, 'b')
  router.release(choice.backend)
  assert.deepEqual(router.inFlight('a'), { requests: 0, connections: 0 })
})

test('an instance that comes back to the table while a request is open keeps its books', () => {
  const router = routerOf(tableOf(1, poolOf('v1', 1, { a: 1001 })))
  const choice = take(router)
  assert.ok(choice)
  router.hold(choice.backend)
  router.replace(tableOf(2))
  router.replace(tableOf(3, poolOf('v1', 1, { a: 1001 })))
  assert.equal(router.inFlight('a').requests, 1)
  router.release(choice.backend)
  assert.equal(router.inFlight('a').requests, 0)
  assert.equal(take(router)?.backend.instance, 'a')
})
