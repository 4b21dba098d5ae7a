import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { defineRelease } from '../golden/release.ts'
import { defaultProject, EnvironmentName, ServiceName } from '../names.ts'
import { Problem } from '../problem.ts'
import { firstEnvironments, usualEnvironments } from './first-environments.ts'
import { digestOf, eventually, openTestDeploy, type TestDeployOptions } from './testing.ts'

const service = ServiceName.parse('shop')
const staging = { project: defaultProject, service, environment: EnvironmentName.parse('staging') }
const production = { ...staging, environment: EnvironmentName.parse('production') }

const begin = async (context: TestContext, options: Omit<TestDeployOptions, 'directory'>) => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-first-'))
  const opened: (() => Promise<void>)[] = []
  context.after(async () => {
    for (const close of opened) await close()
    rmSync(directory, { recursive: true, force: true })
  })
  const open = async (more: Partial<TestDeployOptions> = {}) => {
    const world = await openTestDeploy({ directory, ...options, ...more })
    opened.push(world.close)
    await world.deploy.start()
    return world
  }
  return { open, closeAll: async () => Promise.all(opened.splice(0).map((close) => close())) }
}

test('a new home has staging, where pushes go at once, and production, where they go by themselves as a canary', async (context) => {
  const { open } = await begin(context, {
    firstEnvironments: usualEnvironments,
    releases: { 'shop v1': { hosts: ['shop.example.com'] }, 'shop v2': { hosts: ['shop.example.com'] } },
  })
  const world = await open()
  assert.deepEqual(
    world.deploy.environments().map(({ name, promote, strategy }) => [name, promote.from, promote.policy, strategy]),
    [
      ['staging', 'push', 'automatic', 'rolling'],
      ['production', 'staging', 'automatic', 'canary'],
    ],
  )
  await world.release('shop v1', undefined, staging.environment)
  await eventually(async () => (await world.deploy.current(production))?.release === digestOf('shop v1'))
  const first = await world.deploy.current(production)
  assert.deepEqual([first?.rollout?.strategy, first?.rollout?.baseline], ['rolling', null], 'the first goes straight')
  const { routes } = await world.runtime.routes()
  assert.deepEqual(
    routes.map(({ service: label, hosts }) => [label, hosts]).sort(),
    [
      ['default/shop/production', ['shop.localhost', 'shop.example.com']],
      ['default/shop/staging', ['shop.staging.localhost']],
    ],
    'names of its own are where its users are',
  )
  await world.release('shop v2', undefined, staging.environment)
  const isStepping = async (): Promise<boolean> => {
    const [underWay] = await world.deploy.queries.unfinishedOf(production)
    return underWay?.step?.weightPercent === 10
  }
  await eventually(isStepping)
  assert.equal((await world.deploy.current(staging))?.release, digestOf('shop v2'))
})

test('in an environment that says rolling also a service that asks for a canary goes out at once', async (context) => {
  const release = defineRelease({ strategy: 'canary', steps: [10, 100], watch: '1h' })
  const { open } = await begin(context, {
    firstEnvironments: usualEnvironments,
    releases: { 'shop v1': {}, 'shop v2': { release } },
  })
  const world = await open()
  for (const one of ['shop v1', 'shop v2']) {
    const id = await world.release(one, undefined, staging.environment)
    assert.equal((await world.deploy.finished(id)).finished?.outcome, 'succeeded')
  }
})

test('in a single environment each service says how it comes to its users', async (context) => {
  const { open } = await begin(context, { firstEnvironments: 'production', releases: {} })
  const world = await open()
  assert.deepEqual(
    world.deploy.environments().map(({ name, promote, strategy }) => [name, promote.from, strategy]),
    [['production', 'push', null]],
  )
})

test('a home that is there keeps the environments that it has', async (context) => {
  const { open, closeAll } = await begin(context, { releases: {} })
  const old = await open()
  assert.deepEqual(
    old.deploy.environments().map(({ name }) => name),
    ['production'],
  )
  await closeAll()
  const again = await open({ firstEnvironments: usualEnvironments })
  assert.deepEqual(
    again.deploy.environments().map(({ name }) => name),
    ['production'],
  )
})

test('names that can be none of environments are refused', () => {
  for (const [names, why] of [
    ['staging,,production', /"" is no name/],
    ['Staging', /"Staging" is no name/],
    ['a,a', /named twice/],
    ['change-7', /kept for previews/],
  ] as const)
    assert.throws(
      () => firstEnvironments(names),
      (error) => error instanceof Problem && why.test(error.message),
      names,
    )
})
