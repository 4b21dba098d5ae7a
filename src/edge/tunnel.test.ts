import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import {
  closedPort,
  exchangeBytes,
  host,
  poolOf,
  startEdge,
  startInstance,
  startRawInstance,
  statusIn,
  tableOf,
  until,
} from './testing.ts'

const one = (port: number) => tableOf(1, poolOf('v1', 1, { a: port }))
const key = 'dGhlIHNhbXBsZSBub25jZQ=='
const handshake = (more = '') =>
  `GET /chat HTTP/1.1\r\nHost: ${host}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n${more}\r\n`

/** A WebSocket service as the standard has it (RFC 6455): answers the key, sends every frame back without its mask. */
const startEcho = (t: TestContext) =>
  startRawInstance(t, (socket) => {
    socket.once('data', (head) => {
      const asked = /sec-websocket-key: (.+)\r\n/i.exec(head.toString('latin1'))?.[1] ?? ''
      assert.match(head.toString('latin1'), /\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n/)
      const accept = createHash('sha1').update(`${asked}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      )
      const rest = head.subarray(head.indexOf('\r\n\r\n') + 4)
      if (rest.length > 0) socket.write(unmasked(rest))
      socket.on('data', (frame) => socket.write(unmasked(frame)))
      socket.on('end', () => socket.end())
    })
  })

const masked = (text: string): Buffer => {
  const mask = Buffer.from([1, 2, 3, 4])
  const payload = Buffer.from(text).map((byte, at) => byte ^ (mask[at % 4] ?? 0))
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length]), mask, payload])
}
const unmasked = (frame: Buffer): Buffer => {
  const mask = frame.subarray(2, 6)
  const payload = frame.subarray(6).map((byte, at) => byte ^ (mask[at % 4] ?? 0))
  return Buffer.concat([Buffer.from([0x81, payload.length]), payload])
}

type Client = { readonly socket: Socket; received(): Buffer; readonly ended: Promise<void> }
const open = (port: number): Client => {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  const chunks: Buffer[] = []
  socket.on('data', (chunk) => chunks.push(chunk))
  socket.on('error', () => {})
  const ended = new Promise<void>((done) => {
    socket.once('end', done)
    socket.once('close', done)
  })
  return { socket, received: () => Buffer.concat(chunks), ended }
}
const headOf = (client: Client): string => client.received().toString('latin1').split('\r\n\r\n')[0] ?? ''

test('a WebSocket is opened, its frames pass both ways, and it counts as open on its instance until it ends', async (t) => {
  const { port } = await startEcho(t)
  const edge = await startEdge(t, one(port))
  const client = open(edge.at)
  client.socket.write(Buffer.concat([Buffer.from(handshake()), masked('with the head')]))
  await until('the echo of what came with the head', () => client.received().includes('with the head'))
  assert.match(headOf(client), /^HTTP\/1\.1 101 Switching Protocols\r\n/)
  assert.match(headOf(client), /\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/)
  client.socket.write(masked('hello'))
  await until('the echo', () => client.received().includes('hello'))
  assert.deepEqual(edge.inFlight('a'), { requests: 1, connections: 1 })
  edge.route(tableOf(2)) // its instance leaves the routes; the tunnel stays
  client.socket.write(masked('still'))
  await until('the echo after the change', () => client.received().includes('still'))
  assert.equal(edge.inFlight('a').requests, 1)
  client.socket.end()
  await client.ended
  await until('nothing is open', () => edge.inFlight('a').requests === 0 && edge.health().openConnections === 0)
  const [minute] = edge.counters().minutes
  assert.deepEqual([minute?.requests, minute?.classes.c1], [1, 1])
})

test('each direction of a tunnel ends by itself', async (t) => {
  let heard = ''
  const { port } = await startRawInstance(t, (socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: talk\r\n\r\nfirst')
      socket.on('data', (text) => {
        heard += text.toString()
      })
      if (order === 'instance first') socket.end()
      else socket.on('end', () => socket.end('last words'))
    })
  })
  const edge = await startEdge(t, one(port))
  let order: 'client first' | 'instance first' = 'client first'
  const ask = handshake().replace('websocket', 'talk')
  const first = open(edge.at)
  first.socket.end(ask)
  await first.ended
  assert.ok(first.received().toString().endsWith('firstlast words'), first.received().toString())
  order = 'instance first'
  const second = open(edge.at)
  second.socket.write(ask)
  await second.ended
  assert.ok(second.received().toString().endsWith('first'))
  second.socket.end('said after the instance had ended')
  await until('the instance hears it', () => heard.includes('said after the instance had ended'))
  await until('nothing is open', () => edge.inFlight('a').requests === 0)
})

test('a tunnel carries megabytes whole, and a reader that pauses holds the writer back', async (t) => {
  const bytes = randomBytes(16 << 20)
  let taken = 0
  const { port } = await startRawInstance(t, (socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: talk\r\n\r\n')
      let at = 0
      const more = () => {
        while (at < bytes.length) {
          const chunk = bytes.subarray(at, at + 65_536)
          at += chunk.length
          taken = at
          if (!socket.write(chunk)) return void socket.once('drain', more)
        }
        socket.end()
      }
      more()
    })
  })
  const edge = await startEdge(t, one(port))
  const client = open(edge.at)
  client.socket.write(handshake().replace('websocket', 'talk'))
  await until('it stands', () => headOf(client).includes('101'))
  client.socket.pause()
  let before = -1
  await until('the instance is held back', async () => {
    const still = taken === before
    before = taken
    await new Promise((done) => setTimeout(done, 100))
    return still
  })
  assert.ok(taken < bytes.length, 'all of it was taken for a client that reads nothing')
  client.socket.resume()
  await client.ended
  const body = client.received().subarray(client.received().indexOf('\r\n\r\n') + 4)
  assert.ok(body.equals(bytes))
})

test('an instance that dies ends its tunnel, and a client that dies ends it at the instance', async (t) => {
  const sockets: Socket[] = []
  let closed = 0
  const { port } = await startRawInstance(t, (socket) => {
    sockets.push(socket)
    socket.on('close', () => {
      closed += 1
    })
    socket.once('data', () => socket.write('HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: talk\r\n\r\n'))
  })
  const edge = await startEdge(t, one(port))
  for (const end of [
    (_: Client) => sockets.at(-1)?.resetAndDestroy(),
    ({ socket }: Client) => socket.resetAndDestroy(),
  ]) {
    const client = open(edge.at)
    client.socket.write(handshake().replace('websocket', 'talk'))
    await until('it stands', () => headOf(client).includes('101'))
    const before = closed
    end(client)
    await client.ended
    await until('both sides are over', () => closed === before + 1 && edge.health().openConnections === 0)
    assert.deepEqual(edge.inFlight('a'), { requests: 0, connections: 0 })
  }
})

test('an instance that declines is passed on with its reason', async (t) => {
  const { port } = await startInstance(t, (_request, response) =>
    response.writeHead(401, { 'www-authenticate': 'Basic', 'content-length': 6 }).end('secret'),
  )
  const edge = await startEdge(t, one(port))
  const received = await exchangeBytes(edge.at, handshake())
  assert.match(received, /^HTTP\/1\.1 401 Unauthorized\r\nwww-authenticate: Basic\r\n/)
  assert.ok(received.endsWith('\r\n\r\nsecret'), received)
  assert.equal(edge.inFlight('a').requests, 0)
})

test('an instance that accepts no connection is passed over; where none does, the client is told', async (t) => {
  const { port } = await startEcho(t)
  const edge = await startEdge(t, tableOf(1, poolOf('v1', 1, { a: await closedPort(), b: port })))
  for (let turn = 0; turn < 4; turn += 1) {
    const client = open(edge.at)
    client.socket.write(handshake())
    await until('it stands', () => headOf(client).startsWith('HTTP/1.1 101'))
    client.socket.destroy()
  }
  const dead = await startEdge(t, one(await closedPort()))
  assert.equal(statusIn(await exchangeBytes(dead.at, handshake())), 502)
  const nobody = await startEdge(t, { generation: 1, routes: [] })
  assert.equal(statusIn(await exchangeBytes(nobody.at, handshake())), 404)
  const { port: silent } = await startRawInstance(t, () => {})
  const late = await startEdge(t, one(silent), { answerMs: 50, sweepMs: 10 })
  assert.equal(statusIn(await exchangeBytes(late.at, handshake())), 504)
  await until('nothing is open', () => late.inFlight('a').connections === 0)
})
