import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Identity } from '../../access/access.ts'
import type { Role } from '../../access/facts.ts'
import { systemClock } from '../../clock.ts'
import { refUpdated } from '../../code/facts.ts'
import { commitOf, digestOf, eventually, openTestDeploy } from '../../deploy/testing.ts'
import { fact } from '../../ledger/fact.ts'
import { defaultProject, EnvironmentName, RepositoryName, ServiceName } from '../../names.ts'

const shop = { project: defaultProject, service: ServiceName.parse('shop') }
const production = EnvironmentName.parse('production')
const staging = EnvironmentName.parse('staging')
const hour = 3_600_000

const somebody = (user: string, role: Role | null): Identity => ({
  user,
  actor: `token:${user}/laptop`,
  roleIn: () => role,
})

/** Two environments; what reaches production is as `policy` says. */
const begin = async (context: TestContext, policy: string, more: Readonly<Record<string, string>> = {}) => {
  let skippedMs = 0
  const clock = { ...systemClock, now: () => Date.now() + skippedMs }
  const directory = mkdtempSync(join(tmpdir(), 'headway-promotion-'))
  const versions = ['shop v1', 'shop v2', 'shop v3', 'shop v4']
  const world = await openTestDeploy({
    directory,
    clock,
    releases: Object.fromEntries(versions.map((words) => [words, { replicas: 1 }])),
  })
  context.after(async () => {
    await world.close()
    rmSync(directory, { recursive: true, force: true })
  })
  await world.deploy.start()
  await world.pushByHand('staging/environment.yaml', '# every push')
  for (const [path, text] of Object.entries(more)) await world.pushByHand(path, text)
  await world.pushByHand('production/environment.yaml', policy)
  await world.deploy.reconcile()

  const { promotion } = world
  const live = async (environment: EnvironmentName): Promise<string | null> => {
    await world.views.reach()
    return (await world.deploy.current({ ...shop, environment }))?.release ?? null
  }
  return {
    ...world,
    live,
    /** A push by somebody that becomes a release, which goes live in staging. */
    push: async (words: string, user: string): Promise<void> => {
      const branch = { repository: RepositoryName.parse('shop'), ref: 'refs/heads/main', before: null }
      const payload = { push: `push-${words}`, project: defaultProject, ...branch, after: commitOf(words) }
      await world.ledger.append([
        fact(refUpdated, {
          subject: 'repository:default/shop',
          actor: `token:${user}/laptop`,
          payload: { ...payload, options: [], discovered: false },
        }),
      ])
      await world.release(words, undefined, staging)
      await eventually(async () => (await live(staging)) === digestOf(words))
      await promotion.look()
    },
    later: async (ms: number): Promise<void> => {
      skippedMs += ms
      await promotion.look()
    },
    /** The newest promotion into production. */
    newest: async () => {
      const all = await promotion.list(defaultProject, { service: shop.service, limit: 50 })
      const found = all.find(({ target }) => target.environment === production)
      if (!found) throw new Error('there is no promotion into production')
      return found
    },
    reachesProduction: (words: string) => eventually(async () => (await live(production)) === digestOf(words)),
    kindsOf: async (id: string) => (await world.ledger.read({ subject: `promotion:${id}` })).map(({ type }) => type),
  }
}

test('what succeeds in staging goes on to production by itself, and asks for what the push brought', async (context) => {
  const world = await begin(context, 'promote: { from: staging }')
  await world.push('shop v1', 'ada')
  await world.reachesProduction('shop v1')
  const promotion = await world.newest()
  assert.deepEqual(
    [promotion.from, promotion.authors, promotion.push, promotion.ended?.outcome],
    ['staging', ['ada'], 'push-shop v1', 'granted'],
  )
  assert.deepEqual(await world.kindsOf(promotion.id), ['promotion.requested', 'promotion.granted'])
  const deployment = await world.deploy.finished(promotion.ended?.deployment ?? '')
  assert.deepEqual([deployment.reason, deployment.push], ['promotion', 'push-shop v1'])
  assert.match(await world.git('ls-tree', '-r', '--name-only', 'main'), /production\/default\/shop\.yaml/)
})

test('a soak holds it until its time is over, and going back in staging withdraws it', async (context) => {
  const world = await begin(context, 'promote: { from: staging, policy: soak, soak: 2h }')
  await world.push('shop v1', 'ada')
  assert.equal((await world.newest()).held?.why, 'soak')
  await world.later(hour)
  assert.equal(await world.live(production), null)
  await world.later(hour)
  await world.reachesProduction('shop v1')
  await world.push('shop v2', 'ada')
  await world.deploy.finished(await world.deploy.rollback(shop, { environment: staging, actor: 'user:ada' }))
  await world.promotion.look()
  assert.deepEqual((await world.newest()).ended?.outcome, 'withdrawn')
  await world.later(3 * hour)
  assert.equal(await world.live(production), digestOf('shop v1'))
})

test('an approval must come from somebody else with the role, in time and once each; every refusal is recorded', async (context) => {
  const world = await begin(
    context,
    'promote: { from: staging, policy: approval, approval: { quorum: 2, role: operator, expires: 4h } }',
  )
  await world.push('shop v1', 'ada')
  const { id } = await world.newest()
  const { promotion } = world
  const approve = (user: string, role: Role | null) => promotion.approve(defaultProject, id, somebody(user, role))
  await assert.rejects(approve('ada', 'administrator'), /ada has a part in what it brings/)
  await assert.rejects(approve('bob', 'developer'), /asks for the role operator, and bob has developer/)
  await assert.rejects(
    promotion.approve(defaultProject, id, { ...somebody('run-1', 'operator'), actor: 'job:run-1/test' }),
    /is no person/,
  )
  const refusalFor = async (user: string, role: Role | null) =>
    promotion.asking(await world.newest(), somebody(user, role))?.refusal
  assert.match((await refusalFor('ada', 'administrator')) ?? '', /ada has a part in what it brings/)
  assert.equal(await refusalFor('bob', 'operator'), null)
  assert.equal((await approve('bob', 'operator')).ended, null, 'one of two')
  assert.match((await refusalFor('bob', 'operator')) ?? '', /bob has approved it already/)
  await assert.rejects(approve('bob', 'operator'), /bob has approved it already/)
  assert.equal(await world.live(production), null)
  assert.equal((await approve('eve', 'operator')).ended?.outcome, 'granted')
  await world.reachesProduction('shop v1')
  await assert.rejects(approve('dan', 'operator'), /it was granted already/)
  const facts = await world.ledger.read({ subject: `promotion:${id}` })
  assert.deepEqual(
    facts.map(({ type, payload }) =>
      [type, Object(payload).user, Object(payload).why].filter((one) => one !== undefined),
    ),
    [
      ['promotion.requested'],
      ['promotion.held', 'approval'],
      ['promotion.approval-refused', 'ada', 'author'],
      ['promotion.approval-refused', 'bob', 'role'],
      ['promotion.approval-refused', 'job:run-1/test', 'no-person'],
      ['promotion.approved', 'bob'],
      ['promotion.held', 'approval'],
      ['promotion.approval-refused', 'bob', 'twice'],
      ['promotion.approved', 'eve'],
      ['promotion.granted'],
      ['promotion.approval-refused', 'dan', 'ended'],
    ],
  )
})

test('what nobody approves in time expires, by the clock alone, and can be asked for again', async (context) => {
  const world = await begin(context, 'promote: { from: staging, policy: approval, approval: { expires: 4h } }')
  await world.push('shop v1', 'ada')
  const { id } = await world.newest()
  await world.later(5 * hour)
  assert.equal((await world.newest()).ended?.outcome, 'expired')
  await assert.rejects(
    world.promotion.approve(defaultProject, id, somebody('bob', 'operator')),
    /the time to approve it is over/,
  )
  assert.deepEqual((await world.kindsOf(id)).slice(-2), ['promotion.closed', 'promotion.approval-refused'])
  assert.equal(await world.live(production), null)
  const again = await world.promotion.promote(shop, { to: production, release: null, by: 'user:bob' })
  assert.deepEqual([again.id === id, again.held?.why, again.authors], [false, 'approval', ['ada', 'bob']])
  assert.equal(
    (await world.promotion.promote(shop, { to: production, release: null, by: 'user:eve' })).id,
    again.id,
    'asked twice, it is one',
  )
  await world.promotion.approve(defaultProject, again.id, somebody('eve', 'operator'))
  await world.reachesProduction('shop v1')
})

test('who has a part in anything since what runs there is an author, and a newer release takes the older one out of the way', async (context) => {
  const world = await begin(context, 'promote: { from: staging, policy: approval }')
  await world.push('shop v1', 'ada')
  const first = await world.newest()
  await world.promotion.approve(defaultProject, first.id, somebody('zoe', 'operator'))
  await world.reachesProduction('shop v1')
  await world.push('shop v2', 'bob')
  const older = await world.newest()
  await world.push('shop v3', 'eve')
  const newer = await world.newest()
  assert.deepEqual([older.authors, newer.authors], [['bob'], ['bob', 'eve']])
  await assert.rejects(world.promotion.approve(defaultProject, newer.id, somebody('bob', 'operator')), /has a part in/)
  await world.promotion.approve(defaultProject, newer.id, somebody('ada', 'operator'))
  await world.reachesProduction('shop v3')
  const ended = await world.promotion.queries.promotion(older.id)
  assert.deepEqual(ended?.ended?.outcome, 'superseded')
  const rejected = await world.promotion
    .promote(shop, { to: production, release: commitOf('shop v2').slice(0, 8), by: 'user:bob' })
    .then(({ id }) => world.promotion.reject(defaultProject, id, 'not this one', 'user:ada'))
  assert.deepEqual([rejected.ended?.outcome, rejected.ended?.detail], ['rejected', 'ada: not this one'])
})

test('a freeze holds promotions, orders and commits by hand, but not going back; what was held goes on when it is lifted', async (context) => {
  const world = await begin(context, 'promote: { from: staging }')
  await world.push('shop v1', 'ada')
  await world.reachesProduction('shop v1')
  await world.push('shop v2', 'ada')
  await world.reachesProduction('shop v2')
  await world.promotion.freeze(defaultProject, production, { reason: 'audit', until: null }, 'token:bob/laptop')
  await world.push('shop v3', 'ada')
  assert.deepEqual((await world.newest()).held, {
    why: 'freeze',
    detail: 'production is frozen by bob: audit',
    until: null,
  })
  await assert.rejects(world.deploy.deploy(shop, { actor: 'user:ada' }), /production is frozen by bob: audit/)
  const file = 'production/default/shop.yaml'
  await world.pushByHand(file, (await world.git('show', `main:${file}`)).replace('replicas: 1', 'replicas: 2'))
  await world.deploy.reconcile()
  await eventually(async () =>
    (await world.promotion.list(defaultProject, { service: undefined, limit: 9 })).some(({ from }) => from === 'git'),
  )
  const production1 = { ...shop, environment: production }
  assert.equal((await world.deploy.current(production1))?.instances?.length, 1)
  const back = await world.deploy.finished(await world.deploy.rollback(shop, { actor: 'user:ada' }))
  assert.deepEqual([back.release, back.finished?.outcome], [digestOf('shop v1'), 'succeeded'])
  await assert.rejects(
    world.promotion.unfreeze(defaultProject, staging, 'done', 'user:bob'),
    /nobody has frozen staging/,
  )
  await world.promotion.unfreeze(defaultProject, production, 'done', 'token:bob/laptop')
  await world.reachesProduction('shop v3')
  const frozen = await world.ledger.read({ types: ['environment.frozen', 'environment.unfrozen'] })
  assert.deepEqual(
    frozen.map(({ type, actor }) => [type, actor]),
    [
      ['environment.frozen', 'token:bob/laptop'],
      ['environment.unfrozen', 'token:bob/laptop'],
    ],
  )
})

test('a release that needs an approval is not brought in by an order or by a commit by hand', async (context) => {
  const world = await begin(context, 'promote: { from: staging, policy: approval }')
  await world.push('shop v1', 'ada')
  const word = commitOf('shop v1').slice(0, 8)
  await assert.rejects(
    world.deploy.deploy(shop, { release: word, environment: production, actor: 'user:ada' }),
    /production takes releases from staging by approval/,
  )
  const text = (await world.git('show', 'main:staging/default/shop.yaml')).replace('in staging', 'in production')
  await world.pushByHand('production/default/shop.yaml', text)
  await world.deploy.reconcile()
  const waits = async () => (await world.promotion.queries.open()).find(({ from }) => from === 'git')
  await eventually(async () => (await waits()) !== undefined)
  assert.equal(await world.live(production), null)
  const held = await waits()
  assert.deepEqual([held?.held?.why, held?.authors], ['approval', ['ada']])
  await world.promotion.approve(defaultProject, held?.id ?? '', somebody('bob', 'operator'))
  await world.reachesProduction('shop v1')
  const [newest] = await world.deploy.queries.history({ ...shop, limit: 1 })
  assert.equal(newest?.deployment.reason, 'git')
})

test('an environment that requires others waits for them too, and a broken file changes nothing', async (context) => {
  const world = await begin(context, 'promote: { from: staging }\nrequires: [qa]', {
    'qa/environment.yaml': 'promote: { from: staging, policy: approval }',
  })
  await world.push('shop v1', 'ada')
  assert.deepEqual((await world.newest()).held?.why, 'requires')
  const qa = (await world.promotion.queries.open()).find(({ target }) => target.environment === 'qa')
  await world.pushByHand('qa/environment.yaml', 'promote: { from: staging, policy: aproval }')
  await world.deploy.reconcile()
  const [refusal] = await world.ledger.read({ types: ['desired-state.refused'] })
  assert.deepEqual(
    [Object(refusal?.payload).file, Object(refusal?.payload).line, Object(refusal?.payload).column],
    ['qa/environment.yaml', 1, 35],
  )
  assert.deepEqual(
    world.deploy.environments().map(({ name }) => name),
    ['staging', 'qa', 'production'],
  )
  assert.match(world.promotion.broken()[0]?.detail ?? '', /promote\.policy: expected automatic, soak, approval, found/)
  assert.equal(await world.live(staging), digestOf('shop v1'))
  await world.promotion.approve(defaultProject, qa?.id ?? '', somebody('bob', 'operator'))
  await world.reachesProduction('shop v1')
})

test('an environment that is put between two others gets the release, which is not deployed once more where it runs', async (context) => {
  const world = await begin(context, 'promote: { from: staging }')
  await world.push('shop v1', 'ada')
  await world.reachesProduction('shop v1')
  const deployments = async () =>
    (await world.ledger.read({ types: ['deployment.requested'] })).filter(
      ({ payload }) => Object(payload).environment === 'production',
    ).length
  assert.equal(await deployments(), 1)
  await world.pushByHand('qa/environment.yaml', 'promote: { from: staging }')
  await world.pushByHand('production/environment.yaml', 'promote: { from: qa }')
  await world.deploy.reconcile()
  const passed = async () => {
    await world.promotion.look()
    return (await world.newest()).ended?.detail === `${commitOf('shop v1').slice(0, 7)} runs there already`
  }
  await eventually(passed)
  assert.deepEqual([(await world.newest()).from, (await world.newest()).ended?.outcome], ['qa', 'superseded'])
  assert.equal(await deployments(), 1)
  await world.push('shop v2', 'ada')
  await world.reachesProduction('shop v2')
  // What was passed over stays so, whatever runs there later.
  await world.deploy.finished(await world.deploy.rollback(shop, { environment: production, actor: 'user:ada' }))
  await world.promotion.look()
  assert.equal(await world.live(production), digestOf('shop v1'))
})

test('promotions equal a rebuild of their view', async (context) => {
  const world = await begin(context, 'promote: { from: staging, policy: soak, soak: 1h }')
  await world.push('shop v1', 'ada')
  await world.later(hour)
  await world.reachesProduction('shop v1')
  await world.promotion.freeze(defaultProject, production, { reason: 'audit', until: null }, 'user:bob')
  await eventually(async () => (await world.deploy.queries.unfinished()).length === 0)
  await world.views.reach()
  const before = await world.views.digest()
  await world.views.rebuild()
  assert.equal(await world.views.digest(), before)
})
