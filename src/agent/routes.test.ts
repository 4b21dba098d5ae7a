import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRouteTable } from './parse.ts'
import type { RouteTable } from './protocol.ts'
import { edgeRoutes } from './routes.ts'

test('a route that shares hosts is two for the edge, with the same rules; one of before stays as it was', () => {
  const pools = [{ version: 'v1', weight: 1, instances: ['a', 'gone'] }]
  const table: RouteTable = {
    generation: 1,
    routes: [
      {
        ...{ hosts: ['api.localhost'], service: 'default/api/production', pools },
        shared: { hosts: ['www.example.com'], match: { path: '/api' } },
        rules: { answerMs: 1000 },
      },
      { hosts: ['shop.localhost'], service: 'default/shop/production', pools },
    ],
  }
  const read = parseRouteTable(JSON.parse(JSON.stringify(table)))
  assert.deepEqual(read, table)
  const endpoints = [{ instance: 'a', port: 8000, healthy: true }]
  const about = { service: 'default/api/production', pools: [{ version: 'v1', weight: 1, endpoints }] }
  assert.deepEqual(
    edgeRoutes(read, (id) => (id === 'a' ? { port: 8000, healthy: true } : null)),
    [
      { ...about, hosts: ['api.localhost'], rules: { answerMs: 1000 } },
      { ...about, hosts: ['www.example.com'], match: { path: '/api' }, rules: { answerMs: 1000 } },
      { ...about, hosts: ['shop.localhost'], service: 'default/shop/production' },
    ],
  )
})
