import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { refUpdated } from '../code/facts.ts'
import { fact } from '../ledger/fact.ts'
import { CommitId, defaultEnvironment, defaultProject, EnvironmentName, ServiceName } from '../names.ts'
import { environmentsRepository, platformProject } from './index.ts'
import { patienceMs } from './rollout.ts'
import { commitOf, digestOf, eventually, openTestDeploy, type TestDeployOptions } from './testing.ts'

const shop = { project: defaultProject, service: ServiceName.parse('shop') }
const shopFile = 'production/default/shop.yaml'

const begin = async (context: TestContext, options: Omit<TestDeployOptions, 'directory'>) => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-deploy-'))
  const world = await openTestDeploy({ directory, ...options })
  await world.deploy.start()
  context.after(async () => {
    await world.close()
    rmSync(directory, { recursive: true, force: true })
  })
  const live = async (words: string) => world.deploy.finished(await world.release(words))
  const kinds = async (subject: string) => (await world.ledger.read({ subject })).map(({ type }) => type)
  const routedTo = () =>
    world.runtime.world().routes.map(({ hosts, pools }) => [hosts, pools.map(({ version }) => version)])
  return { ...world, live, kinds, routedTo }
}

test('a release goes live: wish in Git, new instances healthy, then traffic, then the old ones go', async (context) => {
  const world = await begin(context, { releases: { 'shop v1': {}, 'shop v2': {} } })
  const first = await world.live('shop v1')
  assert.equal(first.finished?.outcome, 'succeeded')
  assert.equal(first.finished?.url, 'http://shop.localhost:4680/')
  const second = await world.live('shop v2')
  assert.deepEqual(await world.kinds(`deployment:${second.id}`), [
    'deployment.requested',
    'deployment.committed',
    'rollout.started',
    'rollout.step-started',
    'rollout.shifted',
    'deployment.finished',
  ])
  assert.deepEqual(Object.keys(world.runtime.world().instances), second.instances)
  assert.deepEqual(world.runtime.world().stopped.sort(), [...(first.instances ?? [])].sort())
  assert.deepEqual(world.routedTo(), [[['shop.localhost'], [digestOf('shop v2')]]])
  assert.match(await world.git('show', `main:${shopFile}`), new RegExp(`^release: ${digestOf('shop v2')}$`, 'm'))
  assert.match(await world.git('log', '-1', '--format=%B', 'main'), new RegExp(`^Headway-Intent: ${second.id}$`, 'm'))
})

test('a version that does not become healthy never gets traffic, and Git no longer asks for it', async (context) => {
  const world = await begin(context, {
    releases: { 'shop v1': {}, 'shop v2': { secrets: ['PASSWORD'] } },
    behaviours: new Map([[digestOf('shop v2'), 'never-healthy']]),
    settings: { PASSWORD: 'hunter22' },
  })
  const first = await world.live('shop v1')
  const wished = await world.git('show', `main:${shopFile}`)
  const second = await world.live('shop v2')
  assert.deepEqual(second.finished, {
    at: second.finished?.at,
    outcome: 'failed',
    url: null,
    detail: `shop ${commitOf('shop v2').slice(0, 7)} did not become healthy in production: it ended with exit code 3; connect ECONNREFUSED 127.0.0.1:40000`,
    evidence: {
      instance: second.instances?.[0],
      probe: 'connect ECONNREFUSED 127.0.0.1:40000',
      lastLines: ['no configuration found, password ***'],
    },
    next: 'mend it and push again; headway logs shop shows more',
  })
  const versions = world.runtime
    .world()
    .routed.flatMap((table) => table.flatMap(({ pools }) => pools.map((pool) => pool.version)))
  assert.deepEqual([...new Set(versions)], [digestOf('shop v1')])
  assert.deepEqual(Object.keys(world.runtime.world().instances), first.instances)
  await eventually(async () => (await world.git('show', `main:${shopFile}`)) === wished)
})

test('a first version that fails leaves nothing behind', async (context) => {
  const world = await begin(context, {
    releases: { 'shop v1': {} },
    behaviours: new Map([[digestOf('shop v1'), 'never-healthy']]),
  })
  assert.equal((await world.live('shop v1')).finished?.outcome, 'failed')
  await eventually(async () => (await world.git('ls-tree', '-r', '--name-only', 'main')) === '')
  assert.deepEqual(world.runtime.world().instances, {})
  assert.deepEqual(world.runtime.world().routes, [])
  assert.deepEqual(world.deploy.refusals(), [])
})

test('a missing secret fails the deployment and names what to do', async (context) => {
  const world = await begin(context, { releases: { 'shop v1': { secrets: ['STRIPE_KEY'] } } })
  const { finished } = await world.live('shop v1')
  assert.equal(finished?.detail, 'default/shop asks for STRIPE_KEY, not set for production')
  assert.match(finished?.next ?? '', /^headway secret set STRIPE_KEY --project default --service shop/)
})

test('a host that another service has is refused', async (context) => {
  const world = await begin(context, {
    releases: { 'shop v1': { hosts: ['www.example.com'] }, 'blog v1': { hosts: ['www.example.com'] } },
  })
  await world.live('shop v1')
  const { finished } = await world.live('blog v1')
  assert.equal(finished?.detail, 'the host www.example.com belongs to default/shop/production already')
})

test('what the edge does for a service goes to its route and its file, and services of a project share a host', async (context) => {
  const hosts = ['www.example.com']
  const world = await begin(context, {
    releases: {
      'shop v1': { hosts, edge: { timeout: '10s', body: '1MB' } },
      'api v1': { hosts, edge: { only: { path: '/api' }, compress: true } },
      'other v1': { hosts, edge: { only: { path: '/api' } } },
    },
  })
  for (const words of ['shop v1', 'api v1'])
    assert.equal((await world.live(words)).finished?.outcome, 'succeeded', words)
  assert.equal(
    (await world.live('other v1')).finished?.detail,
    'the host www.example.com belongs to default/api/production already',
  )
  assert.deepEqual(
    world.runtime.world().routes.map(({ hosts: own, shared, rules }) => ({ own, shared, rules })),
    [
      {
        own: ['api.localhost'],
        shared: { hosts, match: { path: '/api' } },
        rules: { compress: true },
      },
      { own: ['shop.localhost', ...hosts], shared: undefined, rules: { answerMs: 10_000, bodyBytes: 1_000_000 } },
    ],
  )
  assert.match(await world.git('show', `main:${shopFile}`), /^edge:\n {2}timeout: 10s\n {2}body: 1MB\n/m)
})

test('a rollback brings the release and the configuration of before back, skips what failed, and is a commit', async (context) => {
  const world = await begin(context, {
    releases: { 'shop v1': { env: { COLOUR: 'blue' } }, 'shop v2': { env: { COLOUR: 'red' } }, 'shop v3': {} },
    behaviours: new Map([[digestOf('shop v3'), 'never-healthy']]),
  })
  await world.live('shop v1')
  await world.live('shop v2')
  await world.live('shop v3')
  const id = await world.deploy.rollback(shop, { actor: 'user:ada' })
  const back = await world.deploy.finished(id)
  assert.deepEqual([back.reason, back.release, back.finished?.outcome], ['rollback', digestOf('shop v1'), 'succeeded'])
  assert.match(await world.git('show', `main:${shopFile}`), /COLOUR: blue/)
  assert.match(await world.git('log', '-1', '--format=%s', 'main'), /^Roll back default\/shop\/production to /)
  assert.equal(await world.deploy.rollback(shop, { actor: 'user:ada' }), id, 'asked twice within seconds, it is one')
  const forward = await world.deploy.rollback(shop, { to: commitOf('shop v2').slice(0, 8), actor: 'user:ada' })
  assert.equal((await world.deploy.finished(forward)).release, digestOf('shop v2'))
  await assert.rejects(
    world.deploy.rollback(shop, { to: 'ffffffff', actor: 'user:ada' }),
    /no release of default\/shop begins with ffffffff/,
  )
})

test('of several pushes at once the newest goes live and those between are superseded', async (context) => {
  const world = await begin(context, {
    releases: { 'shop v1': {}, 'shop v2': {}, 'shop v3': {}, 'blog v1': {} },
    behaviours: new Map([[digestOf('shop v1'), 'slow']]),
  })
  const first = await world.release('shop v1')
  await eventually(() => Object.keys(world.runtime.world().instances).length === 2)
  const second = await world.release('shop v2')
  const third = await world.release('shop v3')
  assert.equal((await world.live('blog v1')).finished?.outcome, 'succeeded', 'other services do not wait')
  world.runtime.become(digestOf('shop v1'), true)
  const outcomes = await Promise.all([first, second, third].map((id) => world.deploy.finished(id)))
  assert.deepEqual(
    outcomes.map(({ finished }) => finished?.outcome),
    ['succeeded', 'superseded', 'succeeded'],
  )
  assert.deepEqual(
    Object.values(world.runtime.world().instances)
      .map(({ owner }) => owner.release)
      .sort(),
    [digestOf('blog v1'), digestOf('blog v1'), digestOf('shop v3'), digestOf('shop v3')].sort(),
  )
})

test('a newer push overtakes one that has waited long for health', async (context) => {
  let skippedMs = 0
  const clock = {
    now: () => Date.now() + skippedMs,
    monotonicMs: () => performance.now() + skippedMs,
    sleep: (ms: number, signal?: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        const timer = setTimeout(resolve, ms)
        signal?.addEventListener('abort', () => {
          clearTimeout(timer)
          reject(signal.reason)
        })
      }),
  }
  const world = await begin(context, {
    clock,
    releases: { 'shop v1': {}, 'shop v2': {} },
    behaviours: new Map([[digestOf('shop v1'), 'slow']]),
  })
  const first = await world.release('shop v1')
  await eventually(() => Object.keys(world.runtime.world().instances).length === 2)
  const second = await world.release('shop v2')
  skippedMs = patienceMs
  const [overtaken, live] = [await world.deploy.finished(first), await world.deploy.finished(second)]
  assert.deepEqual([overtaken.finished?.outcome, live.finished?.outcome], ['superseded', 'succeeded'])
  assert.deepEqual(Object.keys(world.runtime.world().instances), live.instances)
})

const handPush = async (world: Awaited<ReturnType<typeof begin>>, path: string, text: string | null) => {
  await world.pushByHand(path, text)
  const after = CommitId.parse((await world.git('rev-parse', 'main')).trim())
  const options = { push: 'push-hand', before: null, after, options: [], discovered: false }
  const payload = { project: platformProject, repository: environmentsRepository, ref: 'refs/heads/main', ...options }
  await world.ledger.append([
    fact(refUpdated, { subject: 'repository:headway/environments', actor: 'user:ada', payload }),
  ])
}

test('a commit by hand to the environments repository is a deployment', async (context) => {
  const world = await begin(context, { releases: { 'shop v1': {} } })
  await world.live('shop v1')
  const wished = await world.git('show', `main:${shopFile}`)
  await handPush(world, shopFile, wished.replace('replicas: 2', 'replicas: 3'))
  await eventually(() => Object.keys(world.runtime.world().instances).length === 3)
  await eventually(async () => (await world.deploy.queries.unfinished()).length === 0)
  const [{ deployment } = { deployment: null }] = await world.deploy.queries.history({ ...shop, limit: 1 })
  assert.deepEqual([deployment?.reason, deployment?.finished?.outcome], ['git', 'succeeded'])
})

test('a file that cannot be read is refused with its place and changes nothing; a file that goes takes the service with it', async (context) => {
  const world = await begin(context, { releases: { 'shop v1': {} } })
  const first = await world.live('shop v1')
  const wished = await world.git('show', `main:${shopFile}`)
  await handPush(world, shopFile, wished.replace('replicas: 2', 'replicas: many'))
  await eventually(async () => (await world.ledger.read({ types: ['desired-state.refused'] })).length === 1)
  const [refusal] = await world.ledger.read({ types: ['desired-state.refused'] })
  const head = (await world.git('rev-parse', 'main')).trim()
  assert.deepEqual(refusal?.payload, {
    desired: head,
    file: shopFile,
    detail: 'replicas: Invalid input: expected number, received string',
    line: 5,
    column: 11,
  })
  assert.deepEqual(Object.keys(world.runtime.world().instances), first.instances)
  await handPush(world, shopFile, wished.replace('replicas: 2', 'replica: 2'))
  await eventually(async () => world.deploy.refusals()[0]?.detail === 'unknown key replica')
  assert.match(world.deploy.refusals()[0]?.next ?? '', /^did you mean replicas\?/)
  await handPush(world, shopFile, null)
  await eventually(async () => (await world.ledger.read({ types: ['service.removed'] })).length === 1)
  assert.deepEqual(world.runtime.world().instances, {})
  assert.deepEqual(world.runtime.world().routes, [])
})

test('removing a service takes its instances, its route and its file away', async (context) => {
  const world = await begin(context, { releases: { 'shop v1': {}, 'shop v2': {} } })
  await world.live('shop v1')
  await world.deploy.remove(shop, 'user:ada')
  assert.deepEqual([world.runtime.world().instances, world.runtime.world().routes], [{}, []])
  assert.equal(await world.git('ls-tree', '-r', '--name-only', 'main'), '')
  assert.deepEqual(
    (await world.ledger.read({ types: ['service.removed'] })).map(({ actor }) => actor),
    ['user:ada'],
  )
  await assert.rejects(world.deploy.remove(shop, 'user:ada'), /there is no default\/shop/)
  assert.equal((await world.live('shop v2')).finished?.outcome, 'succeeded', 'and it can come back')
})

test('a file that goes from one environment takes the service out of that one only', async (context) => {
  const world = await begin(context, { releases: { 'shop v1': {} } })
  const everyPush = 'promote:\n  from: push\n'
  for (const name of ['eu', 'us']) await handPush(world, `${name}/environment.yaml`, everyPush)
  await world.release('shop v1', 'push-1', EnvironmentName.parse('eu'))
  const standing = async () =>
    (await world.deploy.queries.services())
      .filter((row) => row.current !== null && row.removed_at === null)
      .map(({ environment }) => environment)
      .sort()
  await eventually(async () => (await standing()).length === 2)
  await handPush(world, 'us/default/shop.yaml', null)
  await eventually(async () => (await standing()).length === 1)
  assert.deepEqual(await standing(), ['eu'])
  await handPush(world, 'eu/default/shop.yaml', null)
  await eventually(async () => (await standing()).length === 0)
  assert.deepEqual(
    (await world.ledger.read({ types: ['service.removed'] })).map(({ payload }) => payload),
    [
      { ...shop, environment: 'us', isGone: false },
      { ...shop, environment: 'eu', isGone: true },
    ],
  )
  assert.deepEqual(world.runtime.world().instances, {})
})

test('a service that never ran can be removed as well', async (context) => {
  const world = await begin(context, {
    releases: { 'shop v1': {} },
    behaviours: new Map([[digestOf('shop v1'), 'never-healthy']]),
  })
  await world.live('shop v1')
  await world.deploy.remove(shop, 'user:ada')
  assert.equal((await world.ledger.read({ types: ['service.removed'] })).length, 1)
})

test('drift is found, mended and said once each', async (context) => {
  const world = await begin(context, { releases: { 'shop v1': {} } })
  const { instances } = await world.live('shop v1')
  const [missing = '', kept = ''] = instances ?? []
  world.runtime.change((now) => {
    delete now.instances[missing]
    const stray = now.instances[kept]
    if (stray) now.instances['shop.stray.1'] = { ...stray, id: 'shop.stray.1' }
    now.routes = []
  })
  await world.deploy.reconcile()
  await eventually(async () => (await world.ledger.read({ types: ['drift.mended'] })).length === 1)
  const said = await world.ledger.read({ types: ['drift.found', 'drift.mended'] })
  const detail = `missing: ${missing}; runs without being wanted: shop.stray.1; its route is not the one wanted`
  assert.deepEqual(
    said.map(({ type, payload }) => [type, payload]),
    ['drift.found', 'drift.mended'].map((type) => [type, { ...shop, environment: defaultEnvironment, detail }]),
  )
  assert.deepEqual(Object.keys(world.runtime.world().instances).sort(), [...(instances ?? [])].sort())
  assert.deepEqual(world.routedTo(), [[['shop.localhost'], [digestOf('shop v1')]]])
})

test('what runs and what can be gone back to is in use, the rest is not', async (context) => {
  const versions = ['shop v1', 'shop v2', 'shop v3', 'shop v4']
  const world = await begin(context, { releases: Object.fromEntries(versions.map((words) => [words, {}])) })
  for (const words of versions) await world.live(words)
  assert.deepEqual([...(await world.deploy.inUse())].sort(), versions.slice(1).map(digestOf).sort())
})

test('the views equal a rebuild', async (context) => {
  const world = await begin(context, { releases: { 'shop v1': {}, 'shop v2': {} } })
  await world.live('shop v1')
  await world.live('shop v2')
  await world.deploy.finished(await world.deploy.rollback(shop, { actor: 'user:ada' }))
  const before = await world.views.digest()
  await world.views.rebuild()
  assert.equal(await world.views.digest(), before)
})
