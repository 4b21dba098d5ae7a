import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Hono } from 'hono'
import type { ApiEnv } from '../api/route.ts'
import { glanceRoutes } from './glance-routes.ts'
import { digestOf, openTestDeploy, type TestDeployOptions } from './testing.ts'

const viewer = { user: 'ada', actor: 'user:ada', roleIn: () => 'viewer' as const }

/** A deployment stage, and what its glances answer to a viewer. */
const begin = async (context: TestContext, options: Omit<TestDeployOptions, 'directory'>) => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-glance-'))
  const world = await openTestDeploy({ directory, ...options })
  context.after(async () => {
    await world.close()
    rmSync(directory, { recursive: true, force: true })
  })
  await world.deploy.start()
  const app = new Hono<ApiEnv>()
  app.use(async (asked, next) => {
    asked.set('identity', viewer)
    await next()
  })
  app.route('/', glanceRoutes(world.deploy))
  const ask = async (path: string) => {
    const answer = await app.request(`/projects/default/glance${path}`)
    assert.equal(answer.status, 200, path)
    return JSON.parse(await answer.text())
  }
  return { ...world, ask, live: async (words: string) => world.deploy.finished(await world.release(words)) }
}

const names = (page: { services: readonly { service: string }[] }) => page.services.map(({ service }) => service)

test('services at a glance, a page at a time and by a part of their names', async (context) => {
  const world = await begin(context, { releases: { 'apple v1': {}, 'banana v1': {}, 'cherry v1': {} } })
  for (const words of ['cherry v1', 'apple v1', 'banana v1']) await world.live(words)
  const { services, ...rest } = await world.ask('/services')
  assert.deepEqual(rest, { matching: 3, places: 3, previous: null, next: null })
  const [{ requestedAt, finishedAt, ...apple }] = services
  assert.deepEqual(apple, {
    ...{ service: 'apple', environment: 'production', status: 'live', commit: apple.commit, detail: null },
    ...{ healthy: 2, replicas: 2 },
  })
  assert.match(apple.commit, /^[0-9a-f]{8}$/)
  assert.ok(finishedAt >= requestedAt)
  const pages = [
    ['?limit=2', ['apple', 'banana'], null, 'banana'],
    ['?limit=2&after=banana', ['cherry'], 'cherry', null],
    ['?limit=2&before=cherry', ['apple', 'banana'], null, 'banana'],
    ['?limit=1&before=cherry', ['banana'], 'banana', 'banana'],
    ['?after=zebra', [], null, null],
    ['?search=AN', ['banana'], null, null],
    ['?state=broken', [], null, null],
  ] as const
  for (const [query, shown, previous, next] of pages) {
    const page = await world.ask(`/services${query}`)
    assert.deepEqual([names(page), page.previous, page.next], [shown, previous, next], query)
  }
})

test('what never came up is broken and says why; deployments at a glance are told newest first, and only those since', async (context) => {
  const world = await begin(context, {
    releases: { 'apple v1': {}, 'banana v1': { secrets: ['PASSWORD'] } },
    behaviours: new Map([[digestOf('banana v1'), 'never-healthy']]),
    settings: { PASSWORD: 'hunter22' },
  })
  await world.live('apple v1')
  const failed = await world.live('banana v1')
  const broken = await world.ask('/services?state=broken')
  assert.deepEqual([names(broken), broken.matching, broken.places], [['banana'], 1, 1])
  assert.equal(broken.services[0].status, 'failed')
  assert.equal(broken.services[0].detail, failed.finished?.detail)
  assert.doesNotMatch(JSON.stringify(broken), /hunter22/)
  const deployments = await world.ask('/deployments')
  assert.deepEqual(
    deployments.map(({ service, outcome }: { service: string; outcome: string }) => [service, outcome]),
    [
      ['banana', 'failed'],
      ['apple', 'succeeded'],
    ],
  )
  assert.deepEqual(await world.ask(`/deployments?since=${deployments[0].requestedAt + 1}`), [])
  assert.equal((await world.ask('/deployments?limit=1')).length, 1)
})
