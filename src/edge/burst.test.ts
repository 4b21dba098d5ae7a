import assert from 'node:assert/strict'
import { Agent } from 'node:http'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { ask, closedPort, host, poolOf, startEdge, startInstance, startRawInstance, tableOf, until } from './testing.ts'

const requests = 300
const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const counted = (statuses: readonly number[]): Record<string, number> => {
  const counts: Record<string, number> = {}
  for (const status of statuses) counts[status] = (counts[status] ?? 0) + 1
  return counts
}
const askAll = async (port: number): Promise<Record<string, number>> =>
  counted(await Promise.all(Array.from({ length: requests }, async () => (await ask({ port })).status)))

test('no request of a burst waits behind another that an instance is slow to answer', async (t) => {
  const asking: Socket[] = []
  const { port } = await startRawInstance(t, (socket) => {
    socket.on('data', () => {
      asking.push(socket)
      if (asking.length === requests) for (const one of asking) one.write(answer)
    })
  })
  const edge = await startEdge(t, tableOf(1, poolOf('v1', 1, { a: port })))
  assert.deepEqual(await askAll(edge.at), { 200: requests })
  assert.deepEqual(edge.inFlight('a'), { requests: 0, connections: requests })
})

test('those of a burst that meet an instance which refuses are served by another, or told so', async (t) => {
  const { port } = await startInstance(t, (_, response) => response.end('ok'))
  const refusing = await closedPort()
  const edge = await startEdge(t, tableOf(1, poolOf('v1', 1, { a: port, b: refusing })))
  assert.deepEqual(await askAll(edge.at), { 200: requests })
  const alone = await startEdge(t, tableOf(1, poolOf('v1', 1, { b: refusing })))
  assert.deepEqual(await askAll(alone.at), { 502: requests })
  assert.deepEqual(alone.inFlight('b'), { requests: 0, connections: 0 })
})

test('those of a burst that meet an instance which dies are asked of it anew, and then of another', async (t) => {
  let died = 0
  const { port: dying } = await startRawInstance(t, (socket) => {
    socket.on('data', () => {
      died += 1
      socket.resetAndDestroy()
    })
  })
  const { port } = await startInstance(t, (_, response) => response.end('ok'))
  const edge = await startEdge(t, tableOf(1, poolOf('v1', 1, { a: port, b: dying })))
  const outcomes = await askAll(edge.at)
  assert.ok((outcomes[200] ?? 0) >= requests / 2, JSON.stringify({ outcomes, died }))
  assert.deepEqual(edge.inFlight('b'), { requests: 0, connections: 0 })
  const agent = new Agent({ keepAlive: true })
  t.after(() => agent.destroy())
  for (let turn = 0; turn < 10; turn += 1) assert.equal((await ask({ port: edge.at, agent })).status, 200)
})

test('clients of a burst that leave before they are answered are forgotten, and the others served', async (t) => {
  let seen = 0
  const { port } = await startRawInstance(t, (socket) => {
    socket.on('data', () => {
      seen += 1
      socket.write(answer)
    })
  })
  const edge = await startEdge(t, tableOf(1, poolOf('v1', 1, { a: port })))
  const leaving = Array.from({ length: requests }, () => {
    const socket = connect({ port: edge.at, host: '127.0.0.1' })
    socket.on('error', () => {})
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    return socket
  })
  await until('some are served', () => seen > 0)
  for (const socket of leaving) socket.resetAndDestroy()
  assert.deepEqual(await askAll(edge.at), { 200: requests })
  await until('nothing of them is left', () => edge.inFlight('a').requests === 0)
})
