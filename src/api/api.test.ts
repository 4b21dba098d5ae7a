import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { OpenAPIHono, z } from '@hono/zod-openapi'
import { ProjectName } from '../names.ts'
import { Problem } from '../problem.ts'
import { type ApiEnv, json, route } from './route.ts'
import { openTestApi } from './testing.ts'

const shop = ProjectName.parse('shop')

const failing = () =>
  new OpenAPIHono<ApiEnv>().openapi(
    route('somebody', {
      method: 'get',
      path: '/failing',
      request: { query: z.object({ how: z.enum(['problem', 'bug']) }) },
      responses: { 200: json(z.object({}), 'Never.') },
    }),
    (context) => {
      if (context.req.valid('query').how === 'bug') throw new Error('the password is hunter2')
      throw new Problem({
        kind: 'told',
        status: 409,
        detail: 'told so',
        where: { file: 'f', line: 2 },
        next: 'do that',
      })
    },
  )

test('a part of the API that could not be loaded is a 500 with its reason in the log, and there with the next request', async () => {
  let loads = 0
  const load = async () => {
    loads += 1
    if (loads === 1) throw new Error('EMFILE: too many open files')
    return failing()
  }
  await using opened = await openTestApi({ routes: [{ words: ['failing'], load }] })
  const token = await opened.token('administrator', null)
  const ask = () => opened.read(token, 'GET', '/api/v1/failing?how=problem')
  const [first, second, third] = [await ask(), await ask(), await ask()]
  assert.deepEqual([first.status, second.detail, third.detail, loads], [500, 'told so', 'told so', 2])
  assert.match(String(opened.reported), /EMFILE/)
})

test('an error is a problem that says what, where and what next, and never what is inside', async () => {
  await using opened = await openTestApi({ routes: [failing()] })
  const token = await opened.token('administrator', null)
  const problem = async (method: string, path: string, body?: unknown) => {
    const response = await opened.call(token, method, path, body)
    assert.equal(response.headers.get('content-type'), 'application/problem+json')
    return JSON.parse(await response.text())
  }
  assert.deepEqual(await problem('GET', '/api/v1/failing?how=problem'), {
    type: 'urn:headway:problem:told',
    title: 'Told',
    status: 409,
    detail: 'told so',
    where: { file: 'f', line: 2 },
    next: 'do that',
  })
  const bug = await problem('GET', '/api/v1/failing?how=bug')
  assert.deepEqual([bug.status, bug.type], [500, 'urn:headway:problem:internal'])
  assert.doesNotMatch(JSON.stringify(bug), /hunter2/)
  assert.match(String(opened.reported[0]), /hunter2/)
  const invalid = await problem('PUT', '/api/v1/projects/shop/settings/PORT', { value: 'x' })
  assert.deepEqual(invalid, {
    type: 'urn:headway:problem:invalid-request',
    title: 'Invalid request',
    status: 400,
    detail: 'name: PORT is reserved: Headway allots the port',
    where: { path: 'name' },
    next: 'see /api for what this call takes',
  })
  assert.deepEqual((await problem('PUT', '/api/v1/projects/shop/settings/KEY', { value: 1 })).where, { path: 'value' })
  assert.equal((await problem('GET', '/api/v1/nothing')).status, 404)
  assert.equal((await problem('GET', '/elsewhere')).status, 404)
  const large = await problem('PUT', '/api/v1/projects/shop/settings/KEY', { value: 'x'.repeat(1_100_000) })
  assert.deepEqual([large.status, large.type], [413, 'urn:headway:problem:too-large'])
})

test('a body without a content type, or with broken JSON, does not reach a handler', async () => {
  await using opened = await openTestApi()
  const token = await opened.token('administrator', null)
  const put = (body: string, type?: string) =>
    fetch(`${opened.url}/api/v1/projects/shop/settings/KEY`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${token}`, ...(type ? { 'content-type': type } : {}) },
      body: new Blob([body]),
    })
  assert.deepEqual(
    [
      (await put('{"value":', 'application/json')).status,
      (await put('{}')).status,
      (await put('x', 'text/xml')).status,
    ],
    [400, 415, 415],
  )
  assert.deepEqual(await opened.access.settings.list(shop), [])
})

test('a body that does not come in time is refused, a long one later than a short one, and nothing was done', async () => {
  await using opened = await openTestApi()
  const token = await opened.token('administrator', null)
  const announce = (length: number): Promise<number> =>
    new Promise((answered, failed) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'content-length': length }
      const asking = request(`${opened.url}/api/v1/projects/shop/settings/KEY`, { method: 'PUT', headers })
      asking.on('response', ({ statusCode = 0 }) => {
        answered(statusCode)
        asking.destroy()
      })
      asking.on('error', failed)
      asking.write('{')
    })
  const waiting = opened.clock.sleeping
  const [short, long] = [announce(20), announce(640_000)]
  while (opened.clock.sleeping < waiting + 2) await new Promise((done) => setImmediate(done))
  await opened.clock.advance(31_000)
  assert.equal(await short, 408)
  assert.equal(opened.clock.sleeping, waiting + 1)
  await opened.clock.advance(9_000)
  assert.equal(await long, 408)
  assert.deepEqual([await opened.access.settings.list(shop), opened.reported], [[], []])
})

test('a secret is set by its value and shown by its name only', async () => {
  await using opened = await openTestApi()
  const token = await opened.token('developer', shop)
  const set = await opened.call(token, 'PUT', '/api/v1/projects/shop/settings/KEY', { value: 'hush', service: 'web' })
  const said = await set.text()
  const listed = await (await opened.call(token, 'GET', '/api/v1/projects/shop/settings')).text()
  assert.equal(said, '{"done":true}')
  assert.doesNotMatch(said + listed, /hush/)
  assert.deepEqual(
    JSON.parse(listed).map(({ name, kind, service, environment }: Record<string, unknown>) => ({
      name,
      kind,
      service,
      environment,
    })),
    [{ name: 'KEY', kind: 'secret', service: 'web', environment: null }],
  )
  const removed = await opened.call(token, 'DELETE', '/api/v1/projects/shop/settings/KEY?service=web')
  assert.equal(removed.status, 200)
  assert.equal((await opened.call(token, 'DELETE', '/api/v1/projects/shop/settings/KEY?service=web')).status, 404)
})

test('a token is shown once, by the answer that issued it', async () => {
  await using opened = await openTestApi()
  const token = await opened.token('developer', shop)
  const answer = await opened.call(token, 'POST', '/api/v1/tokens', { name: 'ci', role: 'viewer', project: 'shop' })
  assert.equal(answer.status, 201)
  const { secret, token: id } = JSON.parse(await answer.text())
  const me = await opened.read(secret, 'GET', '/api/v1/me?project=shop')
  assert.equal(me.role, 'viewer')
  assert.equal((await (await opened.call(token, 'GET', '/api/v1/tokens')).text()).includes(secret), false)
  assert.equal((await opened.call(token, 'DELETE', `/api/v1/tokens/${id}`)).status, 200)
  assert.equal((await opened.call(secret, 'GET', '/api/v1/me')).status, 401)
})

test('pages need no script and nothing from elsewhere, and the description covers every route', async () => {
  await using opened = await openTestApi()
  for (const path of ['/', '/api']) {
    const response = await opened.call(null, 'GET', path)
    const html = await response.text()
    assert.equal(response.status, 200)
    assert.doesNotMatch(html, /<script|src=|href="https?:|@import|url\(/)
    assert.match(response.headers.get('content-security-policy') ?? '', /default-src 'none'/)
    assert.equal(response.headers.get('x-content-type-options'), 'nosniff')
  }
  const document = await opened.read(null, 'GET', '/api/v1/openapi.json')
  const reference = await (await opened.call(null, 'GET', '/api')).text()
  for (const path of Object.keys(document.paths)) assert.ok(reference.includes(`<code>${path}</code>`), path)
  assert.ok(document.paths['/api/v1/projects/{project}/settings/{name}'].put.security.length > 0)
  assert.deepEqual(await opened.read(null, 'GET', '/health'), { ready: true, version: '1.2.3' })
})

test('what listens on loopback answers to the names of loopback only', async () => {
  await using opened = await openTestApi({ api: { hostNames: ['headway.example'] } })
  const { port } = new URL(opened.url)
  const statusFor = (host: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      request({ host: '127.0.0.1', port, path: '/health', headers: { host } }, (response) => {
        response.resume()
        resolve(response.statusCode)
      })
        .on('error', reject)
        .end()
    })
  assert.deepEqual(
    await Promise.all(
      [
        'localhost',
        `127.0.0.1:${port}`,
        '[::1]:80',
        'a.localhost',
        'headway.example:1',
        'evil.example',
        'localhost.evil.example',
      ].map(statusFor),
    ),
    [200, 200, 200, 200, 200, 421, 421],
  )
})

test('the ledger over the API: facts, the chain verified, a checkpoint, an export', async () => {
  await using opened = await openTestApi()
  const token = await opened.token('administrator', null)
  const facts = await opened.read(token, 'GET', '/api/v1/ledger?limit=2&types=user.created')
  assert.deepEqual(
    facts.map(({ subject }: { subject: string }) => subject),
    ['user:admin', 'user:administrator1'],
  )
  const checkpoint = await opened.read(token, 'POST', '/api/v1/ledger/checkpoint')
  const verdict = await opened.read(token, 'POST', '/api/v1/ledger/verify', { checkpoints: [checkpoint] })
  assert.equal(verdict.kind, 'whole')
  const lines = (await (await opened.call(token, 'GET', '/api/v1/ledger/export')).text()).trim().split('\n')
  assert.equal(lines.length, verdict.facts)
})

test('a rebuild of the views answers at once, tells how far it is while it goes on, and last how it came out', async () => {
  const isRead = Promise.withResolvers<void>()
  await using opened = await openTestApi({
    views: {
      rebuild: async (progress) => {
        progress?.(1, 3)
        await isRead.promise
        progress?.(3, 3)
      },
    },
  })
  const token = await opened.token('administrator', null)
  const { body, headers } = await opened.call(token, 'POST', '/api/v1/ledger/views/rebuild')
  assert.ok(body)
  let text = ''
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    text += chunk
    isRead.resolve()
  }
  assert.equal(headers.get('content-type'), 'application/x-ndjson')
  assert.deepEqual(text.trim().split('\n'), ['{"applied":1,"total":3}', '{"applied":3,"total":3}', '{"equal":true}'])
})

test('a rebuild of the views that fails ends with the problem: what is for others to know, and the rest in the log', async () => {
  for (const [error, kind] of [
    [new Problem({ kind: 'disk-full', status: 507, detail: 'the disk is full' }), 'disk-full'],
    [new Error('what is inside'), 'internal'],
  ] as const) {
    const fail = async (): Promise<never> => {
      throw error
    }
    await using opened = await openTestApi({ views: { rebuild: fail } })
    const token = await opened.token('administrator', null)
    const text = await (await opened.call(token, 'POST', '/api/v1/ledger/views/rebuild')).text()
    const { problem } = JSON.parse(text)
    assert.deepEqual([problem.type, opened.reported], [`urn:headway:problem:${kind}`, [error]])
    assert.doesNotMatch(text, /what is inside/)
  }
})

test('an answer in JSON is compressed for whom takes it so, and the same', async () => {
  await using opened = await openTestApi()
  const token = await opened.token('administrator', null)
  const raw = (accepted: string) =>
    new Promise<{ coding: string | undefined; body: Buffer }>((resolve, reject) => {
      const headers = { authorization: `Bearer ${token}`, 'accept-encoding': accepted }
      request(`${opened.url}/api/v1/openapi.json`, { headers }, async (response) => {
        const chunks: Buffer[] = []
        for await (const chunk of response) chunks.push(chunk)
        resolve({ coding: response.headers['content-encoding'], body: Buffer.concat(chunks) })
      })
        .once('error', reject)
        .end()
    })
  const plain = await raw('identity')
  const small = await raw('br, gzip')
  assert.deepEqual([plain.coding, small.coding], [undefined, 'br'])
  assert.ok(small.body.length * 2 < plain.body.length)
  assert.deepEqual(brotliDecompressSync(small.body), plain.body)
  assert.deepEqual(gunzipSync((await raw('gzip')).body), plain.body)
  assert.equal((await raw('gzip;q=0')).coding, undefined)
  assert.equal((await raw('br;q=0, gzip')).coding, 'gzip')
})
