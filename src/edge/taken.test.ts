import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { EdgeTable } from './protocol.ts'
import { Router } from './router.ts'
import { parseTaken, TakenElsewhere } from './taken.ts'
import { host, poolOf } from './testing.ts'

const rate = { perSecond: 10, burst: 10 }
const table: EdgeTable = {
  generation: 1,
  routes: [
    { hosts: [host, 'also.localhost'], service: 'shop', pools: [poolOf('v1', 1, { a: 1 })], rules: { rate } },
    { hosts: [host], service: 'api', match: { path: '/api' }, pools: [poolOf('v1', 1, { b: 1 })], rules: { rate } },
    { hosts: ['free.localhost'], service: 'free', pools: [poolOf('v1', 1, { c: 1 })], rules: { compress: true } },
  ],
}
const asked = (path: string) => ({ path, heading: { pairs: [] } })

/** Edges of one machine; each request goes to one of them in turn, and twice a second they tell each other. */
const edgesOf = (count: number) => {
  const routers = Array.from({ length: count }, () => {
    const router = new Router()
    router.replace(table)
    return router
  })
  const pids = routers.map((_, index) => index)
  const elsewhere = new TakenElsewhere()
  const exchange = (nowMs: number) =>
    routers.forEach((router, pid) => {
      const told = router.exchangeTaken(parseTaken({ taken: elsewhere.for(pid) }), nowMs)
      elsewhere.told(pid, told, pids)
    })
  const ask = (turn: number, client: string, path: string, nowMs: number): boolean =>
    routers[turn % count]?.find(host, asked(path))?.rules?.refusal(client, null, nowMs) === null
  return { exchange, ask }
}

test('several edges hold a limit together, within a bounded error, and nobody gets less than it', () => {
  for (const count of [1, 2, 4]) {
    const { exchange, ask } = edgesOf(count)
    exchange(0)
    let given = 0
    let slow = 0
    let turn = 0
    for (let nowMs = 0; nowMs < 20_000; nowMs += 10) {
      if (nowMs % 500 === 0) exchange(nowMs)
      turn += 1
      if (ask(turn, '192.0.2.1', '/', nowMs)) given += 1 // a hundred each second
      if (nowMs % 200 === 0 && ask(turn + nowMs / 200, '192.0.2.2', '/', nowMs)) slow += 1 // five each second
    }
    assert.ok(given >= 200, `${count} edges gave ${given}`)
    assert.ok(given <= 210 * 1.3 + 10 * count, `${count} edges gave ${given}`)
    assert.equal(slow, 100, 'who stays below the limit is never held up')
  }
})

test('a limit belongs to its route, and what has none is not counted', () => {
  const { exchange, ask } = edgesOf(2)
  exchange(0)
  for (let turn = 0; turn < 10; turn += 1) ask(0, '192.0.2.1', '/', 0)
  exchange(0)
  exchange(0)
  assert.deepEqual([ask(1, '192.0.2.1', '/', 0), ask(1, '192.0.2.1', '/api', 0)], [false, true])
  const router = new Router()
  router.replace(table)
  router.exchangeTaken([], 0)
  router.find('also.localhost')?.rules?.refusal('2001:db8::1', null, 0)
  router.find('free.localhost')?.rules?.refusal('192.0.2.1', null, 0)
  assert.deepEqual(router.exchangeTaken([], 0), [{ route: host, client: '2001:db8:0:0', requests: 1 }])
})
