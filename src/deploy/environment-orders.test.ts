import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { defaultProject, EnvironmentName, ServiceName } from '../names.ts'
import { DeploymentWindow } from './environment-file.ts'
import { eventually, openTestDeploy } from './testing.ts'

const shop = { project: defaultProject, service: ServiceName.parse('shop') }
const staging = EnvironmentName.parse('staging')
const production = EnvironmentName.parse('production')
const by = 'token:ada/laptop'

const begin = async (context: TestContext) => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-orders-'))
  const world = await openTestDeploy({
    directory,
    releases: { 'shop v1': { env: { COLOUR: 'red' }, secrets: ['KEY'] } },
    settings: { KEY: 'sesame' },
  })
  context.after(async () => {
    await world.close()
    rmSync(directory, { recursive: true, force: true })
  })
  await world.deploy.start()
  return { ...world, names: () => world.deploy.environments().map(({ name }) => name) }
}

test('an environment is put before production by one order, and what runs goes through both from then on', async (context) => {
  const { deploy, ...world } = await begin(context)
  await deploy.environmentOrders.define(staging, { before: production }, by)
  assert.deepEqual(world.names(), ['staging', 'production'])
  assert.equal(await world.git('show', 'main:production/environment.yaml'), 'promote:\n  from: staging\n')
  assert.equal(await world.git('show', 'main:staging/environment.yaml'), 'promote:\n  from: push\n')
  await world.release('shop v1', undefined, staging)
  await eventually(async () => (await deploy.current({ ...shop, environment: production })) !== null)
  await eventually(async () => (await deploy.queries.unfinished()).length === 0)
  assert.deepEqual(await deploy.parity(defaultProject, staging, production), [{ service: 'shop', differences: [] }])
  const file = 'production/default/shop.yaml'
  await world.pushByHand(file, (await world.git('show', `main:${file}`)).replace('COLOUR: red', 'COLOUR: blue'))
  assert.deepEqual(await deploy.parity(defaultProject, staging, production), [
    { service: 'shop', differences: [{ key: 'env.COLOUR', left: 'red', right: 'blue' }] },
  ])
  await assert.rejects(deploy.environmentOrders.remove(staging, by), /default\/shop stands in staging/)
  await assert.rejects(
    deploy.parity(defaultProject, staging, EnvironmentName.parse('qa')),
    /there is no environment qa/,
  )
})

test('what is said is set in place, comments stay, and what would be broken is not committed', async (context) => {
  const { deploy, ...world } = await begin(context)
  await world.pushByHand('production/environment.yaml', '# ours\npromote: { from: push } # from everybody\n')
  await deploy.reconcile()
  await deploy.environmentOrders.define(production, { drift: 'report', policy: 'approval', quorum: 2 }, by)
  assert.equal(
    await world.git('show', 'main:production/environment.yaml'),
    '# ours\npromote: { from: push, policy: approval, approval: { quorum: 2 } } # from everybody\ndrift: report\n',
  )
  const head = await world.git('rev-parse', 'main')
  await assert.rejects(
    deploy.environmentOrders.define(production, { from: 'qa' }, by),
    /there is no environment qa to promote from/,
  )
  await assert.rejects(
    deploy.environmentOrders.define(staging, { policy: 'soak' }, by),
    /needs a time such as soak: 30m/,
  )
  assert.equal(await world.git('rev-parse', 'main'), head)
  await deploy.environmentOrders.define(staging, {}, by)
  await deploy.environmentOrders.remove(staging, by)
  assert.deepEqual(world.names(), ['production'])
  const said = await world.ledger.read({ types: ['environment.defined', 'environment.removed'] })
  assert.deepEqual(
    said.map(({ type, subject, actor }) => [type, subject, actor]),
    [
      ['environment.defined', 'environment:production', by],
      ['environment.defined', 'environment:staging', by],
      ['environment.removed', 'environment:staging', by],
    ],
  )
})

test('windows and planned freezes are written a line each, comments stay; the last one that goes takes its key along', async (context) => {
  const { deploy, ...world } = await begin(context)
  await world.pushByHand('production/environment.yaml', '# ours\ndrift: report # by day\n')
  await deploy.reconcile()
  const week = DeploymentWindow.parse({ days: ['mon', 'fri'], from: '09:00', to: '17:00', timezone: 'Europe/Zurich' })
  const freeze = { from: '2026-12-24T00:00:00Z', until: '2026-12-27T00:00:00+01:00', reason: 'holidays: all' }
  await deploy.environmentOrders.define(production, { windows: [week], freezes: [freeze] }, by)
  const text = [
    ...['# ours', 'drift: report # by day', 'windows:'],
    '  - { days: [ mon, fri ], from: 09:00, to: 17:00, timezone: Europe/Zurich }',
    'freeze:',
    '  - { from: 2026-12-24T00:00:00Z, until: 2026-12-27T00:00:00+01:00, reason: "holidays: all" }',
  ]
  assert.equal(await world.git('show', 'main:production/environment.yaml'), `${text.join('\n')}\n`)
  const [known] = deploy.environments()
  assert.deepEqual(known?.windows, [week])
  assert.deepEqual(known?.freeze, [
    { from: Date.UTC(2026, 11, 24), until: Date.UTC(2026, 11, 26, 23), reason: 'holidays: all' },
  ])
  const head = await world.git('rev-parse', 'main')
  const late = { ...freeze, until: '2026-12-01T00:00:00Z' }
  await assert.rejects(deploy.environmentOrders.define(production, { freezes: [late] }, by), /it ends before it begins/)
  assert.equal(await world.git('rev-parse', 'main'), head)
  await deploy.environmentOrders.define(production, { windows: [] }, by)
  assert.deepEqual((await world.git('show', 'main:production/environment.yaml')).split('\n'), [
    ...text.slice(0, 2),
    ...text.slice(4),
    '',
  ])
  await deploy.environmentOrders.define(production, { freezes: [] }, by)
  assert.deepEqual((await world.git('show', 'main:production/environment.yaml')).split('\n'), [...text.slice(0, 2), ''])
})

test('where drift is only reported, it is said once and nothing is touched', async (context) => {
  const { deploy, ...world } = await begin(context)
  const first = await deploy.finished(await world.release('shop v1'))
  await deploy.environmentOrders.define(production, { drift: 'report' }, by)
  const [missing = '', kept = ''] = first.instances ?? []
  world.runtime.change((now) => {
    delete now.instances[missing]
  })
  for (let times = 0; times < 2; times += 1) await deploy.reconcile()
  await eventually(async () => (await world.ledger.read({ types: ['drift.found'] })).length > 0)
  await deploy.reconcile()
  const said = await world.ledger.read({ types: ['drift.found', 'drift.mended'] })
  assert.deepEqual(
    said.map(({ type, payload }) => [type, Object(payload).detail]),
    [['drift.found', `missing: ${missing}`]],
  )
  assert.deepEqual(Object.keys(world.runtime.world().instances), [kept])
})
