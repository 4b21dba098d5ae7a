import assert from 'node:assert/strict'
import { test } from 'node:test'
import { copiedBodyBytes, openCopies } from './mirror.ts'
import type { EdgeMirror, EdgeTable } from './protocol.ts'
import {
  ask,
  closedPort,
  exchangeBytes,
  host,
  poolOf,
  type RunningEdge,
  startEdge,
  startInstance,
  until,
} from './testing.ts'

const tableWith = (live: number, shadow: number, more: Partial<EdgeMirror> = {}): EdgeTable => {
  const endpoints = [{ instance: 's', port: shadow, healthy: true }]
  return {
    generation: 1,
    routes: [
      {
        hosts: [host],
        service: 'shop',
        pools: [poolOf('live', 1, { a: live })],
        mirror: { version: 'shadow', endpoints, share: 1, methods: ['GET', 'POST'], ...more },
        sample: { errorWindowMs: 60_000 },
      },
    ],
  }
}
const shadowOf = (edge: RunningEdge) => {
  const found = edge.samples().services[0]?.versions.find(({ version }) => version === 'shadow')
  assert.ok(found)
  const { requests, errors, mirrored, leftOut } = found
  return { requests, errors, mirrored, leftOut }
}
const quiet = { isBusy: () => false }

test('copies carry the request and its body, their answers reach nobody, and they are counted apart', async (t) => {
  const seen: string[] = []
  const shadow = await startInstance(t, async (request, response) => {
    const body = (await request.toArray()).join('')
    seen.push(
      `${request.method} ${request.url} ${request.headers.host} ${request.headers['x-headway-mirrored']} ${body}`,
    )
    response.writeHead(500).end('from the shadow')
  })
  const live = await startInstance(t, (request, response) => {
    assert.equal(request.headers['x-headway-mirrored'], undefined)
    request.pipe(response)
  })
  const edge = await startEdge(t, tableWith(live.port, shadow.port), {}, quiet)
  const headers = { 'x-headway-mirrored': 'true' }
  assert.equal((await ask({ port: edge.at, path: '/a?b', headers })).status, 200)
  for (const framing of [{}, { 'transfer-encoding': 'chunked' }])
    assert.equal((await ask({ port: edge.at, method: 'POST', body: 'pay', headers: framing })).body.toString(), 'pay')
  assert.equal((await ask({ port: edge.at, method: 'PUT', body: 'not copied' })).status, 200)
  await until('all copies are over', () => shadowOf(edge).requests === 3)
  assert.deepEqual(seen.toSorted(), [`GET /a?b ${host} true `, `POST / ${host} true pay`, `POST / ${host} true pay`])
  assert.deepEqual(shadowOf(edge), { requests: 3, errors: 2, mirrored: 3, leftOut: 0 })
  assert.equal(
    edge.counters().minutes.reduce((sum, { requests }) => sum + requests, 0),
    4,
  )
  assert.equal(edge.inFlight('s').requests, 0)
})

test('a share is held exactly, also while tables are replaced', async (t) => {
  const [live, shadow] = await Promise.all(
    [1, 2].map(() => startInstance(t, (_request, response) => response.end('ok'))),
  )
  const edge = await startEdge(t, tableWith(live?.port ?? 0, shadow?.port ?? 0, { share: 0.1 }), {}, quiet)
  for (let turn = 0; turn < 200; turn += 1) {
    await ask({ port: edge.at })
    edge.route(edge.table())
  }
  await until('all copies are over', () => edge.inFlight('s').requests === 0)
  assert.deepEqual(shadowOf(edge), { requests: 20, errors: 0, mirrored: 20, leftOut: 0 })
})

test('a shadow that never answers, is closed, or answers nonsense costs the original nothing, and copies stay bounded', async (t) => {
  const held: (() => void)[] = []
  const shadow = await startInstance(t, (request, response) => {
    request.resume()
    held.push(() => response.end())
  })
  const live = await startInstance(t, (_request, response) => response.end('ok'))
  const edge = await startEdge(t, tableWith(live.port, shadow.port), {}, quiet)
  const asked = openCopies + 40
  for (let turn = 0; turn < asked; turn += 1) assert.equal((await ask({ port: edge.at })).body.toString(), 'ok')
  assert.equal(edge.inFlight('s').requests, openCopies)
  assert.equal(shadowOf(edge).leftOut, 40)
  await until('the shadow has them', () => held.length === openCopies)
  for (const end of held) end()
  await until('all copies are over', () => shadowOf(edge).requests === openCopies)
  edge.route({ ...tableWith(live.port, await closedPort()), generation: 2 })
  assert.equal((await ask({ port: edge.at })).body.toString(), 'ok')
  await until('the failed copy is counted', () => shadowOf(edge).errors === 1)
  assert.equal(edge.inFlight('s').requests, 0)
})

test('copies that are late are broken off; they end with their edge', async (t) => {
  const shadow = await startInstance(t, (request) => void request.resume())
  const live = await startInstance(t, (_request, response) => response.end('ok'))
  const edge = await startEdge(t, tableWith(live.port, shadow.port), { answerMs: 50 }, quiet)
  assert.equal((await ask({ port: edge.at })).body.toString(), 'ok')
  await until('the copy is over', () => shadowOf(edge).errors === 1)
  assert.deepEqual(edge.inFlight('s').requests, 0)
})

test('a body that is too large or never ends is passed on and not copied, nor is anything while the edge is busy', async (t) => {
  let busy = false
  const shadow = await startInstance(t, (request, response) => request.pipe(response))
  const live = await startInstance(t, (request, response) => {
    request.resume()
    request.on('end', () => response.end('ok'))
  })
  const edge = await startEdge(
    t,
    tableWith(live.port, shadow.port),
    { bodyStallMs: 100, sweepMs: 20 },
    {
      isBusy: () => busy,
    },
  )
  const large = 'x'.repeat(copiedBodyBytes + 1)
  assert.equal((await ask({ port: edge.at, method: 'POST', body: large })).body.toString(), 'ok')
  await until('it is left out', () => shadowOf(edge).leftOut === 1)
  await exchangeBytes(edge.at, `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 9\r\n\r\nhalf`)
  await until('that one as well', () => shadowOf(edge).leftOut === 2)
  busy = true
  assert.equal((await ask({ port: edge.at })).body.toString(), 'ok')
  assert.deepEqual(shadowOf(edge), { requests: 0, errors: 0, mirrored: 0, leftOut: 3 })
})
