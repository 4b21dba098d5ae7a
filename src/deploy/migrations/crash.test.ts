import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { killedAt, killsInARow, liveThrough, marksToKillAt } from '../../kills.testing.ts'
import { isFact } from '../../ledger/fact.ts'
import { defaultEnvironment, defaultProject, ServiceName } from '../../names.ts'
import { digestOf, openTestDeploy } from '../testing.ts'
import { migrationFinished } from './facts.ts'
import { migrationSubject } from './index.ts'

const marks = [
  'deploy.migration-files',
  'deploy.migration-spawn',
  'deploy.migration-record',
  'deploy.migration-release',
  'deploy.migration-stop',
  'deploy.migration-kill',
  'deploy.migration-log',
  'deploy.migration-forget',
  'agent.directory-make',
  'agent.directory-remove',
].flatMap((name) => [`${name}:before`, `${name}:after`])

const program = join(import.meta.dirname, 'crash-testing.ts')

const endedRightly = async (directory: string): Promise<void> => {
  const world = await openTestDeploy({ directory, releases: {} })
  try {
    const shop = { project: defaultProject, service: ServiceName.parse('shop') }
    const facts = await world.ledger.read({
      subject: migrationSubject({ ...shop, environment: defaultEnvironment }),
      limit: 1000,
    })
    const finished = facts.flatMap((one) => (isFact(migrationFinished, one) ? [one.payload] : []))
    const of = (words: string) => finished.filter(({ release }) => release === digestOf(words))
    assert.equal(of('shop v1').filter(({ outcome }) => outcome === 'succeeded').length, 1)
    assert.equal(of('shop v2').at(-1)?.outcome, 'timed-out')
    assert.equal(of('shop v3').at(-1)?.outcome, 'failed')
    const attempts = finished.map(({ deployment, attempt }) => `${deployment} ${attempt}`)
    assert.equal(new Set(attempts).size, attempts.length, 'no end is recorded twice')
    assert.equal(readFileSync(join(directory, 'applied'), 'utf8'), '0001\n')
    const left = ['migrating', 'migrations/underway'].map((name) => readdirSync(join(directory, name)))
    assert.deepEqual(left, [[], []])
    const versions = world.runtime
      .world()
      .routed.flatMap((table) => table.flatMap(({ pools }) => pools.map((pool) => pool.version)))
    assert.deepEqual([...new Set(versions)], [digestOf('shop v1')])
  } finally {
    await world.close()
  }
}

describe('a migration killed at any effect and started again, ends in the same place', {
  concurrency: 3,
}, () => {
  for (const mark of marksToKillAt(marks, ['deploy.migration-spawn', 'deploy.migration-record']))
    test(mark, async () => {
      const directory = mkdtempSync(join(tmpdir(), 'headway-crash-'))
      try {
        for (const name of ['kills', ...['v1', 'v2', 'v3'].map((version) => `images/${digestOf(`shop ${version}`)}`)])
          mkdirSync(join(directory, name), { recursive: true })
        const { kills } = await liveThrough([program, directory], killedAt(mark, join(directory, 'kills')))
        const least = mark.endsWith(':before') ? killsInARow : 1
        assert.ok(kills >= least, `killed at ${mark} less than ${least} times`)
        await endedRightly(directory)
      } finally {
        rmSync(directory, { recursive: true, force: true })
      }
    })
})
