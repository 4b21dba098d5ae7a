import assert from 'node:assert/strict'
import { createPublicKey, createVerify, randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { ProjectName, RepositoryName } from '../../names.ts'
import { checkRunId, idOf } from '../jobs/contexts.ts'
import { claimsOf } from './oidc.ts'
import { openTestResults, type TestResults, testOrder } from './testing.ts'
import { subjectOfJob } from './token.ts'

const variablesFor = async ({ results }: TestResults, order = testOrder()) => results.variablesFor(order)

/** Calls a method as the toolkit's clients do; resolves to the status and the answer. */
const call = async (
  { url }: Pick<TestResults, 'url'>,
  token: string,
  method: string,
  body: unknown,
): Promise<{ status: number; answer: Record<string, unknown> }> => {
  const response = await fetch(`${url}/twirp/github.actions.results.api.v1.${method}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: response.status, answer: z.record(z.string(), z.unknown()).parse(await response.json()) }
}

const ids = { workflow_run_backend_id: 'run-1', workflow_job_run_backend_id: 'test' }
const put = (url: unknown, body: string | Buffer, query = '') =>
  fetch(`${String(url)}${query}`, { method: 'PUT', body, headers: { 'x-ms-blob-type': 'BlockBlob' } })
const block = (name: string): string => Buffer.from(name).toString('base64')

const upload = async (opened: TestResults, token: string, name: string, content: string, more = {}) => {
  const begun = await call(opened, token, 'ArtifactService/CreateArtifact', { ...ids, name, version: 7, ...more })
  assert.equal(begun.status, 200, JSON.stringify(begun.answer))
  assert.equal((await put(begun.answer.signed_upload_url, content)).status, 201)
  return call(opened, token, 'ArtifactService/FinalizeArtifact', { ...ids, name, size: String(content.length) })
}

test('an artifact in blocks is put together, listed, downloaded whole and in part, and deleted', async () => {
  await using opened = await openTestResults()
  const { ACTIONS_RUNTIME_TOKEN: token = '' } = await variablesFor(opened)
  const begun = await call(opened, token, 'ArtifactService/CreateArtifact', {
    ...ids,
    name: 'dist',
    version: 7,
    mime_type: 'application/zip',
  })
  const url = begun.answer.signed_upload_url
  const parts = [randomBytes(300_000), randomBytes(200_000)]
  for (const [index, part] of parts.entries())
    assert.equal((await put(url, part, `&comp=block&blockid=${encodeURIComponent(block(`b${index}`))}`)).status, 201)
  const list = `<?xml version="1.0"?><BlockList><Latest>${block('b0')}</Latest><Latest>${block('b1')}</Latest></BlockList>`
  assert.equal((await put(url, list, '&comp=blocklist')).status, 201)
  assert.equal((await put(url, list, '&comp=blocklist')).status, 201, 'a client that missed the answer asks again')
  const finished = await call(opened, token, 'ArtifactService/FinalizeArtifact', {
    ...ids,
    name: 'dist',
    size: '500000',
  })
  assert.deepEqual([finished.status, finished.answer.ok], [200, true])
  const listed = await call(opened, token, 'ArtifactService/ListArtifacts', { ...ids, name_filter: 'dist' })
  const [artifact] = z.array(z.record(z.string(), z.string())).parse(listed.answer.artifacts)
  assert.deepEqual(
    { ...artifact, digest: '' },
    {
      ...ids,
      database_id: finished.answer.artifact_id,
      name: 'dist',
      size: '500000',
      created_at: '2026-01-01T00:00:00.000Z',
      digest: '',
    },
  )
  const signed = await call(opened, token, 'ArtifactService/GetSignedArtifactURL', { ...ids, name: 'dist' })
  const address = String(signed.answer.signed_url)
  const whole = await fetch(address)
  assert.equal(whole.headers.get('content-type'), 'application/zip')
  assert.match(whole.headers.get('content-disposition') ?? '', /^attachment; filename="dist.zip"/)
  assert.deepEqual(Buffer.from(await whole.arrayBuffer()), Buffer.concat(parts))
  const part = await fetch(address, { headers: { range: 'bytes=299998-300001' } })
  assert.equal(part.status, 206)
  assert.deepEqual(Buffer.from(await part.arrayBuffer()), Buffer.concat(parts).subarray(299_998, 300_002))
  const deleted = await call(opened, token, 'ArtifactService/DeleteArtifact', { ...ids, name: 'dist' })
  assert.deepEqual(deleted.answer, { ok: true, artifact_id: finished.answer.artifact_id })
  await opened.results.tidy()
  assert.equal((await fetch(address)).status, 404)
  assert.deepEqual(readdirSync(join(opened.parts.directory, 'uploads')), [])
  assert.deepEqual(opened.problems, [])
})

test('a run has one artifact of a name, unless it is deleted first', async () => {
  await using opened = await openTestResults()
  const { ACTIONS_RUNTIME_TOKEN: token = '' } = await variablesFor(opened)
  assert.equal((await upload(opened, token, 'dist', 'one')).status, 200)
  const again = await call(opened, token, 'ArtifactService/CreateArtifact', { ...ids, name: 'dist', version: 7 })
  assert.equal(again.status, 409)
  assert.match(String(again.answer.msg), /an artifact with this name already exists on the workflow run/)
  await call(opened, token, 'ArtifactService/DeleteArtifact', { ...ids, name: 'dist' })
  assert.equal((await upload(opened, token, 'dist', 'two')).status, 200)
})

test('no list of blocks and no number of uploads at once brings more than there is room for', async () => {
  await using opened = await openTestResults({ limits: { artifactBytesPerProject: 10_000 } })
  const { ACTIONS_RUNTIME_TOKEN: token = '' } = await variablesFor(opened)
  const begin = async (name: string) =>
    (await call(opened, token, 'ArtifactService/CreateArtifact', { ...ids, name, version: 7 })).answer.signed_upload_url
  const url = await begin('multiplied')
  assert.equal((await put(url, 'x'.repeat(4000), `&comp=block&blockid=${block('b')}`)).status, 201)
  const list = (times: number) => `<BlockList>${`<Latest>${block('b')}</Latest>`.repeat(times)}</BlockList>`
  assert.equal((await put(url, list(4), '&comp=blocklist')).status, 413)
  assert.equal((await put(url, list(2), '&comp=blocklist')).status, 201)
  const others = await Promise.all(['a', 'b', 'c', 'd'].map(begin))
  const statuses = await Promise.all(others.map(async (one) => (await put(one, 'x'.repeat(1500))).status))
  assert.deepEqual(statuses.toSorted(), [201, 413, 413, 413])
})

test('what arrived damaged is not kept', async () => {
  await using opened = await openTestResults()
  const { ACTIONS_RUNTIME_TOKEN: token = '' } = await variablesFor(opened)
  const begun = await call(opened, token, 'ArtifactService/CreateArtifact', { ...ids, name: 'dist', version: 7 })
  await put(begun.answer.signed_upload_url, 'abc')
  const finish = (more: object) =>
    call(opened, token, 'ArtifactService/FinalizeArtifact', { ...ids, name: 'dist', ...more })
  assert.equal((await finish({ size: '4' })).status, 400)
  assert.equal((await finish({ size: '3', hash: `sha256:${'0'.repeat(64)}` })).status, 400)
  const listed = await call(opened, token, 'ArtifactService/ListArtifacts', ids)
  assert.deepEqual(listed.answer, { artifacts: [] })
})

test('tokens count for their job, their use and their time only', async () => {
  await using opened = await openTestResults()
  const variables = await variablesFor(opened, testOrder({ permissions: { 'id-token': 'write' } }))
  const { ACTIONS_RUNTIME_TOKEN: token = '', ACTIONS_ID_TOKEN_REQUEST_TOKEN: identity = '' } = variables
  const api = await opened.results.tokenFor(testOrder())
  const statusWith = async (one: string) => (await call(opened, one, 'ArtifactService/ListArtifacts', ids)).status
  assert.deepEqual(
    await Promise.all([token, identity, api, `${token}x`, token.replace(/^[^.]*/, 'e30'), ''].map(statusWith)),
    [200, 401, 401, 401, 401, 401],
  )
  const other = await call(opened, token, 'ArtifactService/ListArtifacts', { ...ids, workflow_run_backend_id: 'run-2' })
  assert.equal(other.status, 403)
  opened.running.delete('run-1/test')
  assert.equal(await statusWith(token), 401, 'the job has ended')
  assert.equal(await opened.results.identify(api), null, 'the job has ended')
  const again = await opened.results.tokenFor(testOrder({}, { attempt: 2 }))
  assert.equal(await opened.results.identify(again), null, 'it is another attempt that is under way')
  opened.running.add('run-1/test')
  assert.notEqual(await opened.results.identify(api), null)
  opened.clock.set(opened.clock.now() + 25 * 60 * 60_000)
  assert.equal(await statusWith(token), 401, 'a day has passed')
  assert.equal(await opened.results.identify(api), null, 'a day has passed')
})

test('addresses of bytes count only as they were signed, for some time, and for uploads while the job is under way', async () => {
  await using opened = await openTestResults()
  const { ACTIONS_RUNTIME_TOKEN: token = '' } = await variablesFor(opened)
  const begun = await call(opened, token, 'ArtifactService/CreateArtifact', { ...ids, name: 'a', version: 7 })
  const url = String(begun.answer.signed_upload_url)
  assert.equal((await put(url.replace(/se=\d/, 'se=9'), 'x')).status, 403)
  assert.equal((await put(url.replace(/uploads\/./, 'uploads/0'), 'x')).status, 403)
  assert.equal((await fetch(url)).status, 405)
  opened.running.clear()
  assert.equal((await put(url, 'x')).status, 404)
  opened.running.add('run-1/test')
  opened.clock.set(opened.clock.now() + 7 * 60 * 60_000)
  assert.equal((await put(url, 'x')).status, 403)
})

test('artifacts of a project fit into its quota, and expire', async () => {
  await using opened = await openTestResults({ limits: { artifactBytesPerProject: 1000, artifactDays: 10 } })
  const { ACTIONS_RUNTIME_TOKEN: token = '' } = await variablesFor(opened)
  assert.equal((await upload(opened, token, 'first', 'x'.repeat(700))).status, 200)
  const begun = await call(opened, token, 'ArtifactService/CreateArtifact', { ...ids, name: 'second', version: 7 })
  const refused = await put(begun.answer.signed_upload_url, 'x'.repeat(301))
  assert.equal(refused.status, 413)
  assert.match(await refused.text(), /<Code>artifact-quota<\/Code><Message>the artifact second is larger than/)
  assert.equal((await put(begun.answer.signed_upload_url, 'x'.repeat(200))).status, 201)
  const expires_at = new Date(opened.clock.now() + 24 * 60 * 60_000).toISOString()
  assert.equal((await upload(opened, token, 'third', 'x'.repeat(50), { expires_at })).status, 200)
  const namesLeft = async () => (await opened.results.artifacts.ofRun('run-1')).map(({ name }) => name)
  assert.deepEqual(await namesLeft(), ['first', 'third'])
  opened.clock.set(opened.clock.now() + 25 * 60 * 60_000)
  assert.deepEqual(await namesLeft(), ['first'])
  opened.clock.set(opened.clock.now() + 10 * 24 * 60 * 60_000)
  await opened.results.tidy()
  assert.deepEqual(await opened.results.artifacts.usage('default'), { inProject: 0, inAll: 0 })
  assert.deepEqual(
    readdirSync(join(opened.parts.directory, 'contents')).flatMap((folder) =>
      readdirSync(join(opened.parts.directory, 'contents', folder)),
    ),
    [],
  )
})

test('a cache is found by key and by prefix, on the own ref, the base and the default branch, and never changed', async () => {
  await using opened = await openTestResults()
  const version = 'v'.repeat(64)
  const save = async (key: string, ref = 'refs/heads/main') => {
    const { ACTIONS_RUNTIME_TOKEN: token = '' } = await variablesFor(opened, testOrder({}, { ref }))
    const begun = await call(opened, token, 'CacheService/CreateCacheEntry', { key, version })
    if (begun.status !== 200) return begun
    assert.equal((await put(begun.answer.signed_upload_url, `${key} of ${ref}`)).status, 201)
    const size_bytes = String(`${key} of ${ref}`.length)
    return call(opened, token, 'CacheService/FinalizeCacheEntryUpload', { key, version, size_bytes })
  }
  const find = async (source: Parameters<typeof testOrder>[1], key: string, ...restore_keys: string[]) => {
    const { ACTIONS_RUNTIME_TOKEN: token = '' } = await variablesFor(opened, testOrder({}, source))
    const found = await call(opened, token, 'CacheService/GetCacheEntryDownloadURL', { key, restore_keys, version })
    const { ok, matched_key, signed_download_url } = found.answer
    return ok ? [matched_key, await (await fetch(String(signed_download_url))).text()] : null
  }
  assert.equal((await save('npm-1')).answer.ok, true)
  assert.equal((await save('npm-2')).answer.ok, true)
  assert.equal((await save('npm-1')).status, 409)
  assert.equal((await save('npm-3', 'refs/heads/feature')).answer.ok, true)
  const main = { ref: 'refs/heads/main' }
  const feature = { ref: 'refs/heads/feature' }
  const change = {
    ref: 'refs/pull/7/merge',
    event: { id: 'e', name: 'pull_request', baseRef: 'feature', headRef: 'x', payload: {}, inputs: {} },
  }
  assert.deepEqual(await find(main, 'npm-1'), ['npm-1', 'npm-1 of refs/heads/main'])
  assert.deepEqual(await find(main, 'npm-'), ['npm-2', 'npm-2 of refs/heads/main'])
  assert.deepEqual(await find(main, 'npm-3'), null)
  assert.deepEqual(await find(main, 'npm-9', 'other', 'npm-'), ['npm-2', 'npm-2 of refs/heads/main'])
  assert.deepEqual(await find(feature, 'npm-1'), ['npm-1', 'npm-1 of refs/heads/main'])
  assert.deepEqual(await find(feature, 'npm-'), ['npm-3', 'npm-3 of refs/heads/feature'])
  assert.deepEqual(await find(change, 'npm-3'), ['npm-3', 'npm-3 of refs/heads/feature'])
  assert.deepEqual(await find({ ...main, repository: RepositoryName.parse('other') }, 'npm-1'), null)
})

test('clients before version 4 find what the others have saved, and the others what they have, sent in pieces out of order', async () => {
  await using opened = await openTestResults()
  const { ACTIONS_RUNTIME_TOKEN: token = '', ACTIONS_CACHE_URL: address } = await variablesFor(opened)
  const ask = async (method: string, path: string, body?: string, headers: Record<string, string> = {}) => {
    const url = `${address}_apis/artifactcache/${path}`
    const authorization = `Bearer ${token}`
    const response = await fetch(url, { method, headers: { authorization, ...headers }, body: body ?? null })
    const text = await response.text()
    return { status: response.status, answer: z.record(z.string(), z.unknown()).parse(JSON.parse(text || '{}')) }
  }
  const version = 'v1'
  assert.deepEqual(await ask('GET', `cache?keys=npm-1,npm-&version=${version}`), { status: 204, answer: {} })
  const { status, answer } = await ask('POST', 'caches', JSON.stringify({ key: 'npm-1', version, cacheSize: 11 }))
  const id = Number(answer.cacheId)
  assert.deepEqual([status, Number.isSafeInteger(id)], [201, true])
  const send = (piece: string, start: number) =>
    ask('PATCH', `caches/${id}`, piece, { 'content-range': `bytes ${start}-${start + piece.length - 1}/*` })
  assert.equal((await send('world', 6)).status, 204)
  const early = await ask('POST', `caches/${id}`, JSON.stringify({ size: 11 }))
  assert.deepEqual([early.status, early.answer.message], [400, 'nothing was sent from byte 0 on'])
  assert.equal((await send('hello ', 0)).status, 204)
  assert.equal((await send('world', 6)).status, 204) // again, as a client does that heard no answer
  assert.equal((await ask('POST', `caches/${id}`, JSON.stringify({ size: 11 }))).status, 204)

  const found = await ask('GET', `cache?keys=${encodeURIComponent('npm-2,npm-')}&version=${version}`)
  assert.deepEqual([found.status, found.answer.cacheKey, found.answer.scope], [200, 'npm-1', 'refs/heads/main'])
  assert.equal(await (await fetch(String(found.answer.archiveLocation))).text(), 'hello world')
  const newer = await call(opened, token, 'CacheService/GetCacheEntryDownloadURL', { key: 'npm-1', version })
  assert.equal(newer.answer.matched_key, 'npm-1')
  const taken = await ask('POST', 'caches', JSON.stringify({ key: 'npm-1', version }))
  assert.deepEqual([taken.status, taken.answer.message], [409, 'a cache of this key exists on refs/heads/main'])
  const listed = await ask('GET', 'caches?key=npm')
  assert.equal(listed.answer.totalCount, 1)
  for (const [method, path] of [
    ['PATCH', `caches/${id}`],
    ['GET', 'nowhere'],
    ['POST', 'caches/1/2'],
  ] as const)
    assert.equal((await ask(method, path, method === 'GET' ? undefined : '{}')).status, 404, path)
  opened.running.clear()
  assert.equal((await ask('GET', `cache?keys=npm-1&version=${version}`)).status, 401)
})

test('what is not trusted saves caches for its own change only', async () => {
  await using opened = await openTestResults()
  const reserve = async (source: Parameters<typeof testOrder>[1]) => {
    const { ACTIONS_RUNTIME_TOKEN: token = '' } = await variablesFor(opened, testOrder({}, source))
    return (await call(opened, token, 'CacheService/CreateCacheEntry', { key: 'k', version: 'v' })).answer
  }
  const denied = await reserve({ isTrusted: false })
  assert.equal(denied.ok, false)
  assert.match(String(denied.message), /^cache write denied:/)
  assert.equal((await reserve({ isTrusted: false, ref: 'refs/pull/7/merge' })).ok, true)
})

test('a full quota of caches is made room in, and caches that nobody uses go', async () => {
  await using opened = await openTestResults({ limits: { cacheBytesPerProject: 250 } })
  const { ACTIONS_RUNTIME_TOKEN: token = '' } = await variablesFor(opened)
  const save = async (key: string, sizeBytes: number) => {
    const begun = await call(opened, token, 'CacheService/CreateCacheEntry', { key, version: 'v' })
    const sent = await put(begun.answer.signed_upload_url, key.repeat(sizeBytes))
    if (sent.status !== 201) return sent.status
    opened.clock.set(opened.clock.now() + 1000)
    return (await call(opened, token, 'CacheService/FinalizeCacheEntryUpload', { key, version: 'v' })).status
  }
  const keys = async () => (await opened.results.caches.list('default')).map(({ key }) => key)
  assert.equal(await save('a', 100), 200)
  assert.equal(await save('b', 100), 200)
  opened.clock.set(opened.clock.now() + 1000)
  await call(opened, token, 'CacheService/GetCacheEntryDownloadURL', { key: 'a', version: 'v' })
  assert.equal(await save('c', 100), 200)
  assert.deepEqual(await keys(), ['a', 'c'], 'the one that was used least recently has gone')
  assert.equal(await save('d', 251), 413)
  opened.clock.set(opened.clock.now() + 6.9 * 24 * 60 * 60_000)
  const late = (await variablesFor(opened)).ACTIONS_RUNTIME_TOKEN ?? ''
  await call(opened, late, 'CacheService/GetCacheEntryDownloadURL', { key: 'c', version: 'v' })
  opened.clock.set(opened.clock.now() + 24 * 60 * 60_000)
  await opened.results.tidy()
  assert.deepEqual(await keys(), ['c'])
})

test('an identity says who the job is, and can be verified by what the server publishes', async () => {
  await using opened = await openTestResults()
  const order = testOrder({ permissions: { 'id-token': 'write' }, environment: 'production' })
  const variables = await variablesFor(opened, order)
  const ask = async () => {
    const { ACTIONS_ID_TOKEN_REQUEST_URL: url = '', ACTIONS_ID_TOKEN_REQUEST_TOKEN: token = '' } = variables
    const response = await fetch(`${url}&audience=cloud`, { headers: { authorization: `Bearer ${token}` } })
    return z.object({ value: z.string() }).parse(await response.json()).value
  }
  const [header = '', payload = '', signature = ''] = (await ask()).split('.')
  const decode = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString())
  const discovery = await fetch(`${opened.url}/oidc/.well-known/openid-configuration`)
  const document = z.object({ issuer: z.string(), jwks_uri: z.string() }).parse(await discovery.json())
  const published = z.object({ keys: z.array(z.object({ kid: z.string() }).loose()) })
  const { keys } = published.parse(await (await fetch(document.jwks_uri)).json())
  const key = keys.find(({ kid }) => kid === decode(header).kid) ?? {}
  const verify = createVerify('sha256').update(`${header}.${payload}`)
  assert.ok(verify.verify(createPublicKey({ key, format: 'jwk' }), Buffer.from(signature, 'base64url')))
  const now = opened.clock.now() / 1000
  const workflow = 'default/shop/.github/workflows/ci.yml@refs/heads/main'
  assert.deepEqual(decode(payload), {
    jti: 'identity-1',
    sub: 'repo:default/shop:environment:production',
    aud: 'cloud',
    ref: 'refs/heads/main',
    sha: '1'.repeat(40),
    repository: 'default/shop',
    repository_id: String(idOf('repository', 'default/shop')),
    repository_owner: 'default',
    repository_owner_id: String(idOf('project', 'default')),
    repository_visibility: 'private',
    run_id: 'run-1',
    run_number: '7',
    run_attempt: '1',
    actor: 'alice',
    actor_id: String(idOf('user', 'alice')),
    workflow: 'CI',
    workflow_ref: workflow,
    workflow_sha: '1'.repeat(40),
    head_ref: '',
    base_ref: '',
    event_name: 'push',
    ref_type: 'branch',
    ref_protected: 'true',
    check_run_id: String(checkRunId('run-1', 1, 'test')),
    environment: 'production',
    job_workflow_ref: workflow,
    job_workflow_sha: '1'.repeat(40),
    runner_environment: 'self-hosted',
    iss: `${opened.url}/oidc`,
    nbf: now - 60,
    exp: now + 300,
    iat: now,
  })
  assert.equal(document.issuer, `${opened.url}/oidc`)
})

test('the identity of a job of a called workflow of another repository names that, by its ref and its commit', () => {
  const origin = { repository: 'team/shared', ref: 'refs/tags/v1', commit: '2'.repeat(40) }
  const order = testOrder()
  const subject = subjectOfJob({ ...order, workflow: { ...order.workflow, origin } })
  const claims = claimsOf(subject, { issuer: 'i', serverUrl: 's', audience: null }, { id: '1', now: 0 })
  const { workflow_ref, workflow_sha, job_workflow_ref, job_workflow_sha } = claims
  assert.deepEqual(
    { workflow_ref, workflow_sha, job_workflow_ref, job_workflow_sha },
    {
      workflow_ref: 'default/shop/.github/workflows/ci.yml@refs/heads/main',
      workflow_sha: '1'.repeat(40),
      job_workflow_ref: 'team/shared/.github/workflows/ci.yml@refs/tags/v1',
      job_workflow_sha: '2'.repeat(40),
    },
  )
})

test('nobody gets an identity without the permission, or in a run that is not trusted', async () => {
  await using opened = await openTestResults()
  const names = async (order: ReturnType<typeof testOrder>) => Object.keys(await variablesFor(opened, order))
  assert.equal((await names(testOrder())).includes('ACTIONS_ID_TOKEN_REQUEST_URL'), false)
  const untrusted = testOrder({ permissions: { 'id-token': 'write' } }, { isTrusted: false })
  assert.equal((await names(untrusted)).includes('ACTIONS_ID_TOKEN_REQUEST_URL'), false)
})

test("a job's token reaches as far as its permissions, in its own repository", async () => {
  await using opened = await openTestResults()
  const identityOf = async (...order: Parameters<typeof testOrder>) => {
    const identity = await opened.results.identify(await opened.results.tokenFor(testOrder(...order)))
    assert.ok(identity?.limits)
    return { ...identity, limits: identity.limits }
  }
  const project = ProjectName.parse('default')
  const own = { project, repository: RepositoryName.parse('shop') }
  const other = { project, repository: RepositoryName.parse('other') }
  const reader = await identityOf()
  assert.equal(reader.actor, 'job:run-1/test')
  assert.equal(reader.roleIn(project), 'viewer')
  assert.equal(reader.roleIn(ProjectName.parse('blog')), null)
  assert.equal(reader.roleIn(null), null)
  const git = ({ limits }: typeof reader) => [
    limits.mayUseRepository(own, false),
    limits.mayUseRepository(own, true),
    limits.mayUseRepository(other, false),
  ]
  assert.deepEqual(git(reader), [true, false, false])
  const writer = await identityOf({ permissions: { contents: 'write', actions: 'write' } })
  assert.equal(writer.roleIn(project), 'developer')
  assert.deepEqual(git(writer), [true, true, false])
  assert.deepEqual(git(await identityOf({ permissions: { contents: 'write' } }, { isTrusted: false })), [
    true,
    false,
    false,
  ])
  assert.deepEqual(git(await identityOf({ permissions: {} })), [false, false, false])
  const calls = ({ limits }: typeof reader) => {
    const answers = [
      ['GET', '/api/v1/projects/default/runs/run-1'],
      ['GET', '/api/v1/projects/default/runs/run-2'],
      ['POST', '/api/v1/projects/default/runs/run-2/cancel'],
      ['POST', '/api/v1/projects/default/runs/other-1/cancel'],
      ['POST', '/api/v1/projects/default/runs/run-1/approvals'],
      ['GET', '/api/v1/projects/default/repositories/shop/refs'],
      ['GET', '/api/v1/projects/default/repositories/other/refs'],
      ['PUT', '/api/v1/projects/default/repositories/shop/protection'],
      ['GET', '/api/v1/projects/default/settings'],
      ['GET', '/api/v1/projects/blog/runs/run-1'],
      ['GET', '/api/v1/me'],
      ['GET', '/api/v1/events'],
    ].map(([method = '', path = '']) => limits.mayCall(method, path))
    return Promise.all(answers)
  }
  assert.deepEqual(await calls(reader), [
    false,
    false,
    false,
    false,
    false,
    true,
    false,
    false,
    false,
    false,
    false,
    false,
  ])
  assert.deepEqual(await calls(writer), [
    true,
    true,
    true,
    false,
    false,
    true,
    false,
    false,
    false,
    false,
    false,
    false,
  ])
  const stranger = await identityOf({ permissions: { actions: 'write' } }, { isTrusted: false })
  assert.deepEqual((await calls(stranger)).slice(0, 3), [true, false, false])
})
