import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../clock.ts'
import { ask, host, poolOf, startEdge, startInstance, startLoad, tableOf, until } from './testing.ts'

const startVersion = (t: TestContext, version: string) =>
  startInstance(t, (request, response) => {
    request.resume()
    request.on('end', () => response.end(version))
  })

test('2,000 changes of routes under load cost no request', async (t) => {
  const instances = await Promise.all(['a', 'b', 'c', 'd'].map((name) => startVersion(t, name)))
  const ports = instances.map(({ port }) => port)
  const table = (generation: number) => {
    const [live, next] = [generation % 4, (generation + 1) % 4]
    const pool = (place: number, weight: number) =>
      poolOf(`v${place}`, weight, { [`i${place}-${generation % 7}`]: ports[place] ?? 0 })
    return generation % 3 === 0
      ? tableOf(generation, pool(live, 1))
      : tableOf(generation, pool(live, 90), pool(next, 10))
  }
  const edge = await startEdge(t, table(0))
  const load = startLoad(t, edge.at, 32, (turn) => (turn % 5 === 0 ? { method: 'POST', body: 'some body' } : {}))
  for (let generation = 1; generation <= 2_000; generation += 1) {
    edge.route(table(generation))
    if (generation % 4 === 0) await systemClock.sleep(1)
  }
  await until('the load has gone through the changes', () => load.answered() >= 2_000)
  const { failures } = await load.stop()
  assert.deepEqual(failures, [])
  for (let place = 0; place < 4; place += 1)
    for (let name = 0; name < 7; name += 1) assert.equal(edge.inFlight(`i${place}-${name}`).requests, 0)
})

test('instances are stopped for good as soon as nothing is in flight on them, and no request is lost', async (t) => {
  let { port, server } = await startVersion(t, 'v0')
  const edge = await startEdge(t, tableOf(0, poolOf('v0', 1, { i0: port })))
  const load = startLoad(t, edge.at, 16, (turn) => (turn % 4 === 0 ? { method: 'POST', body: 'some body' } : {}))
  for (let generation = 1; generation <= 30; generation += 1) {
    const old = server
    const next = await startVersion(t, `v${generation}`)
    port = next.port
    server = next.server
    edge.route(tableOf(generation, poolOf(`v${generation}`, 1, { [`i${generation}`]: port })))
    await until('the old one is drained', () => edge.inFlight(`i${generation - 1}`).requests === 0)
    old.close()
    old.closeAllConnections() // as a kill would
    const seen = load.answered()
    await until('the new one answers', () => load.answered() > seen + 20)
  }
  const { failures } = await load.stop()
  assert.deepEqual(failures, [])
})

test('what is in flight is told exactly, through every stage of a request', async (t) => {
  const answers: (() => void)[] = []
  const { port } = await startInstance(t, (request, response) => {
    request.resume()
    answers.push(() => response.end('done'))
  })
  const edge = await startEdge(t, tableOf(1, poolOf('v1', 1, { a: port })))
  const asked = [1, 2, 3].map(() => ask({ port: edge.at }))
  await until('three are in flight', () => edge.inFlight('a').requests === 3)
  await until('the instance has them', () => answers.length === 3)
  edge.route(tableOf(2))
  for (const left of [2, 1, 0]) {
    answers.pop()?.()
    await until('one fewer is in flight', () => edge.inFlight('a').requests === left)
  }
  assert.deepEqual(
    (await Promise.all(asked)).map(({ body }) => body.toString()),
    ['done', 'done', 'done'],
  )
  await until('its connections are closed', () => edge.inFlight('a').connections === 0)
  assert.equal((await ask({ port: edge.at })).status, 503)
})

test('kept connections to a removed instance are closed at once when they are idle', async (t) => {
  const { port } = await startVersion(t, 'v1')
  const edge = await startEdge(t, tableOf(1, poolOf('v1', 1, { a: port })))
  await ask({ port: edge.at })
  assert.deepEqual(edge.inFlight('a'), { requests: 0, connections: 1 })
  edge.route(tableOf(2))
  await until('they are closed', () => edge.inFlight('a').connections === 0)
})

test('an instance that comes back on another port is asked there', async (t) => {
  const first = await startVersion(t, 'first')
  const second = await startVersion(t, 'second')
  const edge = await startEdge(t, tableOf(1, poolOf('v1', 1, { a: first.port })))
  assert.equal((await ask({ port: edge.at })).body.toString(), 'first')
  edge.route(tableOf(1, poolOf('v1', 1, { a: second.port })))
  for (let turn = 0; turn < 3; turn += 1) assert.equal((await ask({ port: edge.at })).body.toString(), 'second')
})

test('a retiring edge closes no connection by itself, and says with the next answer that it was the last', async (t) => {
  const { port } = await startVersion(t, 'v1')
  const edge = await startEdge(t, tableOf(1, poolOf('v1', 1, { a: port })))
  const socket = connect({ port: edge.at, host: '127.0.0.1' })
  let received = ''
  let closed = false
  socket.setEncoding('latin1').on('data', (text: string) => {
    received += text
  })
  socket.on('close', () => {
    closed = true
  })
  const line = `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`
  socket.write(line)
  await until('the first answer', () => received.endsWith('v1'))
  assert.match(received, /\r\nConnection: keep-alive\r\n/)
  edge.retire({ limitMs: 60_000, leaveIdle: false })
  await assert.rejects(ask({ port: edge.at }), { code: 'ECONNREFUSED' })
  await systemClock.sleep(100)
  assert.equal(closed, false)
  received = ''
  socket.write(line)
  await edge.over
  await until('it is closed', () => closed)
  assert.match(received, /^HTTP\/1\.1 200 OK\r\n(.*\r\n)*Connection: close\r\n(.*\r\n)*\r\nv1$/)
})
