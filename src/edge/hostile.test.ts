import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { type HostileCase, hostileCases } from './hostile.testing.ts'
import { exchangeBytes, host, poolOf, type RunningEdge, startEdge, startInstance, tableOf, until } from './testing.ts'

const get = (lines: string, path = '/') => `GET ${path} HTTP/1.1\r\n${lines}\r\n\r\n`

type Seen = { whole: number; readonly edge: RunningEdge }

/** An instance that counts the requests that it saw to their end, behind an edge. */
const startCounting = async (t: TestContext): Promise<Seen> => {
  const { port } = await startInstance(t, (request, response) => {
    request.on('end', () => {
      seen.whole += 1
      response.writeHead(200, { connection: 'close' }).end()
    })
    request.on('error', () => {})
    request.resume()
  })
  const edge = await startEdge(t, tableOf(1, poolOf('v1', 1, { a: port })), {
    answerMs: 300,
    bodyStallMs: 300,
    sweepMs: 50,
  })
  const seen: Seen = { whole: 0, edge }
  return seen
}

/** Whether all of an answer is here, and the connection stays open. */
const isKept = (received: string): boolean => /\r\nConnection: keep-alive\r\n.*\r\n\r\n/s.test(received)

/** Like exchangeBytes; stops waiting where the answer is there and the connection is kept. */
const say = ({ bytes, ends }: HostileCase, { edge }: Seen): Promise<string> =>
  new Promise((done) => {
    const socket = connect({ port: edge.at, host: '127.0.0.1' })
    let received = ''
    socket.setEncoding('latin1').on('data', (text: string) => {
      received += text
      if (isKept(received)) socket.destroy()
    })
    socket.setTimeout(5_000, () => socket.destroy()) // what it waits for in vain
    socket.on('error', () => {})
    socket.on('close', () => done(received))
    if (ends) socket.end(bytes, 'latin1')
    else socket.write(bytes, 'latin1')
  })

const judgeAnswer = ({ answer }: HostileCase, received: string, whole: number): void => {
  const answers = received.match(/^HTTP\/1\.1 \d{3}/gm) ?? []
  if (answer === 'closed') assert.deepEqual([received, whole], ['', 0])
  else if (answer === 'cut') {
    assert.equal(whole, 0)
    assert.ok(!received.includes(' 200 '), received)
  } else assert.deepEqual([answers, whole], [[`HTTP/1.1 ${answer}`], answer === 200 ? 1 : 0], received)
}

test(`each of ${hostileCases.length} hostile requests gets the answer that it must`, async (t) => {
  const seen = await startCounting(t)
  assert.ok(hostileCases.length >= 200)
  for (const one of hostileCases)
    await t.test(`with ${one.name}`, async () => {
      const before = seen.whole
      judgeAnswer(one, await say(one, seen), seen.whole - before)
    })
  await until('nothing is open', () => seen.edge.health().openRequests === 0)
})

test('it makes no difference in which pieces the bytes come', async (t) => {
  const seen = await startCounting(t)
  const sample = hostileCases.filter(({ bytes }, at) => at % 5 === 0 && bytes.length < 300)
  assert.ok(sample.length > 30)
  for (const one of sample) {
    const before = seen.whole
    const socket = connect({ port: seen.edge.at, host: '127.0.0.1', noDelay: true })
    let received = ''
    socket.setEncoding('latin1').on('data', (text: string) => {
      received += text
      if (isKept(received)) socket.destroy()
    })
    const closed = new Promise((done) => socket.on('close', done))
    socket.setTimeout(5_000, () => socket.destroy())
    socket.on('error', () => {})
    for (const byte of one.bytes) {
      if (!socket.writable) break
      await new Promise<void>((done) => socket.write(byte, 'latin1', () => setImmediate(done)))
    }
    if (one.ends) socket.end()
    await closed
    judgeAnswer(one, received, seen.whole - before)
  }
})

test('what the edge says about a neighbour cannot be said by the client, under any spelling', async (t) => {
  const { port } = await startInstance(t, (request, response) => response.end(JSON.stringify(request.headers)))
  const edge = await startEdge(t, tableOf(1, poolOf('v1', 1, { a: port })))
  const claims = [
    'X-Forwarded-For: 6.6.6.6',
    'x_forwarded_for: 6.6.6.6',
    'X-FORWARDED-PROTO: https',
    'X-Forwarded-Host: evil',
    'X-Forwarded-Port: 1',
    'Forwarded: for=6.6.6.6',
    'X-Real-IP: 6.6.6.6',
    'X_Real_IP: 6.6.6.6',
    'Proxy: http://evil',
    'X-Request-Id: a b',
    'Connection: close, X-Forwarded-For, X-Secret, Host',
    'X-Secret: hop',
    'Keep-Alive: 5',
    'Proxy-Authorization: x',
    'TE: trailers',
    'Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  ]
  const received = await exchangeBytes(edge.at, get(`Host: SHOP.localhost:99\r\n${claims.join('\r\n')}`))
  const { 'x-request-id': requestId, ...seen } = JSON.parse(received.split('\r\n\r\n')[1] ?? '')
  assert.match(requestId, /^[0-9a-f-]{36}$/)
  assert.deepEqual(seen, {
    host: 'SHOP.localhost:99',
    connection: 'keep-alive',
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': 'SHOP.localhost:99',
  })
})

test('pipelined requests are answered in their order, also when a later one is malformed', async (t) => {
  const { port } = await startInstance(t, (request, response) => {
    setTimeout(() => response.end(`<${request.url}>`), request.url === '/1' ? 50 : 0)
  })
  const edge = await startEdge(t, tableOf(1, poolOf('v1', 1, { a: port })))
  const line = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`
  const received = await exchangeBytes(edge.at, line('/1') + line('/2') + line('/3', 'Connection: close\r\n'))
  assert.deepEqual(received.match(/<[^>]*>/g), ['</1>', '</2>', '</3>'])
  const broken = await exchangeBytes(edge.at, `${line('/1')}GARBAGE\r\n\r\n`)
  assert.ok(!broken.includes('400') || broken.indexOf('</1>') < broken.indexOf('400'), broken)
})

test('an upgrade behind an unanswered request cannot overtake its answer', async (t) => {
  const { port } = await startInstance(t, (request, response) => {
    setTimeout(() => response.end(`<${request.url}>`), 50)
  })
  const edge = await startEdge(t, tableOf(1, poolOf('v1', 1, { a: port })))
  const upgrade = get(`Host: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket`, '/2')
  const received = await exchangeBytes(edge.at, `GET /1 HTTP/1.1\r\nHost: ${host}\r\n\r\n${upgrade}`)
  assert.deepEqual(received.match(/<[^>]*>/g), ['</1>', '</2>']) // the second declines to change, in its turn
})
