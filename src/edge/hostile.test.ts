import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { exchangeBytes, host, poolOf, startEdge, startInstance, statusIn, tableOf } from './testing.ts'

/** Raw bytes and the answer that they must get. None of the refused may reach an instance. */
const get = (lines: string, path = '/') => `GET ${path} HTTP/1.1\r\n${lines}\r\n\r\n`
const post = (lines: string, body: string) => `POST / HTTP/1.1\r\nHost: ${host}\r\n${lines}\r\n\r\n${body}`

const refused: readonly (readonly [string, string, number])[] = [
  ['both lengths', post('Content-Length: 5\r\nTransfer-Encoding: chunked', '0\r\n\r\n'), 400],
  ['both lengths, the other way round', post('Transfer-Encoding: chunked\r\nContent-Length: 5', '0\r\n\r\n'), 400],
  ['two different lengths', post('Content-Length: 5\r\nContent-Length: 6', 'hello!'), 400],
  ['the same length twice', post('Content-Length: 5\r\nContent-Length: 5', 'hello'), 400],
  ['a list of lengths', post('Content-Length: 5, 5', 'hello'), 400],
  ['a negative length', post('Content-Length: -5', 'hello'), 400],
  ['a signed length', post('Content-Length: +5', 'hello'), 400],
  ['a hexadecimal length', post('Content-Length: 0x5', 'hello'), 400],
  ['an empty length', post('Content-Length:', 'hello'), 400],
  ['a length beyond all numbers', post('Content-Length: 99999999999999999999', 'hello'), 400],
  ['a transfer coding beside chunked', post('Transfer-Encoding: gzip, chunked', '0\r\n\r\n'), 501],
  ['an unknown transfer coding', post('Transfer-Encoding: xchunked', '0\r\n\r\n'), 501],
  ['chunked twice', post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', '0\r\n\r\n'), 400],
  ['chunked followed by another', post('Transfer-Encoding: chunked, identity', '0\r\n\r\n'), 400],
  ['chunked in quotes', post('Transfer-Encoding: "chunked"', '0\r\n\r\n'), 501],
  ['chunked with a vertical tab', post('Transfer-Encoding: \x0bchunked', '0\r\n\r\n'), 400],
  ['chunked in HTTP/1.0', `POST / HTTP/1.0\r\nHost: ${host}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  ['a folded line', get(`Host: ${host}\r\nX-A: b\r\n c`), 400],
  ['a folded first line', `GET / HTTP/1.1\r\n Host: ${host}\r\n\r\n`, 400],
  ['a bare carriage return in a value', get(`Host: ${host}\r\nX-A: b\rX-B: c`), 400],
  ['a bare carriage return as a line end', `GET / HTTP/1.1\rHost: ${host}\r\r`, 400],
  ['a bare line feed as a line end', `GET / HTTP/1.1\nHost: ${host}\n\n`, 400],
  ['a space before the colon', get(`Host : ${host}`), 400],
  ['a tab before the colon', get(`Host: ${host}\r\nX-A\t: b`), 400],
  ['a header without a name', get(`Host: ${host}\r\n: b`), 400],
  ['a header without a colon', get(`Host: ${host}\r\nX-A`), 400],
  ['a NUL in a value', get(`Host: ${host}\r\nX-A: b\0c`), 400],
  ['a NUL in a name', get(`Host: ${host}\r\nX\0A: b`), 400],
  ['a NUL in the target', get(`Host: ${host}`, '/a\0b'), 400],
  ['no Host', get('X-A: b'), 400],
  ['no Host in HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n', 400],
  ['two Hosts', get(`Host: ${host}\r\nHost: other.localhost`), 400],
  ['the same Host twice', get(`Host: ${host}\r\nhost: ${host}`), 400],
  ['an empty Host', get('Host:'), 400],
  ['a Host with a path', get(`Host: ${host}/x`), 400],
  ['a Host with a user', get(`Host: a@${host}`), 400],
  ['a Host with a space', get(`Host: ${host} other`), 400],
  ['a list of Hosts', get(`Host: ${host},other.localhost`), 400],
  ['a Host with two dots', get('Host: shop..localhost'), 400],
  ['a Host with a long port', get(`Host: ${host}:123456`), 400],
  ['a Host with a port of letters', get(`Host: ${host}:a`), 400],
  ['a Host of markup', get('Host: <script>'), 400],
  ['a Host that is too long', get(`Host: ${'a'.repeat(300)}.localhost`), 400],
  ['a target of another host', get(`Host: ${host}`, 'http://other.localhost/'), 400],
  ['a target of another scheme', get(`Host: ${host}`, `ftp://${host}/`), 400],
  ['a target with a user', get(`Host: ${host}`, `http://a@${host}/`), 400],
  ['a target with a fragment', get(`Host: ${host}`, '/a#b'), 400],
  ['a target that is no path', get(`Host: ${host}`, 'a'), 400],
  ['an asterisk that is not for OPTIONS', get(`Host: ${host}`, '*'), 400],
  ['a space in the target', get(`Host: ${host}`, '/a b'), 400],
  ['an unknown method', `SMUGGLE / HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 400],
  ['a method in lower case', `get / HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 400],
  ['a space before the method', ` GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 400],
  ['TRACE', `TRACE / HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 405],
  ['CONNECT', `CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}:443\r\n\r\n`, 405],
  ['another version', `GET / HTTP/1.2\r\nHost: ${host}\r\n\r\n`, 400],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
  ['HTTP/0.9', 'GET /\r\n\r\n', 505],
  ['the hello of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
  ['a header section of 20 KiB', get(`Host: ${host}\r\nX-A: ${'a'.repeat(20_000)}`), 431],
  ['4,000 headers', get(`Host: ${host}\r\n${'a:b\r\n'.repeat(4_000)}X: y`), 431],
  ['a target of 20 KiB', get(`Host: ${host}`, `/${'a'.repeat(20_000)}`), 431],
  ['an unknown expectation', post('Expect: 200-maybe\r\nContent-Length: 5', 'hello'), 417],
  ['an upgrade with a bad Host', get('Host: a b\r\nConnection: Upgrade\r\nUpgrade: websocket'), 400],
]

describe('a hostile request', () => {
  const reached: string[] = []
  for (const [name, bytes, status] of refused) {
    test(`with ${name} is refused and reaches no instance`, async (t) => {
      const { port } = await startInstance(t, (request, response) => {
        reached.push(`${request.method} ${request.url}`)
        response.end('reached')
      })
      const edge = await startEdge(t, tableOf(1, poolOf('v1', 1, { a: port })))
      const received = await exchangeBytes(edge.at, bytes)
      assert.equal(statusIn(received), status, received)
      assert.equal(received.match(/^HTTP\/1\.1 \d/gm)?.length, 1, received)
      assert.deepEqual(reached, [])
      assert.equal(edge.health().openRequests, 0)
    })
  }
})

const chunked = (body: string) => post('Transfer-Encoding: chunked', body)
for (const [name, body] of [
  ['a chunk size that is no number', 'zz\r\nhello\r\n0\r\n\r\n'],
  ['a chunk size with a sign', '-5\r\nhello\r\n0\r\n\r\n'],
  ['a chunk size beyond all numbers', 'fffffffffffffffff\r\nhello\r\n0\r\n\r\n'],
  ['a chunk that is longer than it says', '3\r\nhello\r\n0\r\n\r\n'],
  ['a chunk without an end', '5\r\nhelloX\r\n0\r\n\r\n'],
  ['a chunk size with a space', '5 \r\nhello\r\n0\r\n\r\n'],
] as const)
  test(`a body with ${name} never looks complete to the instance`, async (t) => {
    let complete = 0
    const { port } = await startInstance(t, (request, response) => {
      request.on('end', () => {
        complete += 1
        response.end()
      })
      request.on('error', () => {})
      request.resume()
    })
    const edge = await startEdge(t, tableOf(1, poolOf('v1', 1, { a: port })))
    const received = await exchangeBytes(edge.at, chunked(body))
    assert.ok([0, 400].includes(statusIn(received)), received)
    assert.equal(complete, 0)
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
  const { port } = await startInstance(t, () => {})
  const edge = await startEdge(t, tableOf(1, poolOf('v1', 1, { a: port })))
  const bytes = `GET /1 HTTP/1.1\r\nHost: ${host}\r\n\r\n${get(`Host: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket`)}`
  assert.ok(!(await exchangeBytes(edge.at, bytes)).includes('101'))
})
