import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { ServiceDefinition } from '../../golden/service.ts'
import { defaultProject, EnvironmentName, ServiceName } from '../../names.ts'
import { digestOf, type TestDeployOptions } from '../testing.ts'
import { defaultPreviewRules } from './rules.ts'
import { openTestPreviews } from './testing.ts'

const begin = async (context: TestContext, options: Omit<TestDeployOptions, 'directory'> & { now?: () => number }) => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-previews-'))
  const world = await openTestPreviews({ ...options, directory })
  context.after(async () => {
    await world.close()
    rmSync(directory, { recursive: true, force: true })
  })
  await world.start()
  return world
}
type World = Awaited<ReturnType<typeof begin>>

/** Everything of a world that a preview could leave something in. */
const left = async (world: World) => {
  const { instances, routes } = world.runtime.world()
  return {
    instances: Object.values(instances).map(({ owner }) => `${owner.service} ${owner.environment}`),
    routes: routes.map(({ service }) => service),
    files: (await world.git('ls-tree', '-r', '--name-only', 'main').catch(() => '')).trim(),
    services: (await world.deploy.queries.services()).map(({ environment }) => environment),
  }
}
const nothing = { instances: [], routes: [], files: '', services: [] }

const ready = async (world: World, number: number, words: string, user = 'ada'): Promise<void> => {
  const key = await world.open(number, user)
  await world.pass(key, 1)
  await world.pack(key, [words])
  await world.until(number, 'ready')
}

test('a change whose checks have passed is deployed by itself, small, under a name of its own', async (context) => {
  const service: Partial<ServiceDefinition> = { replicas: 3, hosts: ['shop.example.com'] }
  const world = await begin(context, { releases: { 'shop v1': service, 'shop v2': service } })
  await ready(world, 7, 'shop v1')
  assert.deepEqual((await world.stateOf(7)).ready, {
    version: 1,
    services: [{ service: 'shop', url: 'http://shop.change-7.localhost:4680/' }],
  })
  const of = (version: string) =>
    world.runtime.world().routes.map(({ service, hosts, pools }) => ({
      ...{ service, hosts },
      isNew: pools.every((pool) => pool.version === digestOf(version)),
    }))
  const route = { service: 'default/shop/change-7', hosts: ['shop.change-7.localhost'], isNew: true }
  assert.deepEqual(of('shop v1'), [route])
  assert.equal(Object.keys(world.runtime.world().instances).length, 1)

  await world.push(7, 2)
  await world.pack(world.keyOf(7), ['shop v2'])
  await world.until(7, 'ready')
  assert.deepEqual(of('shop v2'), [route])
  assert.deepEqual(await world.ledger.read({ types: ['promotion.requested', 'release.created'] }), [])
})

test('what its change brings to an end leaves nothing behind', async (context) => {
  const world = await begin(context, { releases: { 'shop v1': {}, 'blog v1': {} } })
  const key = await world.open(1)
  await world.pass(key, 1)
  await world.pack(key, ['shop v1', 'blog v1'])
  await world.until(1, 'ready')
  await world.end(1, 'merged')
  await world.until(1, 'removed')
  assert.deepEqual(await left(world), nothing)
  assert.deepEqual(world.discarded, ['shop in change-1', 'blog in change-1'])
  await ready(world, 2, 'shop v1')
  await world.end(2, 'closed')
  await world.until(2, 'removed')
  assert.deepEqual(await left(world), nothing)
  const before = await world.views.digest()
  await world.views.rebuild()
  assert.equal(await world.views.digest(), before)
})

test('a service that a newer version no longer has is taken out of the preview', async (context) => {
  const world = await begin(context, { releases: { 'shop v1': {}, 'blog v1': {} } })
  const key = await world.open(1)
  await world.pass(key, 1)
  await world.pack(key, ['shop v1', 'blog v1'])
  await world.until(1, 'ready')
  await world.push(1, 2)
  await world.pack(key, ['shop v1'])
  await world.until(1, 'ready')
  assert.deepEqual((await left(world)).routes, ['default/shop/change-1'])
  assert.deepEqual(world.discarded, ['blog in change-1'])
})

test('over the quota it waits, says so, touches nothing, and begins when one is freed', async (context) => {
  const world = await begin(context, { releases: { 'shop v1': {} } })
  await world.previews.setRules(world.keyOf(1).project, { ...defaultPreviewRules, quota: 1 }, 'user:op')
  await ready(world, 1, 'shop v1')
  const before = await left(world)
  for (const number of [2, 3]) await world.pass(await world.open(number), 1)
  for (const number of [2, 3]) await world.untilHeld(number)
  const { held, status } = await world.stateOf(2)
  assert.deepEqual(
    [status, held?.why, held?.detail],
    ['none', 'quota', 'default has 1 preview already, and its quota is 1'],
  )
  assert.deepEqual(await left(world), before)
  await world.end(1, 'closed')
  await world.pack(world.keyOf(2), ['shop v1'])
  await world.until(2, 'ready')
  assert.equal((await world.stateOf(3)).held?.why, 'quota', 'who has waited longest goes first')
  assert.equal((await world.ledger.read({ types: ['preview.held'] })).length, 2, 'each hears it once')
})

test('what nobody with a role has pushed waits until a developer wants it', async (context) => {
  const world = await begin(context, { releases: { 'shop v1': {} } })
  await world.pass(await world.open(1, 'mallory'), 1)
  await world.untilHeld(1)
  assert.match((await world.stateOf(1)).held?.detail ?? '', /pushed by mallory, who is no developer of default/)
  await world.previews.ask(world.keyOf(1), { actor: 'token:ada/x', user: 'ada' })
  await world.pack(world.keyOf(1), ['shop v1'])
  await world.until(1, 'ready')
  await world.push(1, 2, null)
  await world.untilHeld(1)
  assert.match((await world.stateOf(1)).held?.detail ?? '', /version 2 .* pushed by no person/)
})

test('left alone for long enough it goes, and comes back with the next push', async (context) => {
  let now = Date.now()
  const world = await begin(context, { releases: { 'shop v1': {} }, now: () => now })
  await ready(world, 1, 'shop v1')
  now += defaultPreviewRules.maxAgeMs + 60_000
  await world.previews.look()
  await world.until(1, 'removed')
  assert.equal((await world.stateOf(1)).ending, 'aged')
  assert.deepEqual(await left(world), nothing)
  now = Date.now()
  await world.push(1, 2)
  await world.pack(world.keyOf(1), ['shop v1'])
  await world.until(1, 'ready')
})

test('somebody takes it down and asks for it again', async (context) => {
  const world = await begin(context, { releases: { 'shop v1': {} } })
  await ready(world, 1, 'shop v1')
  await world.previews.remove(world.keyOf(1), 'user:ada')
  await world.until(1, 'removed')
  assert.deepEqual(await left(world), nothing)
  await assert.rejects(world.previews.remove(world.keyOf(1), 'user:ada'), /change 1 of shop has no preview/)
  await world.previews.ask(world.keyOf(1), { actor: 'user:ada', user: 'ada' })
  await world.pack(world.keyOf(1), ['shop v1'])
  await world.until(1, 'ready')
})

test('what cannot be packaged or does not come up is told, and the version before goes on', async (context) => {
  const behaviours = new Map([[digestOf('shop v2'), 'never-healthy' as const]])
  const world = await begin(context, { releases: { 'shop v1': {}, 'shop v2': {} }, behaviours })
  await ready(world, 1, 'shop v1')
  const before = await left(world)
  await world.push(1, 2)
  await world.pack(world.keyOf(1), [], 'npm install ended with 1')
  await world.until(1, 'failed')
  assert.deepEqual((await world.stateOf(1)).failure, {
    detail: 'shop could not be packaged: npm install ended with 1',
    lastLines: ['no such module'],
    next: null,
  })
  await world.push(1, 3)
  await world.pack(world.keyOf(1), ['shop v2'])
  await world.until(1, 'failed')
  assert.match((await world.stateOf(1)).failure?.detail ?? '', /^shop [0-9a-f]{7} /)
  assert.deepEqual(await left(world), before)
  assert.equal((await world.stateOf(1)).ready?.version, 1)
})

test('a copy of a database is made of environments that an operator allows, never of production by itself', async (context) => {
  const copyOf = (from: string): Partial<ServiceDefinition> => ({
    database: 'postgres',
    preview: { fill: { kind: 'copy', from: EnvironmentName.parse(from) } },
  })
  const asked: string[] = []
  const databases = () => ({
    ensure: async ({ environment }: { environment: string }, from?: string | null) => {
      asked.push(`${environment} from ${from}`)
      return { url: 'postgres://shop:sesame@127.0.0.1:5432/shop' }
    },
  })
  const world = await begin(context, {
    releases: { 'shop v1': copyOf('production'), 'shop v2': copyOf('staging') },
    databases,
  })
  const key = await world.open(1)
  await world.pass(key, 1)
  await world.pack(key, ['shop v1'])
  await world.until(1, 'failed')
  assert.match(
    (await world.stateOf(1)).failure?.detail ?? '',
    /a copy of its database in production, .* allowed: staging/,
  )
  assert.deepEqual([asked, await left(world)], [[], nothing])
  await world.push(1, 2)
  await world.pack(key, ['shop v2'])
  await world.until(1, 'ready')
  assert.deepEqual([...new Set(asked)], ['change-1 from staging'])
})

test('changes of two repositories with one number and one service do not get into each other', async (context) => {
  const world = await begin(context, { releases: { 'shop v1': {}, 'shop v2': {} } })
  await ready(world, 1, 'shop v1')
  const before = await left(world)
  const other = await world.open(1, 'ada', 'other')
  await world.pass(other, 1)
  await world.pack(other, ['shop v2'])
  await world.until(1, 'failed', 'other')
  assert.match(
    (await world.stateOf(1, 'other')).failure?.detail ?? '',
    /a service shop stands in change-1 already, from change 1 of shop/,
  )
  assert.deepEqual(await left(world), before)
})

test('a project without previews has none, also where there were some', async (context) => {
  const world = await begin(context, { releases: { 'shop v1': {} } })
  await ready(world, 1, 'shop v1')
  await world.previews.setRules(world.keyOf(1).project, { ...defaultPreviewRules, isEnabled: false }, 'user:op')
  await world.until(1, 'removed')
  assert.deepEqual(await left(world), nothing)
  await assert.rejects(
    world.previews.ask(world.keyOf(1), { actor: 'user:ada', user: 'ada' }),
    /the project default has no previews/,
  )
})

test('nobody makes a preview by hand, and nobody promotes to one', async (context) => {
  const world = await begin(context, { releases: { 'shop v1': {} } })
  await world.pushByHand('change-9/default/shop.yaml', `release: ${digestOf('shop v1')}\ncommit: ${'a'.repeat(40)}\n`)
  await world.deploy.reconcile()
  assert.equal((await world.ledger.read({ types: ['desired-state.refused'] })).length, 1)
  assert.deepEqual((await left(world)).instances, [])
})

test('a preview that stands is deployed again by hand, goes forward only, and where there is none it says so', async (context) => {
  const world = await begin(context, { releases: { 'shop v1': {} } })
  await ready(world, 7, 'shop v1')
  const key = { project: defaultProject, service: ServiceName.parse('shop') }
  const about = (environment: string) => ({ environment: EnvironmentName.parse(environment), actor: 'user:ada' })
  const again = await world.deploy.finished(await world.deploy.deploy(key, about('change-7')))
  assert.deepEqual(
    [again.finished?.outcome, again.release, again.reason],
    ['succeeded', digestOf('shop v1'), 'configuration'],
  )
  const refusal = (asked: Promise<string>): Promise<string[]> =>
    asked.then(
      () => assert.fail('it was not refused'),
      ({ kind, detail, next }) => [kind, detail, next],
    )
  assert.deepEqual(await refusal(world.deploy.rollback(key, about('change-7'))), [
    'preview-goes-forward',
    'shop in change-7 is the preview of a change, of which only the newest version is kept',
    'push to the branch of the change; headway deploy shop --environment change-7 brings in what settings have changed',
  ])
  assert.deepEqual(await refusal(world.deploy.deploy(key, about('change-8'))), [
    'preview-not-found',
    'default/shop has no preview change-8: one is there while its change is open',
    'headway previews lists them; headway previews start <change> makes one',
  ])
  await world.end(7, 'merged')
  await world.until(7, 'removed')
  assert.equal((await refusal(world.deploy.deploy(key, about('change-7'))))[0], 'preview-not-found')
  assert.deepEqual(await left(world), nothing)
})
