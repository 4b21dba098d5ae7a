import assert from 'node:assert/strict'
import { test } from 'node:test'
import { emptyLine, scopeLine } from './insights-view.ts'

test('the first line says whose figures they are, and which names nothing is known of', () => {
  const line = (services: readonly string[], known: number): string => {
    const scope = { project: 'default', services, environment: 'production' }
    const span = { from: 0, until: 90 * 86_400_000 }
    return scopeLine({ scope, services: known, span, bucket: 'week', zone: 'UTC' })
  }
  assert.deepEqual(
    [line([], 0), line([], 1), line([], 3), line(['shop'], 1), line(['shop', 'stock'], 2)],
    ['no service yet', 'the only service', 'a blend of 3 services', 'shop', 'a blend of 2 services'].map(
      (whose) => `${whose} in production, 90 days by the week (UTC)`,
    ),
  )
  assert.deepEqual(
    [line(['shpo'], 0), line(['shop', 'stokc'], 1), line(['shop', 'stock', 'blgo'], 2)].map(
      (one) => one.split(' in ')[0],
    ),
    ['nothing is known of shpo', 'one service of 2 named', 'a blend of 2 services of 3 named'],
  )
})

test('where nothing was ever deployed it is said what to do', () => {
  const scope = { project: 'default', environment: 'production' }
  assert.equal(emptyLine({ scope: { ...scope, services: [] }, services: 1 }), null)
  assert.match(emptyLine({ scope: { ...scope, services: [] }, services: 0 }) ?? '', /git push headway main/)
  assert.match(emptyLine({ scope: { ...scope, services: ['shpo'] }, services: 0 }) ?? '', /headway status names/)
})
