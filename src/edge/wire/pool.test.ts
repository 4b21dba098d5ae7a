import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { startRawInstance, until } from '../testing.ts'
import { idleWithin, Pool } from './pool.ts'
import type { Upstream } from './upstream.ts'

/** An instance that answers each request, and how many connections of this pool it has seen. */
const startPool = async (t: TestContext, mostIdle?: number) => {
  let seen = 0
  const { port } = await startRawInstance(t, (socket) => {
    seen += 1
    socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'))
  })
  const pool = new Pool('127.0.0.1', mostIdle)
  t.after(() => pool.closeIdle())
  const burst = async (requests: number, nowMs: number): Promise<void> => {
    const taken = Array.from({ length: requests }, () => pool.take(port, nowMs))
    await Promise.all(taken.map(answerOf))
    for (const upstream of taken) pool.giveBack(upstream, nowMs)
  }
  return { pool, burst, seen: () => seen }
}

const answerOf = (upstream: Upstream): Promise<void> =>
  new Promise((done, failed) =>
    upstream.ask('GET / HTTP/1.1\r\nHost: a\r\n\r\n', false, {
      connected: () => {},
      hinted: () => {},
      answered: () => {},
      piece: () => false,
      paused: () => {},
      ended: () => done(),
      upstreamDrained: () => {},
      failed: (how) => failed(new Error(String(how))),
    }),
  )

test('connections that a burst needed serve the next one, and are closed when none comes for five seconds', async (t) => {
  const { pool, burst, seen } = await startPool(t, 1_024)
  await burst(100, 0)
  await burst(100, 4_999)
  assert.deepEqual([seen(), pool.size], [100, 100])
  pool.closeIdle(9_998)
  await burst(100, 9_998)
  assert.equal(seen(), 100)
  pool.closeIdle(14_998)
  await until('those beyond the usual are closed', () => pool.size === 64)
  pool.closeIdle(9_998 + 30_000)
  await until('the others are too, in their time', () => pool.size === 0)
})

test('what an edge of few descriptors keeps is what it always kept', async (t) => {
  const { pool, burst } = await startPool(t, idleWithin(384))
  await burst(100, 0)
  await until('the others are closed', () => pool.size === 64)
  assert.deepEqual([1_000, 8_000, 20_000].map(idleWithin), [64, 500, 1_024])
})
