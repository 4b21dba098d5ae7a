import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { killedAt, killsInARow, liveThrough, marksToKillAt } from '../../kills.testing.ts'
import { digestOf } from '../testing.ts'
import { openTestPreviews } from './testing.ts'

const marks = [
  'ledger.append',
  'deploy.commit',
  'deploy.start',
  'deploy.route',
  'deploy.stop',
  'deploy.migration-forget-logs',
].flatMap((name) => [`${name}:before`, `${name}:after`])

const program = join(import.meta.dirname, 'crash-testing.ts')

const begin = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-crash-'))
  for (const name of ['kills', ...['v1', 'v2'].map((version) => `images/${digestOf(`shop ${version}`)}`)])
    mkdirSync(join(directory, name), { recursive: true })
  return directory
}

const endedRightly = async (directory: string): Promise<void> => {
  const world = await openTestPreviews({ directory, releases: {} })
  try {
    const told = await world.ledger.read({ subject: 'preview:default/shop/1' })
    assert.deepEqual(
      told.map(({ type }) => type.replace('preview.', '')),
      ['begun', 'change.packaged', 'ready', 'begun', 'change.packaged', 'ready', 'ending', 'removed'],
    )
    const outcomes = await world.deploy.queries.history({ project: world.keyOf(1).project, limit: 10 })
    assert.deepEqual(
      outcomes.map(({ deployment }) => deployment.finished?.outcome),
      ['succeeded', 'succeeded'],
    )
    const { instances, routes } = world.runtime.world()
    assert.deepEqual([instances, routes, await world.deploy.queries.services()], [{}, [], []])
    assert.equal(await world.git('ls-tree', '-r', '--name-only', 'main'), '')
    const trailers = (await world.git('log', '--format=%B', 'main')).match(/^Headway-.*$/gm) ?? []
    assert.deepEqual([trailers.length, new Set(trailers).size], [3, 3], 'two versions and their removal, each once')
    const logs = join(directory, 'migrations', 'logs')
    assert.deepEqual(existsSync(logs) ? readdirSync(logs) : [], [])
    assert.equal(readFileSync(join(directory, 'seeded'), 'utf8'), 'seeded\n')
    const before = await world.views.digest()
    await world.views.rebuild()
    assert.equal(await world.views.digest(), before)
  } finally {
    await world.close()
  }
}

describe('killed at any effect and started again, a preview comes up and goes without a trace', {
  concurrency: 3,
}, () => {
  for (const mark of marksToKillAt(marks, ['ledger.append', 'deploy.commit']))
    test(mark, async () => {
      const directory = begin()
      try {
        const { kills } = await liveThrough([program, directory], killedAt(mark, join(directory, 'kills')))
        // The logs go in one stroke, and after that there is nothing left to be killed at.
        const isOnce = mark === 'deploy.migration-forget-logs:after'
        assert.ok(kills === killsInARow || isOnce, `killed ${kills} times`)
        await endedRightly(directory)
      } finally {
        rmSync(directory, { recursive: true, force: true })
      }
    })

  // Some thirty lives, which are too many for every day: `npm run soak -- marks` has the time.
  const soaked = killsInARow === 1 ? [] : ['after each single append, one after the other']
  for (const name of soaked)
    test(name, async () => {
      const directory = begin()
      try {
        const kills = join(directory, 'kills')
        const env = { HEADWAY_FAILPOINT: 'ledger.append:after', HEADWAY_FAILPOINT_TIMES: `200:${kills}` }
        const life = await liveThrough([program, directory], env)
        assert.ok(life.kills >= 20, `${life.kills} kills are fewer than there are facts`)
        await endedRightly(directory)
      } finally {
        rmSync(directory, { recursive: true, force: true })
      }
    })
})
