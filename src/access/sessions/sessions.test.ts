import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTestApi, type TestApi } from '../../api/testing.ts'
import { ProjectName } from '../../names.ts'
import { root } from '../testing.ts'
import { newSession, tokenHash } from '../token.ts'
import { createAttempts } from './attempts.ts'
import { isOwnPage, sessionCookie } from './cookie.ts'

const shop = ProjectName.parse('shop')
const password = 'correct horse battery'

/** What a browser does: sends its cookie and says where a request comes from. */
const browser = (opened: TestApi, options: { origin?: string | null } = {}) => {
  let cookie = ''
  const origin = options.origin === undefined ? opened.url : options.origin
  return {
    cookie: () => cookie,
    take: (text: string) => {
      cookie = text
    },
    ask: async (method: string, path: string, body?: unknown) => {
      const response = await fetch(`${opened.url}/api/v1${path}`, {
        method,
        headers: {
          ...(cookie === '' ? {} : { cookie }),
          ...(origin === null || method === 'GET' ? {} : { origin }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const [set] = response.headers.getSetCookie()
      if (set !== undefined) cookie = set.split(';')[0] ?? ''
      return { status: response.status, set, body: JSON.parse(await response.text()) }
    },
  }
}

const linkFor = async (opened: TestApi, token: string): Promise<string> =>
  (await opened.read(token, 'POST', '/api/v1/sign-in-links')).code

test('a link from the command line signs one browser in, once, with what the token may', async () => {
  await using opened = await openTestApi()
  const token = await opened.token('developer', shop)
  const code = await linkFor(opened, token)
  const first = browser(opened)
  const signedIn = await first.ask('POST', '/sessions', { kind: 'link', code })
  assert.deepEqual([signedIn.status, signedIn.body], [201, { user: 'developer1' }])
  assert.match(
    signedIn.set ?? '',
    /^headway-session-\d+=hws_[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=604800$/,
  )
  assert.deepEqual((await first.ask('GET', '/me?project=shop')).body, {
    user: 'developer1',
    actor: 'user:developer1',
    role: 'developer',
  })
  assert.equal((await browser(opened).ask('POST', '/sessions', { kind: 'link', code })).status, 403)
  const late = await linkFor(opened, token)
  await opened.clock.advance(5 * 60_000)
  assert.equal((await browser(opened).ask('POST', '/sessions', { kind: 'link', code: late })).status, 403)
})

test('a session ends when it is signed out, revoked, expires, or the token that vouched for it is revoked', async () => {
  await using opened = await openTestApi()
  const { access, clock } = opened
  const token = await opened.token('viewer', null)
  const signIn = async () => {
    const one = browser(opened)
    await one.ask('POST', '/sessions', { kind: 'token', token })
    assert.equal((await one.ask('GET', '/me')).status, 200)
    return one
  }
  const [out, revoked, vouched, lasting] = [await signIn(), await signIn(), await signIn(), await signIn()]
  const kept = out.cookie()
  assert.equal((await out.ask('DELETE', '/session')).status, 200)
  out.take(kept)
  assert.equal((await out.ask('GET', '/me')).status, 401)

  const listed = (await revoked.ask('GET', '/sessions')).body
  assert.deepEqual(listed.map((one: Record<string, unknown>) => [one.user, one.way, one.isThis]).sort(), [
    ['viewer1', 'token', false],
    ['viewer1', 'token', false],
    ['viewer1', 'token', true],
  ])
  const own = listed.find((one: { isThis: boolean }) => one.isThis)
  const stranger = await opened.token('developer', null)
  assert.equal((await opened.call(stranger, 'DELETE', `/api/v1/sessions/${own.session}`)).status, 404)
  assert.equal((await lasting.ask('DELETE', `/sessions/${own.session}`)).status, 200)
  assert.equal((await revoked.ask('GET', '/me')).status, 401)

  await clock.advance(7 * 86_400_000 - 1)
  assert.equal((await lasting.ask('GET', '/me')).status, 200)
  await clock.advance(1)
  assert.equal((await lasting.ask('GET', '/me')).status, 401)

  const another = await signIn()
  const [issued] = await access.tokens.list('viewer1')
  await access.tokens.revoke(issued?.token ?? '', root)
  assert.equal((await another.ask('GET', '/me')).status, 401)
  assert.equal((await vouched.ask('GET', '/me')).status, 401)
})

test('an invitation makes one password, which signs in until there is another', async () => {
  await using opened = await openTestApi()
  const administrator = await opened.token('administrator', null)
  await opened.access.users.create('ada', root.actor)
  await opened.access.users.grant('ada', { role: 'developer', project: shop }, root.actor)
  const { code } = await opened.read(administrator, 'POST', '/api/v1/users/ada/invitation')
  const ada = browser(opened)
  assert.equal((await ada.ask('POST', '/sessions', { kind: 'invitation', code, password: 'short' })).status, 400)
  assert.equal((await ada.ask('POST', '/sessions', { kind: 'invitation', code, password })).status, 201)
  assert.equal((await browser(opened).ask('POST', '/sessions', { kind: 'invitation', code, password })).status, 403)

  const at = async (user: string, given: string) =>
    (await browser(opened).ask('POST', '/sessions', { kind: 'password', user, password: given })).status
  assert.deepEqual(
    [await at('ada', password), await at('ada', 'wrong horse battery'), await at('eve', password)],
    [201, 403, 403],
  )

  const change = (current: string | null) =>
    ada.ask('PUT', '/me/password', { current, password: 'another horse battery' })
  assert.deepEqual(
    [(await change(null)).status, (await change('no')).status, (await change(password)).status],
    [403, 403, 200],
  )
  assert.deepEqual([await at('ada', password), await at('ada', 'another horse battery')], [403, 201])

  const facts = JSON.stringify(await opened.ledger.read({}))
  assert.equal(/horse|scrypt/.test(facts), false)
  assert.equal(facts.includes(code), false)
  assert.equal(facts.includes(tokenHash(code)), true)
})

test('a session that a narrow token opened cannot make itself a password that may more', async () => {
  await using opened = await openTestApi()
  const wide = await opened.token('administrator', null)
  const { secret } = await opened.read(wide, 'POST', '/api/v1/tokens', { name: 'narrow', role: 'viewer' })
  const one = browser(opened)
  await one.ask('POST', '/sessions', { kind: 'token', token: secret })
  assert.equal((await one.ask('GET', '/me')).body.role, 'viewer')
  assert.equal((await one.ask('PUT', '/me/password', { password })).status, 403)
})

test("what another page sends with a visitor's cookie is refused, and so is what says not where it comes from", async () => {
  await using opened = await openTestApi()
  const token = await opened.token('administrator', null)
  const own = browser(opened)
  await own.ask('POST', '/sessions', { kind: 'token', token })
  for (const origin of ['http://evil.example', 'http://shop.localhost:4680', 'null', null]) {
    const foreign = browser(opened, { origin })
    foreign.take(own.cookie())
    const refused = await foreign.ask('POST', '/users', { user: 'mallory', role: 'administrator' })
    assert.deepEqual([refused.status, refused.body.type], [403, 'urn:headway:problem:foreign-page'], String(origin))
    const signIn = await browser(opened, { origin }).ask('POST', '/sessions', { kind: 'token', token })
    assert.equal(signIn.status, 403, String(origin))
  }
  assert.equal((await own.ask('POST', '/users', { user: 'bob' })).status, 201)
})

test("a session's secret is no token, and a token is no session", async () => {
  await using opened = await openTestApi()
  const token = await opened.token('administrator', null)
  const one = browser(opened)
  await one.ask('POST', '/sessions', { kind: 'token', token })
  const secret = one.cookie().split('=')[1] ?? ''
  assert.equal((await opened.call(secret, 'GET', '/api/v1/me')).status, 401)
  one.take(`${one.cookie().split('=')[0]}=${token}`)
  assert.equal((await one.ask('GET', '/me')).status, 401)
  one.take(`${one.cookie().split('=')[0]}=${newSession()}`)
  assert.equal((await one.ask('GET', '/me')).status, 401)
})

test('after twenty failures nobody signs in from there for a while, not even with what is right', async () => {
  await using opened = await openTestApi()
  const token = await opened.token('viewer', null)
  const ask = async (given: string) => {
    const { status, body } = await browser(opened).ask('POST', '/sessions', { kind: 'token', token: given })
    return [status, body.next]
  }
  for (let at = 0; at < 20; at += 1) assert.equal((await ask(`hw_${'x'.repeat(43)}`))[0], 403)
  assert.deepEqual(await ask(token), [429, 'wait 15 min, or ask for a link: headway web'])
  await opened.clock.advance(15 * 60_000)
  assert.equal((await ask(token))[0], 201)
})

test('a user who is guessed at from many places is closed to passwords after thirty failures, others are not', async () => {
  await using opened = await openTestApi()
  const attempts = createAttempts(opened.clock)
  for (let at = 0; at < 30; at += 1) attempts.failed(`10.0.0.${at}`, 'ada')
  assert.deepEqual(
    [attempts.waitMs('10.9.9.9', 'ada'), attempts.waitMs('10.9.9.9', 'bob'), attempts.waitMs('10.9.9.9', null)],
    [15 * 60_000, null, null],
  )
})

test('the cookie is for https alone where the page is, and an origin must be the very host', () => {
  const asking = { method: 'POST', host: 'headway.example', fetchSite: undefined, cookie: undefined }
  const secure = { ...asking, origin: 'https://headway.example' }
  assert.equal(
    sessionCookie(secure, 'hws_x', 60),
    'headway-session-web=hws_x; Path=/; HttpOnly; SameSite=Strict; Max-Age=60; Secure',
  )
  const cases = ['https://headway.example', 'https://headway.example:444', 'https://a.headway.example', 'nonsense']
  assert.deepEqual(
    cases.map((origin) => isOwnPage({ ...asking, origin })),
    [true, false, false, false],
  )
})
