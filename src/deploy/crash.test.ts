import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import {
  killedAt,
  killedLaterAt,
  killsInARow,
  liveThrough,
  marksToKillAt,
  patienceMs,
  sampleOf,
  sideBySide,
} from '../kills.testing.ts'
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

/** What a process is started with that lives a story in this directory. */
const story = (directory: string, file = 'crash-testing.ts', ...words: string[]): string[] => [
  join(import.meta.dirname, file),
  directory,
  ...words,
]

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
      const seen = join(directory, 'kills')
      mkdirSync(seen)
      const { kills } = await liveThrough(story(directory), killedAt(mark, seen))
      // The repository is made once, so after that there is nothing left to be killed at.
      assert.equal(kills, mark === 'deploy.create-environments:after' ? 1 : killsInARow)

      await endedRightly(directory)
      rmSync(directory, { recursive: true, force: true })
    })
})

const killedAfterEachFact = (seen: string) => ({
  HEADWAY_FAILPOINT: 'ledger.append:after',
  HEADWAY_FAILPOINT_TIMES: `100:${seen}`,
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
      const [seen, elsewhere] = [join(directory, 'kills'), join(directory, 'elsewhere.git')]
      mkdirSync(seen)
      execFileSync('git', ['init', '--quiet', '--bare', '--initial-branch=main', elsewhere])
      const { kills } = await liveThrough(story(directory, 'crash-testing.ts', elsewhere), killedAt(mark, seen))
      assert.equal(kills, killsInARow)
      await endedRightly(directory)
      const subjects = (git: string) =>
        execFileSync('git', ['--git-dir', git, 'log', '--format=%H', 'main'], { encoding: 'utf8' })
      assert.equal(subjects(elsewhere), subjects(join(directory, 'repositories/headway/environments.git')))
      rmSync(directory, { recursive: true, force: true })
    })
})

test('killed after each single append, one after the other, everything ends in the same place', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-crash-'))
  const seen = join(directory, 'kills')
  mkdirSync(seen)
  const { kills } = await liveThrough(story(directory), killedAfterEachFact(seen))
  assert.ok(kills >= 20, `${kills} kills are fewer than there are facts`)
  await endedRightly(directory)
  rmSync(directory, { recursive: true, force: true })
})

const clear = (directories: readonly string[]): void => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
}

/** What users get of shop, and how its deployments end, when nothing is killed. */
const scenes: Readonly<Record<string, { readonly weights: readonly string[]; readonly outcomes: readonly string[] }>> =
  {
    canary: {
      weights: ['v1:100', 'v1+:5 v1:85 v2:10', 'v1+:25 v1:25 v2:50', 'v2:100', 'v2+:5 v2:85 v3:10', 'v2:100'],
      outcomes: ['succeeded', 'succeeded', 'rolled-back'],
    },
    'blue-green': {
      weights: ['v1:100', 'v2:100', 'v3:100', 'v2:100'],
      outcomes: ['succeeded', 'succeeded', 'rolled-back'],
    },
    shadow: {
      weights: ['v1:100', '+v2 v1:100 v2:0', 'v2:100', '+v3 v2:100 v3:0', 'v2:100'],
      outcomes: ['succeeded', 'succeeded', 'rolled-back'],
    },
    rolling: {
      weights: ['v1:100', 'v1:63 v2:38', 'v1:25 v2:75', 'v2:100'],
      outcomes: ['succeeded', 'succeeded', 'failed'],
    },
    watched: {
      weights: ['v1:100', 'v1+:25 v1:25 v2:50', 'v1:10 v2:90', 'v2:100', 'v2+:25 v2:25 v3:50', 'v2:10 v3:90', 'v2:100'],
      outcomes: ['succeeded', 'succeeded', 'rolled-back'],
    },
    'taken back': {
      weights: ['v1:100', 'v1+:25 v1:25 v2:50', 'v2:100', 'v1:100'],
      outcomes: ['succeeded', 'succeeded', 'succeeded'],
    },
    lockstep: {
      weights: ['v1:100', 'v1+:25 v1:25 v2:50', 'v2:100', 'v2+:25 v2:25 v3:50', 'v2:100'],
      outcomes: ['succeeded', 'succeeded', 'rolled-back'],
    },
  }

/** What is left of a story, by which one that was killed is compared with one that was not. */
const leftBy = async (directory: string) => {
  const world = await openTestDeploy({ directory, releases: {} })
  const { instances } = world.runtime.world()
  const trailers = (await world.git('log', '--format=%B', 'main')).match(/^Headway-[A-Za-z-]+/gm)
  const services = ['shop', 'blog'].map(async (name) => {
    const service = ServiceName.parse(name)
    const history = (await world.deploy.queries.history({ project: defaultProject, service, limit: 100 })).reverse()
    const facts = await Promise.all(
      history.map(({ deployment }) => world.ledger.read({ subject: `deployment:${deployment.id}` })),
    )
    return {
      outcomes: history.map(({ deployment }) => deployment.finished?.outcome),
      facts: facts.map((one) => one.map(({ type }) => type)),
      weights: weightsOf(world.runtime, service),
      running: Object.values(instances)
        .filter(({ owner }) => owner.service === service)
        .map(({ owner }) => owner.release),
    }
  })
  const [shop, blog] = await Promise.all(services)
  const left = { shop, blog, trailers: trailers?.sort(), drift: await world.ledger.read({ types: ['drift.found'] }) }
  await world.close()
  return left
}

/** A directory for a story, and one beside it for its kills. */
const stage = (name: string): { readonly directory: string; readonly kills: string } => {
  const directory = mkdtempSync(join(tmpdir(), `headway-crash-${name}-`))
  const kills = join(directory, 'kills')
  mkdirSync(kills)
  return { directory, kills }
}

describe('killed whenever weights have changed, and after each fact, a rollout ends as if nothing had happened', {
  concurrency: 2,
}, () => {
  const strategies = killsInARow > 1 ? Object.keys(scenes) : ['canary', 'blue-green', 'shadow', 'rolling']
  for (const strategy of strategies)
    test(strategy, async () => {
      const [undisturbed, routes, facts] = [stage('undisturbed'), stage('routes'), stage('facts')]
      const rollout = (directory: string, ...words: string[]) =>
        story(directory, 'strategies-crash-testing.ts', strategy, ...words)
      assert.equal((await liveThrough(rollout(undisturbed.directory), {})).kills, 0)
      const left = await leftBy(undisturbed.directory)
      assert.deepEqual(left.shop?.weights, scenes[strategy]?.weights)
      assert.deepEqual(left.shop?.outcomes, scenes[strategy]?.outcomes)
      assert.deepEqual(left.drift, [])

      const { kills } = await liveThrough(rollout(routes.directory, routes.kills), {})
      assert.equal(kills, scenes[strategy]?.weights.length)
      assert.deepEqual(await leftBy(routes.directory), left)

      const directories = [undisturbed, routes, facts].map(({ directory }) => directory)
      // A shadow differs from a canary, and rolling from blue/green, in its routes only.
      if (killsInARow === 1 && !['canary', 'blue-green'].includes(strategy)) return clear(directories)
      await liveThrough(rollout(facts.directory), killedAfterEachFact(facts.kills))
      assert.deepEqual(await leftBy(facts.directory), left)
      clear(directories)
    })
})

const singly = ['deploy.create-environments', 'deploy.start', 'deploy.stop', 'deploy.route', 'deploy.commit']
/** So many of a scene's effects are killed at where not all are. */
const fewPerScene = 2

/** Every single effect that a life passed, as `deploy.start:before 3`: before the fourth start. */
const singleEffects = (trace: string): string[] => {
  const passed = new Map<string, number>()
  return trace.split('\n').flatMap((mark) => {
    if (!singly.includes(mark.replace(/:(before|after)$/, ''))) return []
    const before = passed.get(mark) ?? 0
    passed.set(mark, before + 1)
    return [`${mark} ${before}`]
  })
}

describe('killed before and after each single start, stop, change of routes and commit, it ends as if nothing had happened', {
  concurrency: killsInARow > 1 ? 4 : 2,
}, () => {
  for (const [scene, expected] of Object.entries(scenes))
    test(scene, { timeout: patienceMs }, async (context) => {
      const undisturbed = stage('undisturbed')
      const rollout = (directory: string) => story(directory, 'strategies-crash-testing.ts', scene)
      const trace = join(undisturbed.directory, 'trace')
      assert.equal((await liveThrough(rollout(undisturbed.directory), { HEADWAY_FAILPOINT_TRACE: trace })).kills, 0)
      const effects = singleEffects(readFileSync(trace, 'utf8'))
      const left = await leftBy(undisturbed.directory)
      assert.deepEqual(left.shop?.weights, expected.weights)
      assert.deepEqual(left.shop?.outcomes, expected.outcomes)
      clear([undisturbed.directory])

      let all = 0
      const chosen = sampleOf(effects, fewPerScene)
      await sideBySide(chosen, async (effect) => {
        const [mark = '', passes] = effect.split(' ')
        const killed = stage('single')
        const env = killedLaterAt(mark, Number(passes), killed.kills)
        const { kills } = await liveThrough(rollout(killed.directory), env)
        // After the last of its kind there may be no second one to be killed at.
        assert.ok(kills >= (mark.endsWith(':before') ? killsInARow : 1), `${effect}: killed ${kills} times`)
        assert.deepEqual(await leftBy(killed.directory), left, effect)
        all += kills
        clear([killed.directory])
      })
      context.diagnostic(`${all} kills at ${chosen.length} of ${effects.length} marks`)
    })
})
