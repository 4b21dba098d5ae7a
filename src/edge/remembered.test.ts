import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { queryObjects } from 'node:v8'
import { systemClock } from '../clock.ts'
import { Exchange } from './exchange.ts'
import { host, poolOf, startEdge, startRawInstance, tableOf, until } from './testing.ts'
import { Tunnel } from './tunnel.ts'
import { Client } from './wire/client.ts'
import { Upstream } from './wire/upstream.ts'

const each = 6
const request = (line: string, more = '') => `${line} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`
/** What clients and instances may do to an edge, each to be given up half-way. */
const ways: readonly string[] = [
  request('GET /talk', 'Connection: Upgrade\r\nUpgrade: talk\r\n'),
  request('GET /large'),
  request('GET /dies'),
  request('GET /mute'),
  request('GET /'),
  `${request('POST /early', 'Content-Length: 1000\r\n')}x`,
  `${request('POST /mute', 'Transfer-Encoding: chunked\r\n')}5\r\nhel`,
  'GET /slo',
  'GARBAGE\r\n\r\n',
  '',
]

const startAnyhow = (t: TestContext) =>
  startRawInstance(t, (socket) => {
    socket.on('end', () => socket.end())
    socket.on('data', (bytes) => {
      const text = bytes.toString('latin1')
      if (text.startsWith('GET /talk')) socket.write('HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: talk\r\n\r\n')
      else if (text.startsWith('GET /large'))
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${1 << 20}\r\n\r\n${'x'.repeat(1 << 20)}`)
      else if (text.startsWith('GET /dies'))
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf', () => socket.resetAndDestroy())
      else if (text.startsWith('POST /early')) socket.write('HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n')
      else if (text.startsWith('GET / ')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello')
    })
  })

/** What is left of each kind after a collection of all that is not needed; it takes a while to look through all memory. */
const remembered = (): readonly string[] =>
  [Client, Exchange, Tunnel, Upstream].flatMap((kind) => {
    const left = queryObjects(kind, { format: 'count' })
    return left === 0 ? [] : `${left} of ${kind.name}`
  })

test('once connections are over, however they ended, the edge remembers none of them', async (t) => {
  const { port } = await startAnyhow(t)
  const edge = await startEdge(t, tableOf(1, poolOf('v1', 1, { a: port })), { endedMs: 20, sweepMs: 10 })
  for (let round = 0; round < 2; round += 1) {
    const sockets: Socket[] = []
    for (const bytes of ways)
      for (let turn = 0; turn < each; turn += 1) {
        const socket = connect({ port: edge.at, host: '127.0.0.1' })
        sockets.push(socket)
        socket.on('error', () => {})
        if (turn % 2 === 0) socket.pause()
        else socket.resume()
        socket.write(bytes, 'latin1')
      }
    await until('all have come', () => edge.health().openRequests >= 3 * each)
    for (const [at, socket] of sockets.entries()) {
      if (at % 3 === 0) socket.resetAndDestroy()
      else socket.destroy()
    }
    edge.route(tableOf(2 + round)) // what is kept for later requests is closed with its instance's place in the routes
    edge.route(tableOf(2 + round, poolOf('v1', 1, { a: port })))
    await until('nothing is open', () => edge.health().openConnections === 0 && edge.inFlight('a').requests === 0)
  }
  edge.route(tableOf(9))
  // Their timers may hold the last of them for a turn.
  let left = remembered()
  for (let look = 0; left.length > 0 && look < 20; look += 1) {
    await systemClock.sleep(50)
    left = remembered()
  }
  assert.deepEqual(left, [])
})
