import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { systemClock } from '../clock.ts'
import { codingFor, compressed } from './compression.ts'
import { PerAddress } from './per-address.ts'
import type { EdgeRoute } from './protocol.ts'
import { choose, Router } from './router.ts'
import { type EdgeRules, parseMatch, parseRules, Rules } from './rules.ts'
import {
  ask,
  closedPort,
  host,
  poolOf,
  startEdge,
  startInstance,
  startRawInstance,
  statusIn,
  until,
} from './testing.ts'

const routeOf = (port: number, change: Partial<EdgeRoute> = {}): EdgeRoute => ({
  hosts: [host],
  service: 'default/shop',
  pools: [poolOf('v1', 1, { [`a${port}`]: port })],
  ...change,
})
const named = (t: TestContext, name: string) => startInstance(t, (_, response) => response.end(name))

test('requests go by path, header and cookie, the most specific first, and by a host with an asterisk', async (t) => {
  const [rest, api, deep, beta, wild] = await Promise.all(
    ['rest', 'api', 'deep', 'beta', 'wild'].map((name) => named(t, name)),
  )
  const routes: EdgeRoute[] = [
    routeOf(rest?.port ?? 0),
    routeOf(api?.port ?? 0, { service: 'default/api', match: { path: '/api' } }),
    routeOf(deep?.port ?? 0, {
      service: 'default/deep',
      match: { path: '/api/deep', headers: [{ name: 'X-Tenant', value: 'one' }] },
    }),
    routeOf(beta?.port ?? 0, { service: 'default/beta', match: { cookies: [{ name: 'beta', value: 'yes' }] } }),
    routeOf(wild?.port ?? 0, { service: 'default/wild', hosts: ['*.wild.example'] }),
  ]
  const edge = await startEdge(t, { generation: 1, routes })
  const by = async (path: string, headers: Record<string, string> = {}) =>
    (await ask({ port: edge.at, path, headers })).body.toString()
  const paths = ['/', '/api', '/api/', '/api/x?y', '/api?x', '/apis', '/%61pi', '/api/deep']
  const answers = await Promise.all(paths.map((path) => by(path)))
  assert.deepEqual(answers, ['rest', 'api', 'api', 'api', 'api', 'rest', 'rest', 'api'])
  assert.equal(await by('/api/deep/x', { 'x-tenant': 'one' }), 'deep')
  assert.equal(await by('/', { cookie: 'a=b; beta=yes' }), 'beta')
  assert.equal(await by('/', { cookie: 'beta=yes2; xbeta=yes' }), 'rest')
  assert.equal(await by('/', { host: 'a.wild.example' }), 'wild')
  assert.match(await by('/', { host: 'wild.example' }), /^404/)
})

const ruled = async (t: TestContext, port: number, rules: EdgeRules) =>
  startEdge(t, { generation: 1, routes: [routeOf(port, { rules })] }, { sweepMs: 10 })

test('a service in maintenance says so, to everybody', async (t) => {
  const { port } = await named(t, 'never')
  const edge = await ruled(t, port, { maintenance: { message: 'Back at <noon>.', retryAfterSeconds: 60 } })
  const { status, headers, body } = await ask({ port: edge.at, headers: { accept: 'text/html' } })
  assert.deepEqual([status, headers['retry-after']], [503, '60'])
  assert.match(body.toString(), /Back at &lt;noon&gt;\./)
})

test('a body that is too large is refused, whether its length is said or not', async (t) => {
  const { port } = await startInstance(t, (request, response) => {
    request.resume()
    request.on('end', () => response.end('ok'))
  })
  const edge = await ruled(t, port, { bodyBytes: 1000 })
  const post = async (size: number, headers = {}) =>
    (await ask({ port: edge.at, method: 'POST', body: Buffer.alloc(size), headers })).status
  assert.deepEqual([await post(1000), await post(1001)], [200, 413])
  assert.equal(await post(1000, { 'transfer-encoding': 'chunked' }), 200)
  const socket = connect({ port: edge.at, host: '127.0.0.1' })
  t.after(() => socket.destroy())
  socket.write(`POST / HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n${'x'.repeat(1001)}\r\n`)
  const said = String(await new Promise<Buffer>((done) => socket.once('data', done)))
  assert.equal(statusIn(said), 413)
})

test('an instance that does not answer in the time of its service is given up', async (t) => {
  const { port } = await startInstance(t, () => {})
  const edge = await ruled(t, port, { answerMs: 50 })
  assert.equal((await ask({ port: edge.at })).status, 504)
})

test('a client gets so many requests a second, others are not held up, and its time comes again', () => {
  const rules = new Rules({ rate: { perSecond: 2, burst: 3 } })
  const statusAt = (client: string, ms: number) => rules.refusal(client, null, ms)?.status ?? 200
  assert.deepEqual(
    [0, 0, 0, 0, 0].map((ms) => statusAt('1.2.3.4', ms)),
    [200, 200, 200, 429, 429],
  )
  assert.equal(statusAt('1.2.3.5', 0), 200)
  assert.deepEqual(
    [400, 600, 600].map((ms) => statusAt('1.2.3.4', ms)),
    [429, 200, 429],
  )
  assert.deepEqual(
    ['2001:db8::1', '2001:db8::2', '2001:db8:0:0::3', '2001:db8:0:0:1::4'].map((one) => statusAt(one, 0)),
    [200, 200, 200, 429],
  )
})

test('memory for clients is bounded', () => {
  const rules = new Rules({ rate: { perSecond: 1, burst: 1 } })
  for (let client = 0; client < 60_000; client += 1)
    rules.refusal(`10.${client >> 16}.${(client >> 8) & 255}.${client & 255}`, null, 0)
  assert.equal(rules.refusal('10.0.0.0', null, 0), null) // forgotten by now
  const open = new PerAddress(1)
  assert.deepEqual([open.enter('1.2.3.4'), open.enter('1.2.3.4')], [true, false])
  open.leave('1.2.3.4')
  assert.equal(open.size, 0)
})

const text = 'Many words, many words. '.repeat(500)

test('answers are compressed for those who take it, and stay whole', async (t) => {
  const { port } = await startInstance(t, (request, response) => {
    response.setHeader('content-type', 'text/plain')
    if (request.url === '/chunks') {
      for (let part = 0; part < 10; part += 1) response.write(text)
      return void response.end()
    }
    response.setHeader('etag', '"one"')
    response.setHeader('content-length', text.length)
    response.end(text)
  })
  const edge = await ruled(t, port, { compress: true })
  const get = (accept: string, path = '/') => ask({ port: edge.at, path, headers: { 'accept-encoding': accept } })
  const zstd = await get('gzip, zstd')
  assert.deepEqual(
    [zstd.headers['content-encoding'], zstd.headers.etag, zstd.headers.vary],
    ['zstd', 'W/"one"', 'Accept-Encoding'],
  )
  assert.equal(zstdDecompressSync(zstd.body).toString(), text)
  const gzip = await get('gzip, zstd;q=0', '/chunks')
  assert.equal(gunzipSync(gzip.body).toString(), text.repeat(10))
  const plain = await get('identity')
  assert.deepEqual(
    [plain.headers['content-encoding'], plain.headers.etag, plain.headers.vary],
    [undefined, '"one"', 'Accept-Encoding'],
  )
  assert.equal(plain.body.toString(), text)
})

test('an event stream is compressed piece by piece', async (t) => {
  const go = Promise.withResolvers<void>()
  const { port } = await startInstance(t, (_, response) => {
    response.setHeader('content-type', 'text/event-stream')
    response.write('data: one\n\n')
    void go.promise.then(() => response.end('data: two\n\n'))
  })
  const edge = await ruled(t, port, { compress: true })
  const socket = connect({ port: edge.at, host: '127.0.0.1' })
  t.after(() => socket.destroy())
  let got = ''
  socket.on('data', (bytes) => {
    got += bytes.toString('latin1')
  })
  socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nAccept-Encoding: gzip\r\n\r\n`)
  // More than the ten bytes with which gzip begins: the event itself.
  await until('the first event is there', () => (got.split('\r\n\r\n')[1] ?? '').length > 25)
  go.resolve()
})

test('what must not be compressed is not', () => {
  const about = { method: 'GET', status: 200, acceptEncoding: 'gzip' }
  const lines = (...more: string[]) => ['Content-Type: text/html', 'Content-Length: 5000', ...more, ''].join('\r\n')
  assert.equal(compressed(lines(), about)?.coding, 'gzip')
  const never = ['Content-Encoding: br', 'Content-Range: bytes 0-4999/9000', 'Cache-Control: public, no-transform']
  for (const line of never) assert.equal(compressed(lines(line), about), null, line)
  assert.equal(compressed('Content-Type: image/png\r\nContent-Length: 5000\r\n', about), null)
  assert.equal(compressed('Content-Type: text/html\r\nContent-Length: 50\r\n', about), null)
  for (const status of [204, 206, 304]) assert.equal(compressed(lines(), { ...about, status }), null)
  assert.equal(compressed(lines(), { ...about, method: 'HEAD' }), null)
  assert.match(compressed(lines('Vary: Cookie'), about)?.lines ?? '', /Vary: Cookie, Accept-Encoding\r\n/)
  assert.doesNotMatch(compressed(lines('Accept-Ranges: bytes'), about)?.lines ?? '', /Content-Length|Accept-Ranges/)
  const codings = ['gzip', 'gzip;q=0.5, zstd;q=0.4', '*', 'br', 'gzip;q=0', '', 'gzip;q=7', '*;q=0, gzip'].map((one) =>
    codingFor(one),
  )
  assert.deepEqual(codings, ['gzip', 'gzip', 'zstd', null, null, null, null, 'gzip'])
})

test('an instance whose connections fail is left out for a while, and no request fails by it', async (t) => {
  const { port } = await named(t, 'good')
  const gone = await closedPort()
  const edge = await startEdge(t, {
    generation: 1,
    routes: [routeOf(port, { pools: [poolOf('v1', 1, { good: port, gone })] })],
  })
  const statuses = new Set<number>()
  for (let turn = 0; turn < 30; turn += 1) statuses.add((await ask({ port: edge.at })).status)
  assert.deepEqual([...statuses], [200])
  const router = new Router()
  const pools = [poolOf('v1', 1, { good: 1, bad: 2 })]
  router.replace({ generation: 1, routes: [routeOf(1, { pools })] })
  const [good, bad] = router.find(host)?.pools[0]?.backends ?? []
  assert.ok(good && bad)
  const now = systemClock.monotonicMs()
  for (let failure = 0; failure < 5; failure += 1) router.noteFailure(bad, now)
  for (let failure = 0; failure < 9; failure += 1) router.noteFailure(good, now)
  assert.deepEqual([bad.isEjected, good.isEjected], [true, false], 'the last one stays')
  router.sweep(now + 9_000)
  assert.equal(bad.isEjected, true)
  router.sweep(now + 10_000)
  assert.equal(bad.isEjected, false)
  router.noteFailure(bad, now + 10_000)
  router.sweep(now + 29_000)
  assert.equal(bad.isEjected, true, 'twice as long the second time')
})

test('rules and matches that cannot be meant are refused by their place', () => {
  const bad: readonly (readonly [unknown, RegExp])[] = [
    [{ bodyBytes: -1 }, /^at\.bodyBytes is not from/],
    [{ answerMs: 0 }, /^at\.answerMs/],
    [{ rate: { perSecond: 0, burst: 1 } }, /^at\.rate\.perSecond/],
    [{ hsts: 'max-age=1\r\nSet-Cookie: a=b' }, /^at\.hsts/],
    [{ compress: 'yes' }, /^at\.compress/],
    [{ concurrency: { limit: 0, queue: 1, waitMs: 1 } }, /^at\.concurrency\.limit/],
    [{ concurrency: { limit: 1, queue: 1, waitMs: 60_000 } }, /^at\.concurrency\.waitMs/],
    [{ slowStartMs: 0 }, /^at\.slowStartMs/],
    [{ balance: 'random' }, /^at\.balance/],
    [{ retries: 6 }, /^at\.retries/],
    [{ maintenance: { message: 'x'.repeat(2000), retryAfterSeconds: 1 } }, /^at\.maintenance\.message/],
  ]
  for (const [value, message] of bad) assert.throws(() => parseRules(value, 'at'), { message })
  for (const path of ['api', '/a b', '/a?b', '/a#b', '/\r\n'])
    assert.throws(() => parseMatch({ path }, 'at'), { message: /^at\.path/ })
})

test('beyond its limit a service has requests wait for a while, and turns away what is too much or too long', async (t) => {
  const open: (() => void)[] = []
  const { port } = await startInstance(t, (request, response) => {
    request.resume()
    open.push(() => response.end(request.url))
  })
  const edge = await ruled(t, port, { concurrency: { limit: 1, queue: 1, waitMs: 30_000 } })
  const get = async (path: string) => {
    const { status, headers, body } = await ask({ port: edge.at, path, method: 'POST', body: path })
    return [status, status === 200 ? body.toString() : headers['retry-after']]
  }
  const first = get('/first')
  await until('the first is there', () => open.length === 1)
  const second = get('/second')
  await until('the second waits', () => edge.health().openRequests === 2)
  assert.deepEqual(await get('/third'), [503, '1'])
  assert.equal(open.length, 1, 'one at once')
  open.shift()?.()
  assert.deepEqual(await first, [200, '/first'])
  await until('the second had its turn', () => open.length === 1)
  const given = connect({ port: edge.at, host: '127.0.0.1' })
  t.after(() => given.destroy())
  given.write(`GET /gone HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  await until('another waits', () => edge.health().openRequests === 2)
  given.destroy()
  await until('it has given up', () => edge.health().openRequests === 1)
  open.shift()?.()
  assert.deepEqual(await second, [200, '/second'])
  const fourth = get('/fourth')
  await until('there is room again', () => open.length === 1)
  edge.route({
    generation: 2,
    routes: [routeOf(port, { rules: { concurrency: { limit: 1, queue: 1, waitMs: 5 } } })],
  })
  assert.deepEqual(await get('/late'), [503, '1'])
  open.shift()?.()
  assert.deepEqual(await fourth, [200, '/fourth'])
})

test('a request that is not complete in its time and an answer that is not are given up', async (t) => {
  const { port } = await startInstance(t, (request, response) => {
    request.resume()
    if (request.method === 'GET') response.write('begun')
  })
  const edge = await ruled(t, port, { requestMs: 50 })
  const socket = connect({ port: edge.at, host: '127.0.0.1' })
  t.after(() => socket.destroy())
  socket.write(`POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 5\r\n\r\nab`)
  const said = String(await new Promise<Buffer>((done) => socket.once('data', done)))
  assert.equal(statusIn(said), 408)
  edge.route({ generation: 2, routes: [routeOf(port, { rules: { wholeMs: 50 } })] })
  await assert.rejects(ask({ port: edge.at }))
})

test('how often a request is sent again is what its service says', async (t) => {
  let connections = 0
  const { port } = await startRawInstance(t, (socket) => {
    connections += 1
    socket.once('data', () => socket.destroy())
  })
  const edge = await ruled(t, port, { retries: 0 })
  assert.deepEqual([(await ask({ port: edge.at })).status, connections], [502, 1])
  edge.route({ generation: 2, routes: [routeOf(port, { rules: { retries: 3 } })] })
  assert.deepEqual([(await ask({ port: edge.at })).status, connections], [502, 5])
})

test('instances take turns where a service wants it, and a new one gets more and more', () => {
  const router = new Router()
  const tableOf = (generation: number, rules: EdgeRules, ...names: string[]) => ({
    generation,
    routes: [routeOf(1, { rules, pools: [poolOf('v1', 1, Object.fromEntries(names.map((name) => [name, 1])))] })],
  })
  const turns = (count: number): Record<string, number> => {
    const got: Record<string, number> = {}
    for (let turn = 0; turn < count; turn += 1) {
      const destination = router.find(host)
      const name = (destination && choose(destination, null)?.backend.instance) ?? 'none'
      got[name] = (got[name] ?? 0) + 1
    }
    return got
  }
  router.replace(tableOf(1, { balance: 'round-robin' }, 'a', 'b'))
  const [a] = router.find(host)?.pools[0]?.backends ?? []
  assert.ok(a)
  for (let open = 0; open < 5; open += 1) router.hold(a)
  assert.deepEqual(turns(10), { a: 5, b: 5 })
  for (let open = 0; open < 5; open += 1) router.release(a)

  router.replace(tableOf(2, { slowStartMs: 10_000 }, 'a', 'b', 'new'))
  router.sweep(0)
  const atFirst = turns(300).new ?? 0
  router.sweep(5_000)
  const halfway = turns(300).new ?? 0
  router.sweep(10_000)
  assert.deepEqual([atFirst, halfway, turns(300).new], [10, 50, 100])
})
