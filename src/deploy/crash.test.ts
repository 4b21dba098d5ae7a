import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { killedAt, killsInARow, marksToKillAt } from '../kills.testing.ts'
import { defaultProject, ServiceName } from '../names.ts'
import { digestOf, openTestDeploy, weightsOf } from './testing.ts'

const marks = [
  'ledger.append',
  'deploy.create-environments',
  'deploy.commit',
  'deploy.start',
  'deploy.route',
  'deploy.stop',
].flatMap((name) => [`${name}:before`, `${name}:after`])

const live = async (
  directory: string,
  env: Record<string, string>,
  story: readonly [string, ...string[]] = ['crash-testing.ts'],
): Promise<NodeJS.Signals | number | null> => {
  const [file, ...words] = story
  const script = join(import.meta.dirname, file)
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', script, directory, ...words], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk
  })
  await once(child, 'close')
  if (child.exitCode !== 0 && child.signalCode !== 'SIGKILL') assert.fail(said)
  return child.signalCode ?? child.exitCode
}

const endedRightly = async (directory: string): Promise<void> => {
  const world = await openTestDeploy({ directory, releases: {} })
  const shop = { project: defaultProject, service: ServiceName.parse('shop') }
  const history = await world.deploy.queries.history({ ...shop, limit: 100 })
  assert.deepEqual(
    history.map(({ deployment }) => [deployment.reason, deployment.release, deployment.finished?.outcome]).reverse(),
    [
      ['push', digestOf('shop v1'), 'succeeded'],
      ['push', digestOf('shop v2'), 'succeeded'],
      ['push', digestOf('shop v3'), 'failed'],
      ['rollback', digestOf('shop v1'), 'succeeded'],
    ],
  )
  const versions = world.runtime
    .world()
    .routed.flatMap((table) => table.flatMap(({ pools }) => pools.map((pool) => pool.version)))
  assert.equal(versions.includes(digestOf('shop v3')), false, 'the unhealthy version never had traffic')
  const trailers = (await world.git('log', '--format=%B', 'main'))
    .split('\n')
    .filter((line) => line.startsWith('Headway-'))
  assert.deepEqual(
    [trailers.length, new Set(trailers).size],
    [5, 5],
    'four intents and one set-back, each committed once',
  )
  const before = await world.views.digest()
  await world.views.rebuild()
  assert.equal(await world.views.digest(), before)
  await world.close()
}

describe('killed at any effect and started again, everything ends in the same place', {
  concurrency: 3,
}, () => {
  for (const mark of marksToKillAt(marks, ['ledger.append', 'deploy.commit', 'deploy.route']))
    test(mark, async () => {
      const directory = mkdtempSync(join(tmpdir(), 'headway-crash-'))
      const kills = join(directory, 'kills')
      mkdirSync(kills)
      const env = killedAt(mark, kills)
      const ends: Awaited<ReturnType<typeof live>>[] = []
      while (ends.at(-1) !== 0) ends.push(await live(directory, env))
      // The repository is made once, so after that there is nothing left to be killed at.
      const once = mark === 'deploy.create-environments:after'
      assert.equal(ends.length - 1, once ? 1 : killsInARow)

      await endedRightly(directory)
      rmSync(directory, { recursive: true, force: true })
    })
})

const remoteMarks = ['deploy.pull', 'deploy.commit-aside', 'deploy.push', 'deploy.follow-remote'].flatMap((name) => [
  `${name}:before`,
  `${name}:after`,
])

describe('with its environments on another Git server, killed at any effect and started again, it commits everything once', {
  concurrency: 3,
}, () => {
  for (const mark of marksToKillAt(remoteMarks, ['deploy.push']))
    test(mark, async () => {
      const directory = mkdtempSync(join(tmpdir(), 'headway-crash-'))
      const [kills, elsewhere] = [join(directory, 'kills'), join(directory, 'elsewhere.git')]
      mkdirSync(kills)
      execFileSync('git', ['init', '--quiet', '--bare', '--initial-branch=main', elsewhere])
      const story = ['crash-testing.ts', elsewhere] as const
      const ends: Awaited<ReturnType<typeof live>>[] = []
      while (ends.at(-1) !== 0) ends.push(await live(directory, killedAt(mark, kills), story))
      assert.equal(ends.length - 1, killsInARow)
      await endedRightly(directory)
      const subjects = (git: string) =>
        execFileSync('git', ['--git-dir', git, 'log', '--format=%H', 'main'], { encoding: 'utf8' })
      assert.equal(subjects(elsewhere), subjects(join(directory, 'repositories/headway/environments.git')))
      rmSync(directory, { recursive: true, force: true })
    })
})

test('killed after each single append, one after the other, everything ends in the same place', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-crash-'))
  const kills = join(directory, 'kills')
  mkdirSync(kills)
  const env = { HEADWAY_FAILPOINT: 'ledger.append:after', HEADWAY_FAILPOINT_TIMES: `100:${kills}` }
  let runs = 1
  while ((await live(directory, env)) !== 0) runs += 1
  assert.ok(runs > 20, `${runs} runs are fewer than there are facts`)
  await endedRightly(directory)
  rmSync(directory, { recursive: true, force: true })
})

const clear = (directories: readonly string[]): void => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
}

const weights: Readonly<Record<string, readonly string[]>> = {
  canary: ['v1:100', 'v1+:5 v1:85 v2:10', 'v1+:25 v1:25 v2:50', 'v2:100', 'v2+:5 v2:85 v3:10', 'v2:100'],
  'blue-green': ['v1:100', 'v2:100', 'v3:100', 'v2:100'],
  shadow: ['v1:100', '+v2 v1:100 v2:0', 'v2:100', '+v3 v2:100 v3:0', 'v2:100'],
  rolling: ['v1:100', 'v1:63 v2:38', 'v1:25 v2:75', 'v2:100'],
}

/** What is left of a story, by which one that was killed is compared with one that was not. */
const leftBy = async (directory: string) => {
  const world = await openTestDeploy({ directory, releases: {} })
  const history = await world.deploy.queries.history({
    project: defaultProject,
    service: ServiceName.parse('shop'),
    limit: 100,
  })
  const facts = await Promise.all(
    history.map(({ deployment }) => world.ledger.read({ subject: `deployment:${deployment.id}` })),
  )
  const { instances } = world.runtime.world()
  const trailers = (await world.git('log', '--format=%B', 'main')).match(/^Headway-[A-Za-z-]+/gm)
  const left = {
    outcomes: history.map(({ deployment }) => deployment.finished?.outcome).reverse(),
    facts: facts.map((one) => one.map(({ type }) => type)).reverse(),
    weights: weightsOf(world.runtime),
    running: Object.values(instances).map(({ owner }) => owner.release),
    trailers,
    drift: await world.ledger.read({ types: ['drift.found'] }),
  }
  await world.close()
  return left
}

describe('killed whenever weights have changed, and after each fact, a rollout ends as if nothing had happened', {
  concurrency: 2,
}, () => {
  for (const [strategy, expected] of Object.entries(weights))
    test(strategy, async () => {
      const directories = ['undisturbed', 'routes', 'facts'].map((name) => {
        const directory = mkdtempSync(join(tmpdir(), `headway-crash-${name}-`))
        mkdirSync(join(directory, 'kills'))
        return directory
      })
      const [undisturbed = '', routes = '', facts = ''] = directories
      const story = ['strategies-crash-testing.ts', strategy] as const
      assert.equal(await live(undisturbed, {}, story), 0)
      const left = await leftBy(undisturbed)
      assert.deepEqual(left.weights, expected)
      assert.deepEqual(left.outcomes, ['succeeded', 'succeeded', strategy === 'rolling' ? 'failed' : 'rolled-back'])
      assert.deepEqual(left.drift, [])

      let kills = 0
      while ((await live(routes, {}, [...story, join(routes, 'kills')])) !== 0) kills += 1
      assert.equal(kills, expected.length)
      assert.deepEqual(await leftBy(routes), left)

      // A shadow differs from a canary, and rolling from blue/green, in its routes only.
      if (killsInARow === 1 && !['canary', 'blue-green'].includes(strategy)) return clear(directories)
      const env = {
        HEADWAY_FAILPOINT: 'ledger.append:after',
        HEADWAY_FAILPOINT_TIMES: `100:${join(facts, 'kills')}`,
      }
      while ((await live(facts, env, story)) !== 0);
      assert.deepEqual(await leftBy(facts), left)
      clear(directories)
    })
})
