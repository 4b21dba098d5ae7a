import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openTestApi } from './testing.ts'
import { createWeb } from './web.ts'

/** A built web of three files beside a secret, served by the API. */
const openWeb = async () => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-web-'))
  const dist = join(directory, 'dist')
  mkdirSync(join(dist, 'assets'), { recursive: true })
  writeFileSync(join(directory, 'secret.js'), 'not for you')
  writeFileSync(join(dist, 'index.html'), '<title>Headway</title>')
  writeFileSync(join(dist, 'assets/app-1.js'), 'plain')
  writeFileSync(join(dist, 'assets/app-1.js.br'), 'brotli')
  writeFileSync(join(dist, 'assets/app-1.js.map'), 'sources')
  const opened = await openTestApi({ api: { web: createWeb(dist) } })
  /** As it is sent: fetch would tidy up the path before. */
  const get = (path: string, headers: Record<string, string> = {}) =>
    new Promise<{ status: number | undefined; headers: Record<string, unknown>; body: string }>((resolve, reject) => {
      const { port } = new URL(opened.url)
      request({ host: '127.0.0.1', port, path, headers: { accept: 'text/html,*/*', ...headers } }, (response) => {
        let body = ''
        response.setEncoding('utf8').on('data', (text: string) => {
          body += text
        })
        response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }))
      })
        .on('error', reject)
        .end()
    })
  return {
    get,
    [Symbol.asyncDispose]: async () => {
      await opened[Symbol.asyncDispose]()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

test('every address of a page opens the web, which runs only scripts of its own', async () => {
  await using web = await openWeb()
  for (const path of ['/', '/projects/shop/services/web?tab=logs', '/sign-in']) {
    const page = await web.get(path)
    assert.deepEqual([page.status, page.body], [200, '<title>Headway</title>'], path)
    assert.equal(page.headers['cache-control'], 'no-cache')
    const policy = String(page.headers['content-security-policy'])
    assert.match(policy, /default-src 'none'; script-src 'self'; style-src 'self'/)
    assert.doesNotMatch(policy, /unsafe|https?:|\*/)
    const again = await web.get(path, { 'if-none-match': String(page.headers.etag) })
    assert.deepEqual([again.status, again.body], [304, ''])
  }
})

test('whoever asks for no kind of answer gets the web at its root', async () => {
  await using web = await openWeb()
  const { status, body } = await web.get('/', { accept: '*/*' })
  assert.deepEqual([status, body], [200, '<title>Headway</title>'])
})

test('links that a workflow puts together as GitHub has them lead to the page of the run, or of the change', async () => {
  await using web = await openWeb()
  const led = async (path: string) => {
    const { status, headers } = await web.get(path)
    return [status, headers.location]
  }
  assert.deepEqual(await led('/default/shop/actions/runs/run-1k2'), [302, '/projects/default/runs/run-1k2'])
  assert.deepEqual(await led('/default/shop/actions/runs/run-1k2/job/3?pr=1'), [302, '/projects/default/runs/run-1k2'])
  assert.deepEqual(await led('/default/shop/pull/7/files'), [302, '/projects/default/changes/shop/7'])
  for (const path of ['//evil.example/actions/runs/1', '/a/b%0d%0ax/actions/runs/1', '/projects/default/runs/run-1k2'])
    assert.equal((await led(path))[1], undefined, path)
})

test('a file is sent compressed to whom takes it so, and kept for good', async () => {
  await using web = await openWeb()
  const plain = await web.get('/assets/app-1.js')
  const small = await web.get('/assets/app-1.js', { 'accept-encoding': 'gzip, br' })
  assert.deepEqual([plain.body, small.body, small.headers['content-encoding']], ['plain', 'brotli', 'br'])
  assert.equal(small.headers['cache-control'], 'public, max-age=31536000, immutable')
  const refused = await web.get('/assets/app-1.js', { 'accept-encoding': 'br;q=0' })
  assert.equal(refused.body, 'plain')
})

test('nothing but the built files is sent, whatever the path says, and errors of the API stay its own', async () => {
  await using web = await openWeb()
  const paths = [
    '/../secret.js',
    '/%2e%2e/secret.js',
    '/assets/..%2f..%2fsecret.js',
    '/assets/app-1.js.map',
    '/assets/no.js',
  ]
  for (const path of [...paths, '/assets', '//secret.js', '/%00', '/%zz'])
    assert.doesNotMatch((await web.get(path)).body, /not for you|sources/, path)
  assert.equal((await web.get('/assets/no.js')).status, 404)
  assert.equal((await web.get('/api/v1/nothing')).status, 404)
  assert.equal((await web.get('/nothing', { accept: 'application/json' })).status, 404)
})

test('a web that is older than its sources is known as such; an installed one has no sources', () => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-web-'))
  try {
    mkdirSync(join(directory, 'dist'))
    mkdirSync(join(directory, 'pages'))
    const at = (file: string, seconds: number): void => {
      writeFileSync(join(directory, file), '')
      utimesSync(join(directory, file), seconds, seconds)
    }
    at('dist/index.html', 1_000)
    at('dist/other.js', 2_000)
    at('pages/page.tsx', 3_000)
    const web = createWeb(join(directory, 'dist'))
    assert.equal(web.isOutdated(), false, 'installed')
    at('vite.config.ts', 900)
    assert.equal(web.isOutdated(), true)
    at('pages/page.tsx', 900)
    at('pages/page.test.ts', 4_000)
    assert.equal(web.isOutdated(), false)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

test('without a built web the first page says how to build it', async () => {
  await using opened = await openTestApi({ api: { web: createWeb('/nonexistent') } })
  assert.match(await (await opened.call(null, 'GET', '/')).text(), /npm run build/)
})
