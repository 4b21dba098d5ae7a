import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask, poolOf, startEdge, startInstance, tableOf } from './testing.ts'
import { parseTrust } from './trust.ts'

const trust = parseTrust('10.0.0.7, 192.168.0.0/16,2001:db8::/32')
const from = (peer: string, forwarded: string, proto = 'https') =>
  trust({ address: peer, isSecure: false }, ['x-Forwarded-for', forwarded, 'X-Forwarded-Proto', proto])

test('whoever is not listed is the client, whatever they say', () => {
  for (const peer of ['10.0.0.8', '192.169.0.1', '2001:db9::1', 'unknown'])
    assert.deepEqual(from(peer, '6.6.6.6'), { client: peer, forwardedFor: peer, proto: 'http' })
  for (const nobody of ['', ' , '])
    assert.equal(
      parseTrust(nobody)({ address: '127.0.0.1', isSecure: false }, ['X-Forwarded-For', '6.6.6.6']).client,
      '127.0.0.1',
    )
})

test('a trusted proxy is believed up to the first address that it does not vouch for', () => {
  const https = 'https' as const
  assert.deepEqual(from('10.0.0.7', '1.2.3.4'), { client: '1.2.3.4', forwardedFor: '1.2.3.4, 10.0.0.7', proto: https })
  assert.deepEqual(from('10.0.0.7', '6.6.6.6, 1.2.3.4, 192.168.3.4'), {
    client: '1.2.3.4',
    forwardedFor: '1.2.3.4, 192.168.3.4, 10.0.0.7',
    proto: https,
  })
  assert.deepEqual(from('2001:db8::1', 'nonsense, 192.168.1.1', 'http'), {
    client: '192.168.1.1',
    forwardedFor: '192.168.1.1, 2001:db8::1',
    proto: 'http',
  })
  assert.deepEqual(from('10.0.0.7', '1.2.3.4, <script>', 'gopher'), {
    client: '10.0.0.7',
    forwardedFor: '10.0.0.7',
    proto: 'http',
  })
  const twice = ['X-Forwarded-For', '6.6.6.6', 'X-Forwarded-For', '1.2.3.4']
  assert.equal(trust({ address: '10.0.0.7', isSecure: false }, twice).client, '1.2.3.4')
})

test('what is neither an address nor a network is refused by name', () => {
  for (const one of ['proxy.example', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '::1/129', '1.2.3'])
    assert.throws(() => parseTrust(`10.0.0.1,${one}`), new RegExp(`"${one}" is neither an address nor a network`))
})

test('over the wire: the instance and the counts hear of the client behind the proxy', async (t) => {
  const { port } = await startInstance(t, (request, response) => {
    const { 'x-forwarded-for': forwarded, 'x-forwarded-proto': proto } = request.headers
    response.writeHead(500).end(`${forwarded} ${proto}`)
  })
  const table = { ...tableOf(1, poolOf('v1', 1, { a: port })) }
  const routes = table.routes.map((route) => ({ ...route, sample: { errorWindowMs: 60_000 } }))
  const edge = await startEdge(t, { ...table, routes }, {}, { trust: parseTrust('127.0.0.0/8') })
  const as = async (client: string) =>
    (await ask({ port: edge.at, headers: { 'x-forwarded-for': client, 'x-forwarded-proto': 'https' } })).body.toString()
  assert.equal(await as('1.2.3.4'), '1.2.3.4, 127.0.0.1 https')
  for (const client of ['1.2.3.4', '1.2.3.5']) await as(client)
  assert.equal(edge.samples().services[0]?.versions[0]?.errors, 2)
})

test('where proxies write Forwarded, it alone is read', () => {
  const by = parseTrust('10.0.0.7', 'forwarded')
  const told = (forwarded: string) =>
    by({ address: '10.0.0.7', isSecure: false }, ['Forwarded', forwarded, 'X-Forwarded-For', '6.6.6.6'])
  assert.deepEqual(told('for=6.6.6.6, for=1.2.3.4;proto=https;by=10.0.0.7'), {
    client: '1.2.3.4',
    forwardedFor: '1.2.3.4, 10.0.0.7',
    proto: 'https',
  })
  assert.equal(told('For="[2001:db8::17]:4711"').client, '2001:db8::17')
  assert.equal(told('for=1.2.3.4:80').client, '1.2.3.4')
  for (const nonsense of ['for=unknown', 'for=_hidden', 'for="<script>"', '', ';;;', 'proto=https'])
    assert.equal(told(nonsense).client, '10.0.0.7')
})

test('over TLS the request is one of https, also where nobody is trusted', () => {
  assert.equal(parseTrust('')({ address: '1.2.3.4', isSecure: true }, []).proto, 'https')
  assert.equal(trust({ address: '10.0.0.7', isSecure: true }, ['X-Forwarded-Proto', 'http']).proto, 'http')
  assert.equal(trust({ address: '10.0.0.7', isSecure: true }, []).proto, 'https')
})
