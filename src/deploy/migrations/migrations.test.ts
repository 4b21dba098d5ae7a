import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fact } from '../../ledger/fact.ts'
import { defaultEnvironment, defaultProject, ServiceName } from '../../names.ts'
import { databaseRestored, operateFacts } from '../../operate/facts.ts'
import { commitOf, digestOf, eventually, openTestDeploy } from '../testing.ts'
import { migrationStarted } from './facts.ts'
import { migrationSubject } from './index.ts'

const shop = { project: defaultProject, service: ServiceName.parse('shop') }
const target = { ...shop, environment: defaultEnvironment }
const plan = (run: string, over: { timeoutMs?: number; repeatable?: boolean } = {}) => ({
  migrate: { run, timeoutMs: 60_000, repeatable: true, ...over },
})

type Releases = Parameters<typeof openTestDeploy>[0]['releases']

/** Deploy with releases that are folders on disk, each with the files that are given. */
const begin = async (
  releases: Releases,
  files: Readonly<Record<string, Readonly<Record<string, string>>>> = {},
  settings: Readonly<Record<string, string>> = {},
) => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-migrations-'))
  const images = join(directory, 'images')
  for (const words of Object.keys(releases)) {
    mkdirSync(join(images, digestOf(words)), { recursive: true })
    for (const [name, text] of Object.entries(files[words] ?? {}))
      writeFileSync(join(images, digestOf(words), name), text)
  }
  const open = async () => {
    const world = await openTestDeploy({ directory, releases, images, settings, facts: operateFacts })
    await world.deploy.start()
    return world
  }
  let world = await open()
  return {
    directory,
    ran: () => readLines(join(directory, 'ran')),
    get world() {
      return world
    },
    live: async (words: string) => world.deploy.finished(await world.release(words)),
    facts: async () =>
      (await world.ledger.read({ subject: migrationSubject(target) })).map(({ type, payload }) => ({
        type,
        payload: JSON.parse(JSON.stringify(payload)),
      })),
    restart: async () => {
      await world.close()
      world = await open()
    },
    [Symbol.asyncDispose]: async () => {
      await world.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

const readLines = (file: string): string[] => {
  try {
    return readFileSync(file, 'utf8').trim().split('\n')
  } catch {
    return []
  }
}

test('a migration runs in the release’s own files with its environment, once, before any instance starts', async () => {
  const run = 'echo "$(cat version) $SECRET $DATABASE_URL $(pwd)" >> ../../../ran; ls ../../../runtime.json; true'
  await using bench = await begin(
    { 'shop v1': { ...plan(run), secrets: ['SECRET'], database: 'postgres' } },
    { 'shop v1': { version: 'one' } },
    { SECRET: 'hunter22' },
  )
  const first = await bench.live('shop v1')
  assert.equal(first.finished?.outcome, 'succeeded')
  const [line = '', ...others] = bench.ran()
  assert.match(
    line,
    /^one hunter22 postgres:\/\/shop:sesame@127.0.0.1:5432\/shop .*\/migrating\/shop\.\w+\.migration\/app$/,
  )
  const again = await bench.world.deploy.deploy(shop, { actor: 'user:ada' })
  assert.equal((await bench.world.deploy.finished(again)).finished?.outcome, 'succeeded')
  assert.deepEqual([others, bench.ran().length], [[], 1], 'deployed once more, it is not migrated once more')
  const [started, finished] = await bench.facts()
  const about = {
    ...target,
    deployment: first.id,
    release: digestOf('shop v1'),
    commit: commitOf('shop v1'),
    attempt: 1,
  }
  assert.deepEqual(started, { type: 'migration.started', payload: about })
  assert.deepEqual(finished, {
    type: 'migration.finished',
    payload: {
      ...about,
      outcome: 'succeeded',
      exitCode: 0,
      detail: null,
      durationMs: finished?.payload.durationMs,
      lastLines: finished?.payload.lastLines,
    },
  })
  assert.doesNotMatch(
    finished?.payload.lastLines.join(' '),
    /^\.\.\/\.\.\/\.\.\/runtime\.json$/,
    'no instance was there',
  )
  assert.deepEqual(readdirSync(join(bench.directory, 'migrating')), [], 'its directory is gone')
})

test('one that fails fails the deployment with its last lines, secrets hidden, and leaves what runs as it was', async () => {
  const run = 'echo applying 0002; echo "cannot connect with $SECRET" >&2; exit 7'
  await using bench = await begin(
    { 'shop v1': plan('true'), 'shop v2': { ...plan(run), secrets: ['SECRET'] } },
    {},
    { SECRET: 'hunter22' },
  )
  const first = await bench.live('shop v1')
  const before = bench.world.runtime.world()
  const second = await bench.live('shop v2')
  assert.deepEqual(second.finished, {
    at: second.finished?.at,
    outcome: 'failed',
    url: null,
    detail: `the migration of shop ${commitOf('shop v2').slice(0, 7)} ended with exit code 7 in production; what runs stays as it was`,
    evidence: { instance: null, probe: null, lastLines: ['applying 0002', 'cannot connect with ***'] },
    next: `mend it and push again, or headway deploy shop --release ${commitOf('shop v2').slice(0, 7)} to try it once more; headway migrations shop --log shows its log`,
  })
  const after = bench.world.runtime.world()
  assert.deepEqual([after.instances, after.routes], [before.instances, before.routes])
  assert.deepEqual(Object.keys(after.instances), first.instances)
  assert.equal(bench.world.deploy.migrations.log(second.id, 1), 'applying 0002\ncannot connect with ***\n')
})

test('deployed again, a failed one is tried again', async () => {
  await using bench = await begin({ 'shop v1': plan('test -e ../../../fixed') })
  assert.equal((await bench.live('shop v1')).finished?.outcome, 'failed')
  writeFileSync(join(bench.directory, 'fixed'), '')
  const again = await bench.world.deploy.deploy(shop, { actor: 'user:ada', release: commitOf('shop v1') })
  assert.equal((await bench.world.deploy.finished(again)).finished?.outcome, 'succeeded')
})

test('one that takes too long is stopped with all that it has started', async () => {
  const run = 'echo working; sh -c "echo \\$\\$ > ../../../child; exec sleep 600" & sleep 600'
  await using bench = await begin({ 'shop v1': plan(run, { timeoutMs: 300 }) })
  const { finished } = await bench.live('shop v1')
  assert.match(finished?.detail ?? '', /^the migration of shop \w{7} was stopped after 0\.3 s in production/)
  const child = Number(readFileSync(join(bench.directory, 'child'), 'utf8'))
  await eventually(() => !isThere(child))
})

const isThere = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('one that is under way when Headway stops goes on, and Headway takes up its end when it starts again', async () => {
  const run = 'echo began >> ../../../ran; while ! test -e ../../../go; do sleep 0.02; done; echo done'
  await using bench = await begin({ 'shop v1': plan(run) })
  const deployment = await bench.world.release('shop v1')
  await eventually(() => bench.ran().length === 1)
  await bench.restart()
  writeFileSync(join(bench.directory, 'go'), '')
  assert.equal((await bench.world.deploy.finished(deployment)).finished?.outcome, 'succeeded')
  assert.deepEqual(bench.ran(), ['began'])
  assert.deepEqual(
    (await bench.facts()).map(({ type, payload }) => [type, payload.outcome]),
    [
      ['migration.started', undefined],
      ['migration.finished', 'succeeded'],
    ],
  )
  assert.equal(bench.world.deploy.migrations.log(deployment, 1), 'done\n')
})

for (const repeatable of [true, false])
  test(`one that ended unseen is ${repeatable ? 'run again' : 'not run again where it may not be repeated'}`, async () => {
    // It ends its own shell, which could have told how it ended.
    const run =
      'echo began >> ../../../ran; while ! test -e ../../../go; do sleep 0.02; done; test -e ../../../ended || kill -9 $PPID; mkdir -p ../../../ended'
    await using bench = await begin({ 'shop v1': plan(run, { repeatable }) })
    const deployment = await bench.world.release('shop v1')
    await eventually(() => bench.ran().length === 1)
    await bench.world.close()
    writeFileSync(join(bench.directory, 'go'), '')
    await eventually(() => existsSync(join(bench.directory, 'ended')))
    await bench.restart()
    const { finished } = await bench.world.deploy.finished(deployment)
    assert.deepEqual([finished?.outcome, bench.ran().length], repeatable ? ['succeeded', 2] : ['failed', 1])
    if (!repeatable) assert.match(finished?.detail ?? '', /was interrupted and may have run in part/)
  })

test('two never run at once on one database, whichever services they are of', async () => {
  const env = { DATABASE_URL: 'postgres://app@db.example.com/shared' }
  const run = 'mkdir ../../../busy || exit 1; sleep 0.2; rmdir ../../../busy'
  await using bench = await begin({ 'shop v1': { ...plan(run), env }, 'blog v1': { ...plan(run), env } })
  const ended = await Promise.all([bench.live('shop v1'), bench.live('blog v1')])
  assert.deepEqual(
    ended.map(({ finished }) => finished?.outcome),
    ['succeeded', 'succeeded'],
  )
})

test('a destructive statement that the change brings is advised against, and nothing is refused', async () => {
  await using bench = await begin(
    { 'shop v1': plan('true'), 'shop v2': plan('true') },
    {
      'shop v1': { '1.sql': 'drop table a;' },
      'shop v2': { '1.sql': 'drop table a;', '2.sql': '\nalter table b drop c;' },
    },
  )
  await bench.live('shop v1')
  const { id, finished } = await bench.live('shop v2')
  const advised = (await bench.facts()).filter(({ type }) => type === 'migration.advised')
  const advice = 'expand first: leave it until no running version uses it, and drop it in a later release'
  assert.deepEqual(
    [finished?.outcome, advised.map(({ payload }) => [payload.deployment, payload.findings])],
    ['succeeded', [[id, [{ file: '2.sql', line: 2, statement: 'DROP COLUMN', advice }]]]],
  )
})

test('after the database was restored, a release is migrated once more', async () => {
  await using bench = await begin({ 'shop v1': plan('echo ran >> ../../../ran') })
  await bench.live('shop v1')
  const payload = { ...target, backup: 'yesterday' }
  await bench.world.ledger.append([fact(databaseRestored, { subject: 'database', actor: 'user:ada', payload })])
  const again = await bench.world.deploy.deploy(shop, { actor: 'user:ada' })
  await bench.world.deploy.finished(again)
  assert.equal(bench.ran().length, 2)
})

test('what migrations wrote is kept of the newest fifty deployments of a service', async () => {
  await using bench = await begin({ 'shop v1': plan('echo migrated') })
  const payload = { ...target, release: digestOf('shop v0'), commit: commitOf('shop v0'), attempt: 1 }
  const about = { subject: migrationSubject(target), actor: 'system:deploy' }
  const older = Array.from({ length: 50 }, (_, number) => `deployment-old-${number}`)
  await bench.world.ledger.append(
    older.map((deployment) => fact(migrationStarted, { ...about, payload: { ...payload, deployment } })),
  )
  const logs = join(bench.directory, 'migrations', 'logs')
  mkdirSync(logs, { recursive: true })
  for (const deployment of older.slice(0, 2)) writeFileSync(join(logs, `${deployment}.1.log`), 'old')
  const { id } = await bench.live('shop v1')
  assert.deepEqual(readdirSync(logs).sort(), [`${id}.1.log`, 'deployment-old-1.1.log'].sort())
})
