import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OpenAPIHono } from '@hono/zod-openapi'
import { Role } from '../access/facts.ts'
import { root } from '../access/testing.ts'
import { createEventDoor } from '../events/door.ts'
import { ProjectName } from '../names.ts'
import { routesOf } from '../routes.ts'
import { isGuarded } from './app.ts'
import { type ApiEnv, guardedRoutes, type Needs } from './route.ts'
import { openTestApi, type TestApi, wordsOf } from './testing.ts'

const shop = ProjectName.parse('shop')
const blog = ProjectName.parse('blog')

/** Stands for a stage of which only the door is tested: whoever gets past it meets this. */
const behindTheDoor = (): never =>
  new Proxy(() => undefined, {
    get: (_target, name) => {
      if (name === 'then') return undefined
      return behindTheDoor()
    },
    apply: () => {
      throw new Error('the door was open')
    },
  }) as never

/** Events of which no source is known: what is not signed gets no further than the door. */
const unsigned = (): never => {
  const nobody = {
    book: { source: async () => null, secretOf: behindTheDoor() },
    receiver: behindTheDoor(),
    clock: behindTheDoor(),
  }
  const { deliver } = createEventDoor(nobody)
  return new Proxy({}, { get: (_target, name) => (name === 'deliver' ? deliver : behindTheDoor()) }) as never
}

/** The stages as the routes see them, none of which is there. */
const noStages = (): never =>
  new Proxy({}, { get: (_target, name) => (name === 'events' ? unsigned() : behindTheDoor()) }) as never

/** Every route that the server has. */
const everyRoute = () => routesOf(noStages(), behindTheDoor(), behindTheDoor())

type Caller = { readonly name: string; readonly token: string | null; readonly may: (needs: Needs) => boolean }

const callersOf = async (opened: TestApi): Promise<Caller[]> => {
  const { access, clock } = opened
  const anyone = (needs: Needs): boolean => needs === 'anyone'
  const somebody = (needs: Needs): boolean => needs === 'somebody' || needs === 'anyone'
  const order = Role.options
  const upTo = (role: Role, place: 'project' | 'instance') => (needs: Needs) =>
    somebody(needs) ||
    (typeof needs !== 'string' &&
      order.indexOf(needs.role) <= order.indexOf(role) &&
      (place === 'instance' || needs.in === 'project'))
  const revoked = await opened.token('administrator', null)
  const issued = (await access.tokens.list(null)).findLast(({ name }) => name === 'test')
  await access.tokens.revoke(issued?.token ?? '', root)
  const expired = await opened.token('administrator', null, clock.now() + 1)
  await clock.advance(2)
  const callers: Caller[] = [
    { name: 'nobody', token: null, may: anyone },
    { name: 'a bad token', token: `hw_${'x'.repeat(43)}`, may: () => false },
    { name: 'an expired token', token: expired, may: () => false },
    { name: 'a revoked token', token: revoked, may: () => false },
    { name: 'a user without a role', token: await opened.token(null, null), may: somebody },
    {
      name: 'administrator of another project',
      token: await opened.token('administrator', blog),
      may: somebody,
    },
  ]
  for (const role of order) {
    callers.push({
      name: `${role} of the project`,
      token: await opened.token(role, shop),
      may: upTo(role, 'project'),
    })
    callers.push({
      name: `${role} of the instance`,
      token: await opened.token(role, null),
      may: upTo(role, 'instance'),
    })
  }
  return callers
}

test('every route refuses everybody whose role does not reach', async () => {
  await using opened = await openTestApi({ routes: everyRoute() })
  await opened.api.whole()
  const callers = await callersOf(opened)
  const wrong: string[] = []
  let tried = 0
  for (const [key, needs] of guardedRoutes()) {
    const [method = '', template = ''] = key.split(' ')
    const path = `/api/v1${template.replace('{project}', shop).replace(/\{[^}]+\}/g, 'x-1')}`
    for (const { name, token, may } of callers) {
      const ending = new AbortController()
      const response = await fetch(`${opened.url}${path}`, {
        method: method.toUpperCase(),
        headers: token === null ? {} : { authorization: `Bearer ${token}` },
        signal: ending.signal,
      })
      tried += 1
      const refused = response.status === 401 || response.status === 403 || response.status === 429
      if (refused === may(needs)) wrong.push(`${key}: ${name} got ${response.status}`)
      if (refused) assert.equal(response.headers.get('content-type'), 'application/problem+json')
      ending.abort()
    }
  }
  assert.deepEqual(wrong, [])
  assert.ok(tried > 14 * 40, `only ${tried} calls were tried`)
})

test('every route below /api/v1 says who may call it', async () => {
  await using opened = await openTestApi({ routes: everyRoute() })
  const { routes } = await opened.api.whole()
  const served = routes.filter(({ method, path }) => method !== 'ALL' && path.startsWith('/api/'))
  assert.deepEqual(
    served.filter(({ method, path }) => !isGuarded(method, path)),
    [],
  )
  assert.deepEqual(
    [...guardedRoutes()]
      .filter(([, needs]) => needs === 'anyone')
      .map(([key]) => key)
      .toSorted(),
    [
      'get /openapi.json',
      'post /sessions',
      'post /sign-in-challenges',
      'post /surveys/answers',
      'post /surveys/questions',
    ],
  )
})

test('routes are loaded by the words of their paths, and by no other', async () => {
  for (const { words, load } of everyRoute()) {
    const paths = wordsOf(await load())
    assert.deepEqual(
      paths.filter((path) => !path.some((word) => words.includes(word))),
      [],
      `routes that ${words.join(', ')} in src/routes.ts does not find`,
    )
    assert.deepEqual(
      words.filter((word) => !paths.flat().includes(word)),
      [],
      'words of no path',
    )
  }
})

test('the description is of the whole API, whatever was asked for before', async () => {
  await using opened = await openTestApi({ routes: everyRoute() })
  const { paths } = await opened.read(null, 'GET', '/api/v1/openapi.json')
  const described = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(Object(methods)).map((method) => `${method} ${path.slice('/api/v1'.length)}`),
  )
  assert.deepEqual(described.sort(), [...guardedRoutes().keys()].sort())
})

test('a route that does not say who may call it is not served', async () => {
  const unguarded = new OpenAPIHono<ApiEnv>()
  unguarded.get('/open-door', (context) => context.text('come in'))
  await using opened = await openTestApi({ routes: [unguarded] })
  const token = await opened.token('administrator', null)
  for (const caller of [null, token]) assert.equal((await opened.call(caller, 'GET', '/api/v1/open-door')).status, 500)
  assert.match(String(opened.reported[0]), /does not say who may call it/)
})

test("Git's way of sending a token, as the password of HTTP Basic, is understood", async () => {
  await using opened = await openTestApi()
  const token = await opened.token('viewer', shop)
  const basic = (password: string) =>
    fetch(`${opened.url}/api/v1/me?project=shop`, {
      headers: { authorization: `Basic ${Buffer.from(`whoever:${password}`).toString('base64')}` },
    })
  const answer = await basic(token)
  assert.equal(answer.status, 200)
  assert.deepEqual(await answer.json(), { user: 'viewer1', actor: 'token:viewer1/test', role: 'viewer' })
  assert.equal((await basic('wrong')).status, 401)
})

test('who guesses tokens is slowed down, who has a good one is not', async () => {
  await using opened = await openTestApi()
  const token = await opened.token('viewer', null)
  const guess = () => opened.call(`hw_${'g'.repeat(43)}`, 'GET', '/api/v1/me')
  const statuses: number[] = []
  for (let round = 0; round < 22; round += 1) statuses.push((await guess()).status)
  assert.deepEqual(statuses, [...Array.from({ length: 20 }, () => 401), 429, 429])
  assert.equal((await guess()).headers.get('retry-after'), '60')
  assert.equal((await opened.call(token, 'GET', '/api/v1/me')).status, 200)
  await opened.clock.advance(60_000)
  assert.equal((await guess()).status, 401)
})
