import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../clock.ts'
import { defineRelease, type ReleaseKey } from '../golden/release.ts'
import type { ServiceDefinition } from '../golden/service.ts'
import { defaultEnvironment, defaultProject, EnvironmentName, ServiceName } from '../names.ts'
import { Problem } from '../problem.ts'
import {
  commitOf,
  digestOf,
  eventually,
  openTestDeploy,
  scriptedJudge,
  type TestDeployOptions,
  weightsOf,
} from './testing.ts'

const project = defaultProject
const shop = { project, service: ServiceName.parse('shop') }
const released = (release: ReleaseKey, more: Partial<ServiceDefinition> = {}): Partial<ServiceDefinition> => ({
  release: defineRelease(release),
  ...more,
})

const begin = async (context: TestContext, options: Omit<TestDeployOptions, 'directory'>) => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-strategies-'))
  const world = await openTestDeploy({ directory, ...options })
  await world.deploy.start()
  context.after(async () => {
    await world.close()
    rmSync(directory, { recursive: true, force: true })
  })
  const live = async (words: string) => world.deploy.finished(await world.release(words))
  const weights = () => weightsOf(world.runtime)
  const at = async (deployment: string, percent: number) =>
    eventually(async () => {
      await world.views.reach()
      return (await world.deploy.queries.deployment(deployment))?.step?.weightPercent === percent
    })
  const order = (kind: 'pause' | 'resume' | 'promote' | 'abort', reason?: string) =>
    world.deploy.order(kind, { project, name: 'shop' }, { actor: 'user:ada', reason })
  const kinds = async (id: string) => (await world.ledger.read({ subject: `deployment:${id}` })).map(({ type }) => type)
  return { ...world, live, weights, at, order, kinds }
}

const quick: ReleaseKey = {
  strategy: 'canary',
  steps: [{ weight: 10, min: 0 }, { weight: 50, min: 0 }, 100],
  watch: 0,
  freshBaseline: false,
}

/** Stays at 10 % until somebody says otherwise. */
const held: ReleaseKey = { ...quick, steps: [{ weight: 10, min: '1h', max: '2h' }, 100] }

test('a canary that passes goes through its steps to all traffic, each step judged', async (context) => {
  const world = await begin(context, { releases: { 'shop v1': {}, 'shop v2': released(quick) } })
  await world.live('shop v1')
  world.judge.says(digestOf('shop v2'), 'pass')
  const second = await world.live('shop v2')
  assert.equal(second.finished?.outcome, 'succeeded')
  assert.deepEqual(world.weights(), ['v1:100', 'v1:90 v2:10', 'v1:50 v2:50', 'v2:100'])
  assert.deepEqual(await world.kinds(second.id), [
    'deployment.requested',
    'deployment.committed',
    'rollout.started',
    'rollout.step-started',
    'rollout.judged',
    'rollout.step-started',
    'rollout.judged',
    'rollout.step-started',
    'rollout.shifted',
    'deployment.finished',
  ])
  assert.deepEqual(second.judged?.evidence, digestOf(`evidence of ${second.id}`))
  assert.deepEqual(Object.keys(world.runtime.world().instances), second.instances)
})

test('the first version of a service goes live at once whatever its strategy', async (context) => {
  const world = await begin(context, { releases: { 'shop v1': released({ strategy: 'canary' }) } })
  assert.equal((await world.live('shop v1')).finished?.outcome, 'succeeded')
  assert.deepEqual(world.weights(), ['v1:100'])
})

test('a canary that fails is out of the routes first, then it is a fact, then the file of before is committed', async (context) => {
  const world = await begin(context, {
    releases: {
      'shop v1': { env: { COLOUR: 'blue' } },
      'shop v2': released({ strategy: 'canary', steps: [5, 100], freshBaseline: false }, { env: { COLOUR: 'red' } }),
    },
  })
  const first = await world.live('shop v1')
  const wished = await world.git('show', 'main:production/default/shop.yaml')
  const id = await world.release('shop v2')
  await world.at(id, 5)
  const recordedAtRoute: string[][] = []
  const { route } = world.runtime
  world.runtime.route = async (table) => {
    await route(table)
    recordedAtRoute.push(await world.kinds(id))
  }
  world.judge.says(digestOf('shop v2'), 'fail')
  const second = await world.deploy.finished(id)
  assert.deepEqual(second.finished, {
    at: second.finished?.at,
    outcome: 'rolled-back',
    url: null,
    detail: 'it was told to fail',
    evidence: null,
    next: 'mend it and push again; headway logs shop shows more',
  })
  assert.deepEqual(world.weights(), ['v1:100', 'v1:95 v2:5', 'v1:100'])
  assert.equal(recordedAtRoute[0]?.includes('rollout.judged'), false, 'the route comes before the fact')
  await eventually(async () => (await world.git('show', 'main:production/default/shop.yaml')) === wished)
  assert.deepEqual(Object.keys(world.runtime.world().instances), first.instances)
  const row = await world.deploy.queries.service({ ...shop, environment: defaultEnvironment })
  assert.deepEqual([row?.current, row?.serving], [first.id, first.id])
  const again = await world.deploy.deploy(shop, { release: commitOf('shop v2'), actor: 'user:ada' })
  world.judge.says(digestOf('shop v2'), 'pass')
  await world.at(again, 5)
  await world.order('promote')
  await world.at(again, 100)
  await world.order('promote')
  assert.equal((await world.deploy.finished(again)).finished?.outcome, 'succeeded', 'the same release, tried again')
  assert.match(await world.git('show', 'main:production/default/shop.yaml'), /COLOUR: red/)
})

test('a step without requests holds, is promoted or aborted, as the service has it', async (context) => {
  const steps = [{ weight: 10, min: 0, max: 0.05 }, 100]
  const world = await begin(context, {
    releases: {
      'shop v1': {},
      'shop v2': released({ strategy: 'canary', steps, watch: 0, noData: 'hold' }),
      'shop v3': released({ strategy: 'canary', steps, watch: 0, noData: 'promote' }),
      'shop v4': released({ strategy: 'canary', steps, watch: 0, noData: 'abort' }),
    },
  })
  await world.live('shop v1')
  const held = await world.release('shop v2')
  await eventually(async () => (await world.kinds(held)).includes('rollout.paused'))
  await world.views.reach()
  const state = await world.deploy.queries.deployment(held)
  assert.match(state?.paused?.reason ?? '', /^no requests to judge by in 0.1 s at 10 %|50 ms at 10 %/)
  await world.order('promote', 'seen by hand')
  assert.equal((await world.deploy.finished(held)).finished?.outcome, 'succeeded')
  assert.equal((await world.live('shop v3')).finished?.outcome, 'succeeded')
  assert.equal((await world.live('shop v4')).finished?.outcome, 'rolled-back')
})

test('a control plane that was dead for longer than a step does not conclude that nobody used it', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-strategies-'))
  context.after(() => rmSync(directory, { recursive: true, force: true }))
  const steps = [{ weight: 10, min: 0 }, { weight: 50, min: 0 }, 100]
  const releases = { 'shop v1': {}, 'shop v2': released({ ...quick, steps }) }
  let aheadMs = 0
  const clock = { ...systemClock, now: () => systemClock.now() + aheadMs }
  const first = await openTestDeploy({ directory, releases, clock })
  await first.deploy.start()
  await first.deploy.finished(await first.release('shop v1'))
  const id = await first.release('shop v2')
  await eventually(() => weightsOf(first.runtime).includes('v1:90 v2:10'))
  await first.close()

  aheadMs += 3_600_000
  let looks = 0
  const { judging } = scriptedJudge(directory)
  const look = (rollout: string) => {
    looks += 1
    return judging.look(rollout)
  }
  const second = await openTestDeploy({ directory, releases, clock, judging: { ...judging, look } })
  try {
    await second.deploy.start()
    await eventually(() => looks >= 3)
    const kinds = async () => (await second.ledger.read({ subject: `deployment:${id}` })).map(({ type }) => type)
    assert.deepEqual((await kinds()).slice(-2), ['rollout.started', 'rollout.step-started'])
    aheadMs += 60_000
    await eventually(async () => (await kinds()).includes('rollout.judged'))
    assert.deepEqual(weightsOf(second.runtime).slice(0, 2), ['v1:100', 'v1:90 v2:10'])
  } finally {
    await second.close()
  }
})

test('with evidence and no fail the time of a step promotes', async (context) => {
  const steps = [{ weight: 10, min: 0, max: 0.05 }, 100]
  const world = await begin(context, {
    releases: { 'shop v1': {}, 'shop v2': released({ strategy: 'canary', steps, watch: 0 }) },
  })
  await world.live('shop v1')
  world.judge.says(digestOf('shop v2'), 'inconclusive')
  const second = await world.live('shop v2')
  assert.deepEqual([second.finished?.outcome, second.judged?.verdict], ['succeeded', 'inconclusive'])
})

test('blue/green switches at once, keeps the old version warm, and goes back in one route', async (context) => {
  const world = await begin(context, {
    releases: { 'shop v1': {}, 'shop v2': released({ strategy: 'blue-green', watch: '1h' }) },
  })
  const first = await world.live('shop v1')
  const id = await world.release('shop v2')
  await eventually(async () => (await world.kinds(id)).includes('rollout.shifted'))
  assert.deepEqual(Object.keys(world.runtime.world().instances).length, 4, 'the old version stays')
  const row = async () => {
    await world.views.reach()
    return world.deploy.queries.service({ ...shop, environment: defaultEnvironment })
  }
  assert.equal((await row())?.serving, id)
  assert.equal(await world.deploy.rollback(shop, { actor: 'user:ada' }), id, 'a rollback in the watch is an abort')
  const { finished } = await world.deploy.finished(id)
  assert.deepEqual([finished?.outcome, finished?.detail], ['rolled-back', 'aborted by user:ada: rolled back'])
  assert.deepEqual(world.weights(), ['v1:100', 'v2:100', 'v1:100'])
  assert.deepEqual(
    world.runtime.world().stopped.some((one) => first.instances?.includes(one)),
    false,
  )
  assert.deepEqual([(await row())?.serving, (await row())?.current], [first.id, first.id])
})

test('after promotion it is watched beside a hold-back of the old version, and a breach undoes it', async (context) => {
  const watch = { time: '1h', holdback: 2 }
  const world = await begin(context, { releases: { 'shop v1': {}, 'shop v2': released({ ...quick, watch }) } })
  await world.live('shop v1')
  world.judge.says(digestOf('shop v2'), 'pass')
  const id = await world.release('shop v2')
  await eventually(async () => (await world.kinds(id)).includes('rollout.shifted'))
  world.judge.says(digestOf('shop v2'), 'fail')
  assert.equal((await world.deploy.finished(id)).finished?.outcome, 'rolled-back')
  assert.deepEqual(world.weights(), ['v1:100', 'v1:90 v2:10', 'v1:50 v2:50', 'v1:2 v2:98', 'v1:100'])
})

test('deployed once more while it is watched is the version that people use, not the one before it', async (context) => {
  const world = await begin(context, {
    releases: { 'shop v1': {}, 'shop v2': released({ strategy: 'blue-green', watch: '1h' }) },
  })
  await world.live('shop v1')
  const id = await world.release('shop v2')
  await eventually(async () => (await world.kinds(id)).includes('rollout.shifted'))
  const again = await world.deploy.deploy(shop, { actor: 'user:ada' })
  await eventually(async () => (await world.kinds(again)).includes('rollout.shifted'))
  await world.order('promote')
  const { release, finished } = await world.deploy.finished(again)
  assert.deepEqual([release, finished?.outcome], [digestOf('shop v2'), 'succeeded'])
})

test('a watch that ends well says so and lets the old version go', async (context) => {
  const world = await begin(context, {
    releases: { 'shop v1': {}, 'shop v2': released({ strategy: 'blue-green', watch: '50ms' }) },
  })
  await world.live('shop v1')
  const second = await world.live('shop v2')
  assert.deepEqual((await world.kinds(second.id)).slice(-4), [
    'rollout.shifted',
    'rollout.judged',
    'rollout.watched',
    'deployment.finished',
  ])
  assert.deepEqual(Object.keys(world.runtime.world().instances), second.instances)
  assert.deepEqual(world.judge.script().begun[`${second.id}.watch`]?.who.baseline, null)
})

test('a shadow gets copies first, and traffic only when the copies went well', async (context) => {
  const release: ReleaseKey = { ...quick, strategy: 'shadow', steps: [100], mirror: { min: 0 } }
  const world = await begin(context, { releases: { 'shop v1': {}, 'shop v2': released(release) } })
  await world.live('shop v1')
  const id = await world.release('shop v2')
  await world.at(id, 0)
  await eventually(() => world.weights().length === 2)
  world.judge.says(digestOf('shop v2'), 'pass')
  assert.equal((await world.deploy.finished(id)).finished?.outcome, 'succeeded')
  assert.deepEqual(world.weights(), ['v1:100', '+v2 v1:100 v2:0', 'v2:100'])
})

test('a rolling update of many replaces a part at a time, never with fewer than wanted', async (context) => {
  const many = { replicas: 8 }
  const world = await begin(context, { releases: { 'shop v1': many, 'shop v2': many } })
  await world.live('shop v1')
  let fewest = 8
  let most = 8
  const { start, stop } = world.runtime
  const count = () => {
    const now = Object.keys(world.runtime.world().instances).length
    fewest = Math.min(fewest, now)
    most = Math.max(most, now)
  }
  world.runtime.start = async (spec) => start(spec).finally(count)
  world.runtime.stop = async (id) => stop(id).finally(count)
  const second = await world.live('shop v2')
  assert.equal(second.finished?.outcome, 'succeeded')
  assert.deepEqual(world.weights(), ['v1:100', 'v1:63 v2:38', 'v1:25 v2:75', 'v2:100'])
  assert.deepEqual([fewest, most, Object.keys(world.runtime.world().instances)], [8, 11, second.instances])
})

test('a rolling update whose second part is not healthy is taken back, with all that it replaced', async (context) => {
  const world = await begin(context, { releases: { 'shop v1': { replicas: 8 }, 'shop v2': { replicas: 8 } } })
  const first = await world.live('shop v1')
  const { settled } = world.runtime
  world.runtime.settled = async (id, timeoutMs, signal) => {
    const seen = await settled(id, timeoutMs, signal)
    return seen?.owner.release === digestOf('shop v2') && id.endsWith('.5') ? { ...seen, state: 'failed' } : seen
  }
  const second = await world.live('shop v2')
  assert.equal(second.finished?.outcome, 'rolled-back')
  assert.deepEqual(Object.keys(world.runtime.world().instances).sort(), [...(first.instances ?? [])].sort())
  assert.deepEqual(world.weights().at(-1), 'v1:100')
  assert.deepEqual(await world.ledger.read({ types: ['drift.found'] }), [])
})

test('latency is compared with a fresh instance of the old version, which has as much as one of the new ones', async (context) => {
  const release: ReleaseKey = { ...quick, steps: [{ weight: 10, min: 0 }, 100], freshBaseline: true }
  const world = await begin(context, { releases: { 'shop v1': {}, 'shop v2': released(release) } })
  await world.live('shop v1')
  world.judge.says(digestOf('shop v2'), 'pass')
  const second = await world.live('shop v2')
  assert.deepEqual(world.weights(), ['v1:100', 'v1+:5 v1:85 v2:10', 'v2:100'])
  const { begun } = world.judge.script()
  assert.deepEqual(
    [second.id, `${second.id}.latency`].map((name) => [begun[name]?.who.baseline, begun[name]?.plan]),
    [
      [digestOf('shop v1'), { alpha: 0.0075, tolerance: 0, latency: false, thresholds: [], focus: 'errors' }],
      [
        `${digestOf('shop v1')}+fresh`,
        { alpha: 0.0025, tolerance: 0, latency: true, thresholds: [], focus: 'latency' },
      ],
    ],
  )
  assert.deepEqual(Object.keys(world.runtime.world().instances), second.instances)
})

test('it can be paused, resumed, promoted and aborted, each said once with who did it', async (context) => {
  const release: ReleaseKey = { strategy: 'canary', steps: [10, 50, 100], watch: 0 }
  const world = await begin(context, { releases: { 'shop v1': {}, 'shop v2': released(release) } })
  const first = await world.live('shop v1')
  await assert.rejects(world.order('pause'), /no rollout of default\/shop is under way in production/)
  const id = await world.release('shop v2')
  await world.at(id, 10)
  await assert.rejects(
    world.deploy.order(
      'pause',
      { project, name: 'shop' },
      { actor: 'user:ada', environment: EnvironmentName.parse('staging') },
    ),
    { next: 'one is under way in production: --environment production' },
  )
  await world.order('pause', 'lunch')
  await world.order('pause', 'lunch')
  await world.order('resume')
  await world.order('promote')
  await world.at(id, 50)
  await assert.rejects(world.deploy.deploy(shop, { actor: 'user:ada' }), {
    kind: 'rollout-under-way',
    detail: `shop ${commitOf('shop v2').slice(0, 7)} is on its way to production, at 50 % of the traffic`,
  })
  await world.order('abort', 'looks wrong')
  const { finished } = await world.deploy.finished(id)
  assert.deepEqual([finished?.outcome, finished?.detail], ['rolled-back', 'aborted by user:ada: looks wrong'])
  await assert.rejects(world.deploy.order('pause', { project, name: id }, { actor: 'user:ada' }), Problem)
  const said = await world.ledger.read({
    types: ['rollout.paused', 'rollout.resumed', 'rollout.promoted', 'rollout.aborted'],
  })
  assert.deepEqual(
    said.map(({ type, actor }) => [type, actor]),
    ['paused', 'resumed', 'promoted', 'aborted'].map((one) => [`rollout.${one}`, 'user:ada']),
  )
  assert.deepEqual(Object.keys(world.runtime.world().instances), first.instances)
})

test('a newer push takes the place of a canary, or waits for its end where the service has it so', async (context) => {
  const slow: ReleaseKey = { strategy: 'canary', steps: [10, 100], watch: 0 }
  const world = await begin(context, {
    releases: {
      'shop v1': {},
      'shop v2': released(slow),
      'shop v3': released({ ...slow, newer: 'queue' }),
      'shop v4': {},
    },
  })
  await world.live('shop v1')
  const second = await world.release('shop v2')
  await world.at(second, 10)
  const third = await world.release('shop v3')
  assert.equal((await world.deploy.finished(second)).finished?.outcome, 'superseded')
  await world.at(third, 10)
  const fourth = await world.release('shop v4')
  await world.views.reach()
  assert.deepEqual((await world.deploy.queries.deployment(third))?.finished, null)
  await world.order('promote')
  const ends = await Promise.all([third, fourth].map((id) => world.deploy.finished(id)))
  assert.deepEqual(
    ends.map(({ finished }) => finished?.outcome),
    ['succeeded', 'succeeded'],
  )
})

test('services in lockstep are promoted together and undone together', async (context) => {
  const steps = [{ weight: 10, min: 0 }, { weight: 50, min: 0 }, 100]
  const together = (other: string): ReleaseKey => ({
    strategy: 'canary',
    steps,
    watch: 0,
    with: [ServiceName.parse(other)],
  })
  const world = await begin(context, {
    releases: {
      'shop v1': {},
      'blog v1': {},
      'shop v2': released(together('blog')),
      'blog v2': released(together('shop')),
    },
  })
  await world.live('shop v1')
  await world.live('blog v1')
  world.judge.says(digestOf('shop v2'), 'pass')
  const [left, right] = [await world.release('shop v2', 'push-2'), await world.release('blog v2', 'push-2')]
  await eventually(async () => (await world.kinds(left)).includes('rollout.judged'))
  await world.at(right, 10)
  await world.views.reach()
  assert.deepEqual((await world.deploy.queries.deployment(left))?.step?.weightPercent, 10, 'it waits for the other')
  world.judge.says(digestOf('blog v2'), 'fail')
  const ends = await Promise.all([left, right].map((id) => world.deploy.finished(id)))
  assert.deepEqual(
    ends.map(({ finished }) => [finished?.outcome, finished?.detail]),
    [
      ['rolled-back', 'aborted by system:deploy: blog, which goes in lockstep with it, was undone'],
      ['rolled-back', 'it was told to fail'],
    ],
  )
  world.judge.says(digestOf('blog v2'), 'pass')
  const again = [await world.release('shop v2', 'push-3'), await world.release('blog v2', 'push-3')]
  const well = await Promise.all(again.map((id) => world.deploy.finished(id)))
  assert.deepEqual(
    well.map(({ finished }) => finished?.outcome),
    ['succeeded', 'succeeded'],
  )
})

test('a release that was collected is refused, and the live version stays as it is', async (context) => {
  const world = await begin(context, { releases: { 'shop v1': {} } })
  await world.live('shop v1')
  const before = world.runtime.world()
  const { finished } = await world.deploy.finished(await world.release('shop v9'))
  assert.equal(finished?.outcome, 'failed')
  assert.match(finished?.detail ?? '', /is no longer on this machine$/)
  assert.deepEqual(world.runtime.world(), before)
})

test('other settings of the same release are a rollout as well, told apart from what runs', async (context) => {
  const world = await begin(context, { releases: { 'shop v1': released(quick) } })
  await world.live('shop v1')
  world.judge.says(digestOf('shop v1'), 'fail') // of the old version nothing is judged
  const id = await world.deploy.deploy(shop, { actor: 'user:ada' })
  world.judge.says(`${digestOf('shop v1')}+${id}`, 'pass')
  assert.equal((await world.deploy.finished(id)).finished?.outcome, 'succeeded')
  assert.deepEqual(world.weights(), ['v1:100', 'v1+:10 v1:90', 'v1+:50 v1:50', 'v1+:100', 'v1:100'])
})

test('drift while a canary is on its way is recorded and mended, and the canary goes on', async (context) => {
  const clock = { ...systemClock, monotonicMs: () => performance.now() * 100 } // so that ten seconds are soon over
  const world = await begin(context, { clock, releases: { 'shop v1': {}, 'shop v2': released(held) } })
  const first = await world.live('shop v1')
  world.judge.says(digestOf('shop v2'), 'inconclusive')
  const second = await world.release('shop v2')
  await world.at(second, 10)
  const [gone = '', stays = ''] = first.instances ?? []
  const routes = structuredClone(world.runtime.world().routes)
  world.runtime.change((now) => {
    const { [gone]: lost, ...others } = now.instances
    now.instances = others
    if (lost) now.instances['shop.by-hand.1'] = { ...lost, id: 'shop.by-hand.1' }
    now.routes = now.routes.map((one) => ({ ...one, pools: one.pools.slice(0, 1) }))
  })
  const drift = async () => world.ledger.read({ types: ['drift.found', 'drift.mended'] })
  await eventually(async () => (await drift()).length === 2)
  const about = { ...shop, environment: defaultEnvironment }
  const detail = `missing: ${gone}; runs without being wanted: shop.by-hand.1; its route is not the one wanted`
  assert.deepEqual(
    (await drift()).map(({ type, payload }) => [type, payload]),
    [
      ['drift.found', { ...about, detail }],
      ['drift.mended', { ...about, detail }],
    ],
  )
  const { instances, routes: now } = world.runtime.world()
  const mine = (await world.deploy.queries.deployment(second))?.instances ?? []
  assert.deepEqual([Object.keys(instances).sort(), now], [[gone, stays, ...mine].sort(), routes])
  world.judge.says(digestOf('shop v2'), 'pass')
  await world.order('promote')
  assert.equal((await world.deploy.finished(second)).finished?.outcome, 'succeeded')
  assert.deepEqual(world.errors, [])
})

test('where the environment says so drift during a rollout is only reported', async (context) => {
  const clock = { ...systemClock, monotonicMs: () => performance.now() * 100 }
  const world = await begin(context, { clock, releases: { 'shop v1': {}, 'shop v2': released(held) } })
  await world.pushByHand('production/environment.yaml', 'drift: report\n')
  await world.deploy.reconcile()
  const first = await world.live('shop v1')
  world.judge.says(digestOf('shop v2'), 'inconclusive')
  await world.at(await world.release('shop v2'), 10)
  const drift = async () => {
    const facts = await world.ledger.read({ types: ['drift.found', 'drift.mended'] })
    return facts.map(({ type, payload }) => [type, Object(payload).detail])
  }
  const said: string[][] = []
  const missing: string[] = []
  for (const id of first.instances ?? []) {
    world.runtime.change(({ instances }) => {
      delete instances[id]
    })
    missing.push(id)
    said.push(['drift.found', `missing: ${missing.join(', ')}`])
    await eventually(async () => (await drift()).length === said.length)
  }
  assert.equal(missing.length, 2)
  assert.deepEqual(await drift(), said)
  assert.deepEqual(
    missing.filter((id) => world.runtime.world().instances[id]),
    [],
  )
})
