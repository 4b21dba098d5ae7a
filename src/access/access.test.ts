import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import { test } from 'node:test'
import { EnvironmentName, ProjectName, ServiceName } from '../names.ts'
import { Problem } from '../problem.ts'
import { loadKeyring } from './seal.ts'
import type { SettingTables } from './settings-table.ts'
import { openTestAccess, root } from './testing.ts'
import { isToken, tokenHash } from './token.ts'

const shop = ProjectName.parse('shop')
const blog = ProjectName.parse('blog')
const problem = (kind: string) => (error: unknown) => error instanceof Problem && error.kind === kind

test('the first start makes an administrator whose token is in a closed file, and a second start changes nothing', async () => {
  await using opened = await openTestAccess()
  const { access, home, ledger } = opened
  await access.start()
  const token = readFileSync(home.token, 'utf8').trim()
  assert.equal(isToken(token), true)
  assert.equal(statSync(home.token).mode & 0o777, 0o600)
  assert.equal(statSync(home.masterKey).mode & 0o777, 0o600)
  const identity = await access.identify(token)
  assert.deepEqual(
    [identity?.user, identity?.actor, identity?.roleIn(null), identity?.roleIn(shop)],
    ['admin', 'token:admin/local', 'administrator', 'administrator'],
  )
  const { seq } = await ledger.head()
  await access.start()
  assert.equal((await ledger.head()).seq, seq)
  assert.equal(readFileSync(home.token, 'utf8').trim(), token)
})

test('a token file that a crash left without its fact is given the fact; a lost one is replaced and revoked', async () => {
  await using opened = await openTestAccess()
  const { access, home } = opened
  const written = `hw_${'A'.repeat(43)}`
  const { writeFileSync } = await import('node:fs')
  writeFileSync(home.token, `${written}\n`)
  await access.start()
  assert.equal((await access.identify(written))?.user, 'admin')
  rmSync(home.token)
  await access.start()
  const second = readFileSync(home.token, 'utf8').trim()
  assert.equal(await access.identify(written), null)
  assert.equal((await access.identify(second))?.user, 'admin')
})

test('neither ledger nor database holds a token, only its hash', async () => {
  await using opened = await openTestAccess()
  const { access, ledger, home } = opened
  await access.start()
  const token = readFileSync(home.token, 'utf8').trim()
  const facts = JSON.stringify(await ledger.read({}))
  assert.equal(facts.includes(token), false)
  assert.equal(facts.includes(tokenHash(token)), true)
})

test('a token stops to count when it expires, when it is revoked, and when its user loses the role', async () => {
  await using opened = await openTestAccess()
  const { access, clock } = opened
  await access.start()
  const expiring = await opened.token('developer', shop, clock.now() + 1000)
  assert.equal((await access.identify(expiring))?.roleIn(shop), 'developer')
  await clock.advance(1000)
  assert.equal(await access.identify(expiring), null)

  const revoked = await opened.token('developer', shop)
  assert.equal((await access.identify(revoked))?.roleIn(shop), 'developer')
  const listed = (await access.tokens.list(null)).at(-1)
  await access.tokens.revoke(listed?.token ?? '', root)
  assert.equal(await access.identify(revoked), null)

  const demoted = await opened.token('operator', shop)
  const identity = await access.identify(demoted)
  assert.equal(identity?.roleIn(shop), 'operator')
  await access.users.revoke(identity?.user ?? '', shop, root.actor)
  assert.equal((await access.identify(demoted))?.roleIn(shop), null)
  assert.equal(await access.identify('hw_short'), null)
})

test("a token's scope cuts its user's roles down, and nobody issues one that may do more than he", async () => {
  await using opened = await openTestAccess()
  const { access } = opened
  await access.start()
  const token = await opened.token('operator', shop)
  const operator = await access.identify(token)
  assert.ok(operator)
  const issue = (scope: { role: 'viewer' | 'administrator'; project: ProjectName | null }, user = operator.user) =>
    access.tokens.issue({ user, name: 'ci', scope, expiresAt: null }, operator)
  const { secret } = await issue({ role: 'viewer', project: shop })
  const scoped = await access.identify(secret)
  assert.deepEqual([scoped?.roleIn(shop), scoped?.roleIn(blog), scoped?.roleIn(null)], ['viewer', null, null])
  await assert.rejects(issue({ role: 'administrator', project: shop }), problem('forbidden'))
  await assert.rejects(issue({ role: 'viewer', project: null }), problem('forbidden'))
  await assert.rejects(issue({ role: 'viewer', project: shop }, 'admin'), problem('forbidden'))
  assert.ok(scoped)
  const own = (await access.tokens.list(operator.user))[0]
  await assert.rejects(access.tokens.revoke(own?.token ?? '', scoped), problem('forbidden'))
})

test('the last administrator stays', async () => {
  await using opened = await openTestAccess()
  const { access } = opened
  await access.start()
  await assert.rejects(access.users.revoke('admin', null, root.actor), problem('last-administrator'))
  await assert.rejects(
    access.users.grant('admin', { role: 'viewer', project: null }, root.actor),
    problem('last-administrator'),
  )
  await access.users.create('ada', root.actor)
  await access.users.grant('ada', { role: 'administrator', project: null }, root.actor)
  const both = await Promise.allSettled([
    access.users.revoke('ada', null, root.actor),
    access.users.revoke('admin', null, root.actor),
  ])
  assert.deepEqual(
    both.map(({ status }) => status),
    ['fulfilled', 'rejected'],
  )
  await assert.rejects(access.users.create('ada', root.actor), problem('user-exists'))
})

test('the most specific value wins, and no fact or row shows one', async () => {
  await using opened = await openTestAccess()
  const { access, ledger, store } = opened
  const service = ServiceName.parse('web')
  const production = EnvironmentName.parse('production')
  const set = (value: string, of: ServiceName | null, environment: EnvironmentName | null, name = 'KEY') =>
    access.settings.set({ name, kind: 'secret', value, scope: { project: shop, service: of, environment } }, root.actor)
  const resolve = () => access.settings.resolve({ project: shop, service, environment: production }, ['KEY', 'NONE'])
  const seen: unknown[] = []
  await set('of-the-project', null, null)
  seen.push(await resolve())
  await set('of-the-environment', null, production)
  seen.push(await resolve())
  await set('of-the-service', service, null)
  seen.push(await resolve())
  await set('of-both', service, production)
  seen.push(await resolve())
  await set('elsewhere', ServiceName.parse('other'), production)
  seen.push(await resolve())
  assert.deepEqual(
    seen,
    ['of-the-project', 'of-the-environment', 'of-the-service', 'of-both', 'of-both'].map((KEY) => ({
      values: { KEY },
      missing: ['NONE'],
    })),
  )
  const everything =
    JSON.stringify(await ledger.read({})) +
    JSON.stringify(await access.settings.list(shop)) +
    (await store.tables<SettingTables>().selectFrom('access_settings').selectAll().execute())
      .map((row) => Buffer.from(row.sealed).toString('latin1'))
      .join()
  assert.doesNotMatch(everything, /of-the|of-both|elsewhere/)
  await access.settings.remove('KEY', { project: shop, service, environment: production }, root.actor)
  assert.deepEqual((await resolve()).values, { KEY: 'of-the-service' })
})

test('the preview of a change gets what is meant for previews, and of what holds everywhere no secret', async () => {
  await using opened = await openTestAccess()
  const { access } = opened
  const service = ServiceName.parse('web')
  const set = (name: string, kind: 'secret' | 'variable', environment: string | null, value: string) =>
    access.settings.set(
      {
        ...{ name, kind, value },
        scope: {
          project: shop,
          service,
          environment: environment === null ? null : EnvironmentName.parse(environment),
        },
      },
      root.actor,
    )
  await set('TOKEN', 'secret', null, 'of all')
  await set('PAYMENT', 'secret', 'production', 'of production')
  await set('TEST_KEY', 'secret', 'preview', 'of previews')
  await set('LEVEL', 'variable', null, 'info')
  await set('REGION', 'variable', 'production', 'eu')
  const names = ['TOKEN', 'PAYMENT', 'TEST_KEY', 'LEVEL', 'REGION']
  const environment = EnvironmentName.parse('change-7')
  assert.deepEqual(await access.settings.resolve({ project: shop, service, environment }, names), {
    values: { TEST_KEY: 'of previews', LEVEL: 'info' },
    missing: ['TOKEN', 'PAYMENT', 'REGION'],
  })
})

test('a sealed value that was moved to another name, or changed, cannot be opened', async () => {
  await using opened = await openTestAccess()
  const { access, store } = opened
  const scope = { project: shop, service: null, environment: null }
  await access.settings.set({ name: 'ONE', kind: 'secret', value: '1', scope }, root.actor)
  const db = store.tables<SettingTables>()
  await db.updateTable('access_settings').set({ name: 'TWO' }).execute()
  const resolve = () =>
    access.settings.resolve({ project: shop, service: ServiceName.parse('web'), environment: null }, ['TWO'])
  await assert.rejects(resolve(), problem('sealed-value-unreadable'))
})

test('what a crash left unrecorded is recorded by the next start', async () => {
  await using opened = await openTestAccess()
  const { access, ledger, store } = opened
  const scope = { project: shop, service: null, environment: null }
  const setting = { kind: 'variable' as const, scope, value: '1' }
  await access.settings.set({ ...setting, name: 'SET' }, root.actor)
  await access.settings.set({ ...setting, name: 'GONE' }, root.actor)
  const { seq } = await ledger.head()
  const db = store.tables<SettingTables>()
  const by = { pending_by: 'user:ada' }
  await db
    .updateTable('access_settings')
    .set({ pending: 'set', ...by })
    .where('name', '=', 'SET')
    .execute()
  await db
    .updateTable('access_settings')
    .set({ pending: 'remove', ...by })
    .where('name', '=', 'GONE')
    .execute()
  await access.settings.mend()
  assert.deepEqual(
    (await ledger.read({ after: seq })).map(({ type, actor, payload }) => ({ type, actor, payload })),
    [
      { type: 'secret.removed', actor: 'user:ada', payload: { name: 'GONE', scope, kind: 'variable' } },
      { type: 'secret.set', actor: 'user:ada', payload: { name: 'SET', scope, kind: 'variable' } },
    ],
  )
  assert.deepEqual(
    (await access.settings.list(shop)).map(({ name }) => name),
    ['SET'],
  )
})

test('after the master key was changed, everything opens, settings by the new key alone', async () => {
  await using opened = await openTestAccess()
  const { access, home } = opened
  const scope = { project: shop, service: null, environment: null }
  await access.settings.set({ name: 'KEY', kind: 'secret', value: 'kept', scope }, root.actor)
  const elsewhere = access.seal.seal('credential', Buffer.from('also kept'))
  assert.deepEqual(await access.rotateMasterKey(), { rewrapped: 1 })
  const resolved = await access.settings.resolve(
    { project: shop, service: ServiceName.parse('web'), environment: null },
    ['KEY'],
  )
  assert.deepEqual(resolved, { values: { KEY: 'kept' }, missing: [] })
  assert.equal(Buffer.from(access.seal.open('credential', elsewhere)).toString(), 'also kept')
  assert.equal(Buffer.from(loadKeyring(home.masterKey).open('credential', elsewhere)).toString(), 'also kept')
  assert.equal(existsSync(home.masterKey), true)
})
