import { randomInt, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { systemClock } from '../src/clock.ts'
import { usualLimits } from '../src/edge/core.ts'
import { createEdge } from '../src/edge/edge.ts'
import { hostileCases } from '../src/edge/hostile.testing.ts'
import { host } from '../src/edge/testing.ts'

/**
 * `sh scripts/node bench/edge-fuzz.ts [seconds] [seed]`: mutated requests, two and more on a connection and in random pieces, through the
 * edge to an instance that reads them with Node's own parser. What the edge says it passed on and what the instance says it got must be
 * the same requests: otherwise the two disagree on where one ends. Ends with 1 at the first disagreement, and prints the bytes.
 */
const seconds = Number(process.argv[2] ?? 60)
let state = Number(process.argv[3] ?? randomInt(2 ** 31))
console.log(`seed ${state}, ${seconds} s`)
const random = (below: number): number => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
  return Math.floor((state / 2 ** 32) * below)
}
const oneOf = <Item>(items: readonly Item[]): Item => items[random(items.length)] as Item

const plain = (id: number): string[] => [
  `GET /${id}a HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
  `POST /${id}b HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 5\r\n\r\nhello`,
  `POST /${id}c HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\nx: y\r\n\r\n`,
  `PUT /${id}d HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n`,
]
const snippets = [
  '\r\n',
  '\n',
  '\r',
  '\0',
  ' ',
  '\t',
  ':',
  ',',
  ';',
  '0',
  '5',
  'Content-Length: 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  '0\r\n\r\n',
  'GET /x HTTP/1.1\r\n',
  `Host: ${host}\r\n`,
  'chunked',
  'HTTP/1.0',
  '\x0b',
  '\xff',
  '-',
  '+',
  '0x',
  'Connection: close\r\n',
  'Expect: 100-continue\r\n',
]

const mutated = (text: string): string => {
  let bytes = text
  for (let turns = random(4); turns > 0; turns -= 1) {
    const at = random(bytes.length + 1)
    const length = random(6)
    switch (random(5)) {
      case 0:
        bytes = bytes.slice(0, at) + oneOf(snippets) + bytes.slice(at)
        break
      case 1:
        bytes = bytes.slice(0, at) + bytes.slice(at + length)
        break
      case 2:
        bytes = bytes.slice(0, at) + String.fromCharCode(random(256)) + bytes.slice(at + 1)
        break
      case 3:
        bytes = bytes.slice(0, at) + bytes.slice(at, at + 20) + bytes.slice(at)
        break
      default:
        bytes = bytes.slice(0, at) + oneOf(snippets) + bytes.slice(at + length)
    }
  }
  return bytes
}

let got: string[] = []
const disagreements: string[] = []
const instance = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  got.push(`${request.method} ${request.url}`)
  request.on('error', () => {})
  request.on('end', () => response.end('ok'))
  request.resume()
})
instance.on('clientError', (error: NodeJS.ErrnoException, socket) => {
  // Where the client cut its body the edge cuts the connection; anything else is bytes that the edge should not have sent.
  if (error.code?.startsWith('HPE_') && error.code !== 'HPE_INVALID_EOF_STATE')
    disagreements.push(`the instance cannot read it: ${error.code}`)
  socket.destroy()
})
await new Promise<void>((done) => void instance.listen(0, '127.0.0.1', done))
const address = instance.address()
const port = typeof address === 'object' ? (address?.port ?? 0) : 0

let passed: string[] = []
const log = {
  write: ({ method, path, instance: at }: { method: string; path: string; instance: string | null }) => {
    if (at !== null) passed.push(`${method} ${path}`)
  },
  dropped: () => 0,
  close: () => {},
}
const edge = createEdge({
  limits: { ...usualLimits, headMs: 2_000, bodyStallMs: 2_000, sweepMs: 100 },
  clock: systemClock,
  newId: randomUUID,
  log,
})
const endpoints = [{ instance: 'a', port, healthy: true }]
edge.route({
  generation: 1,
  routes: [{ hosts: [host], service: 's', pools: [{ version: 'v', weight: 1, endpoints }] }],
})
await edge.listen({ port: 0 })

const say = (bytes: string): Promise<void> =>
  new Promise((done) => {
    const socket = connect({ port: edge.port() ?? 0, host: '127.0.0.1', noDelay: true })
    socket.on('error', () => {})
    socket.on('data', () => {})
    socket.on('close', () => done())
    socket.setTimeout(60, () => socket.destroy())
    for (let at = 0; at < bytes.length; ) {
      const next = random(4) === 0 ? at + 1 + random(40) : bytes.length
      socket.write(bytes.slice(at, next), 'latin1')
      at = next
    }
  })

const queryless = (line: string): string => line.split('?', 1)[0] ?? ''
const end = performance.now() + seconds * 1000
let inputs = 0
for (let id = 0; performance.now() < end && disagreements.length === 0; id += 1) {
  got = []
  passed = []
  const batch = Array.from({ length: 50 }, (_, at) => {
    const own = plain(id * 100 + at)
    const first = random(3) === 0 ? oneOf(hostileCases.filter(({ bytes }) => bytes.length < 2_000)).bytes : oneOf(own)
    return mutated(first) + (random(2) === 0 ? mutated(oneOf(own)) : '') + (own[0] ?? '')
  })
  await Promise.all(batch.map(say))
  for (let wait = 0; edge.health().openRequests > 0 && wait < 500; wait += 1) await systemClock.sleep(10)
  if (edge.health().openRequests > 0) disagreements.push('a request is stuck')
  const [there, here] = [got, passed].map((lines) => new Set(lines.map(queryless)))
  // A request that the edge passed on may have been given up before the instance saw it, never the other way round.
  for (const line of there ?? [])
    if (!here?.has(line)) disagreements.push(`the instance got ${line}, which the edge never passed on`)
  inputs += batch.length
  if (disagreements.length > 0) console.log(JSON.stringify(batch, null, 1))
}
console.log(`${inputs} inputs, ${disagreements.length} disagreements`)
for (const one of disagreements) console.log(one)
process.exit(disagreements.length > 0 ? 1 : 0)
