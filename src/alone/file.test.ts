import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { parseTable } from '../edge/table.ts'
import { readRoutes } from './file.ts'

const routesOf = (text: string) => {
  const read = readRoutes(text, 'edge.yaml')
  assert.equal(read.kind, 'ok', JSON.stringify(read))
  return read.kind === 'ok' ? read.routes : []
}
/** What is said about a file, as `line:column detail (next)`. */
const said = (text: string): string[] => {
  const read = readRoutes(text, 'edge.yaml')
  assert.equal(read.kind, 'refused', `accepted: ${text}`)
  return read.kind === 'refused'
    ? read.problems.map(
        ({ where, detail, next }) => `${where?.line}:${where?.column} ${detail}${next ? ` (${next})` : ''}`,
      )
    : []
}

test('a host and a port are a route', () => {
  assert.deepEqual(routesOf('routes:\n  - { hosts: [shop.localhost], to: 8000 }\n'), [
    {
      hosts: ['shop.localhost'],
      service: 'shop.localhost',
      pools: [
        {
          ...{ version: 'current', weight: 1 },
          endpoints: [{ instance: '127.0.0.1:8000', port: 8000, healthy: true }],
        },
      ],
    },
  ])
})

test('every key is read', () => {
  const text = `
routes:
  - hosts: [shop.example.com, '*.shop.example.com']
    service: shop
    versions:
      - { version: v1, weight: 99, to: ['10.0.0.7:80', '[2001:db8::7]:81', localhost:82] }
      - { version: v2, weight: 1, to: 83 }
    only: { path: /api, headers: { X-Tenant: one }, cookies: { beta: yes } }
    affinity: { cookie: shop-version, time: 1d }
    override: { header: x-version, value: v2 }
    mirror: { to: 84, share: 10, methods: [GET, POST] }
    timeout: 1.5s
    body: 10MB
    compress: true
    hsts: { maxAge: 30d, subdomains: true }
    perClient: { perSecond: 0.5, burst: 3 }
    maintenance: { message: Back at noon., retryAfter: 10m }
`
  const [route] = routesOf(text)
  assert.deepEqual(route, {
    hosts: ['shop.example.com', '*.shop.example.com'],
    service: 'shop',
    pools: [
      {
        ...{ version: 'v1', weight: 99 },
        endpoints: [
          { instance: '10.0.0.7:80', port: 80, healthy: true, host: '10.0.0.7' },
          { instance: '[2001:db8::7]:81', port: 81, healthy: true, host: '2001:db8::7' },
          { instance: '127.0.0.1:82', port: 82, healthy: true },
        ],
      },
      { version: 'v2', weight: 1, endpoints: [{ instance: '127.0.0.1:83', port: 83, healthy: true }] },
    ],
    match: {
      path: '/api',
      headers: [{ name: 'X-Tenant', value: 'one' }],
      cookies: [{ name: 'beta', value: 'yes' }],
    },
    affinity: { cookie: 'shop-version', seconds: 86_400 },
    overrides: [{ in: 'header', name: 'x-version', value: 'v2', version: 'v2' }],
    mirror: {
      ...{ version: 'mirror', share: 0.1, methods: ['GET', 'POST'] },
      endpoints: [{ instance: '127.0.0.1:84', port: 84, healthy: true }],
    },
    rules: {
      answerMs: 1500,
      bodyBytes: 10_000_000,
      compress: true,
      hsts: 'max-age=2592000; includeSubDomains',
      rate: { perSecond: 0.5, burst: 3 },
      maintenance: { message: 'Back at noon.', retryAfterSeconds: 600 },
    },
  })
  const table = { generation: 1, routes: [route] }
  assert.deepEqual(parseTable(JSON.parse(JSON.stringify(table))), table, 'the edge takes it as it is')
})

test('everything that is wrong is said at once, with its place and what was meant', () => {
  const text = `
routes:
  - hosts: [shop_.example.com/, ok.example]
    too: 8000
  - hosts: [a.example]
    to: 8000
    versions: [{ version: v1, weight: -1, to: 10.0.0.7 }]
    timeout: soon
    only: { path: api, cookie: { a: b } }
    perClient: fast
`
  assert.deepEqual(said(text), [
    '3:5 routes.0: expected either to or versions, found {"hosts":["shop_.example.com/","ok.example"],"too":8000}',
    '3:13 routes.0.hosts.0: expected a host name such as shop.example.com, or *.example.com, found the text "shop_.example.com/"',
    '4:5 unknown key "routes.0.too" (did you mean to?)',
    '7:39 routes.1.versions.0.weight: Too small: expected number to be >=0, found the number -1',
    '7:47 routes.1.versions.0.to: expected a port of this machine, or a numeric address with a port such as 10.0.0.7:8000, found the text "10.0.0.7"',
    '8:14 routes.1.timeout: expected a time such as 30s, 10m or 1h, found the text "soon"',
    '9:19 routes.1.only.path: expected the beginning of a path such as /api, found the text "api"',
    '9:24 unknown key "routes.1.only.cookie" (did you mean cookies?)',
    '10:16 routes.1.perClient: expected a number of requests each second, or { perSecond: 20, burst: 40 }, found the text "fast"',
  ])
  assert.deepEqual(said('routes: [{ hosts: [a.example] }]'), [
    '1:10 routes.0: expected either to or versions, found {"hosts":["a.example"]}',
  ])
  assert.deepEqual(said('routes: [{ hosts: [a.example], to: 1, override: { query: version, value: v2 } }]'), [
    '1:49 routes.0.override: expected a value that is a version of this route, found {"query":"version","value":"v2"}',
  ])
  assert.deepEqual(said('routes: [{ hosts: [a.example], to: 1 }, { hosts: [a.example], to: 2 }]'), [
    '1:9 routes: two routes are for the same requests of a.example, found a list',
  ])
  assert.deepEqual(said('route: []'), [
    '1:1 routes is missing (add a line such as routes: [{ hosts: [shop.localhost], to: 8000 }])',
    '1:1 unknown key "route" (did you mean routes?)',
  ])
  assert.deepEqual(said('[]'), [
    '1:1 expected keys and values, found a list (start with: routes: [{ hosts: [shop.localhost], to: 8000 }])',
  ])
})

test('the example can be used', () => {
  const file = fileURLToPath(new URL('../../examples/edge.yaml', import.meta.url))
  assert.equal(routesOf(readFileSync(file, 'utf8')).length, 2)
})
