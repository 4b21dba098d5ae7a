import { randomInt, randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { systemClock } from '../src/clock.ts'
import { usualLimits } from '../src/edge/core.ts'
import { createEdge } from '../src/edge/edge.ts'
import { host } from '../src/edge/testing.ts'
import { mutationsFrom } from './soaks/edge-mutations.ts'

/**
 * `sh scripts/node bench/edge-fuzz.ts [seconds] [seed]`: mutated requests, two and more on a connection and in random pieces, through the
 * edge to an instance that reads them with Node's own parser. What the edge says it passed on and what the instance says it got must be
 * the same requests: otherwise the two disagree on where one ends. Ends with 1 at the first disagreement, and prints the bytes.
 */
const seconds = Number(process.argv[2] ?? 60)
const seed = Number(process.argv[3] ?? randomInt(2 ** 31))
console.log(`seed ${seed}, ${seconds} s`)
const { random, conversation } = mutationsFrom(seed)

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

/** All that ever were: on a busy machine the instance sees one that was given up only batches later. */
const passed = new Set<string>()
const log = {
  isCombined: false,
  write: ({ method, path, instance: at }: { method: string; path: string; instance: string | null }) => {
    if (at !== null) passed.add(queryless(`${method} ${path}`))
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
  const batch = Array.from({ length: 50 }, (_, at) => conversation(id * 100 + at))
  await Promise.all(batch.map(say))
  for (let wait = 0; edge.health().openRequests > 0 && wait < 500; wait += 1) await systemClock.sleep(10)
  if (edge.health().openRequests > 0) disagreements.push('a request is stuck')
  // A request that the edge passed on may have been given up before the instance saw it, never the other way round.
  for (const line of new Set(got.map(queryless)))
    if (!passed.has(line)) disagreements.push(`the instance got ${line}, which the edge never passed on`)
  inputs += batch.length
  if (disagreements.length > 0) console.log(JSON.stringify(batch, null, 1))
}
console.log(`${inputs} inputs, ${disagreements.length} disagreements`)
for (const one of disagreements) console.log(one)
process.exit(disagreements.length > 0 ? 1 : 0)
