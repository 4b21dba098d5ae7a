import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { serveFiles } from './static-server.ts'

type Answer = { readonly status: number; readonly headers: Record<string, unknown>; readonly body: string }
const directory = realpathSync(mkdtempSync(join(tmpdir(), 'headway-static-')))
const root = join(directory, 'public')
const server = createServer((incoming, response) => void serveFiles(root)(incoming, response))
let port = 0

before(async () => {
  mkdirSync(join(root, 'docs'), { recursive: true })
  mkdirSync(join(root, '.well-known'))
  const files = {
    'index.html': '<h1>home</h1>',
    'about.html': 'about',
    'docs/index.html': 'docs',
    'app-4f3c9a1b.js': 'let a',
    'app-4f3c9a1b.js.gz': 'zipped',
    'digits.txt': '0123456789',
    '404.html': 'nothing here',
    '.env': 'SECRET=1',
    '.well-known/security.txt': 'mail',
    '../secret.txt': 'secret',
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text)
  symlinkSync('../secret.txt', join(root, 'link.txt'))
  utimesSync(join(root, 'digits.txt'), 1_700_000_000, 1_700_000_000)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  port = typeof address === 'object' && address ? address.port : 0
})
after(() => {
  server.close()
  rmSync(directory, { recursive: true, force: true })
})

/** The path is sent as it is; fetch would tidy it up. */
const get = (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> =>
  new Promise((resolve, reject) => {
    request({ port, path, headers, method, agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
    })
      .on('error', reject)
      .end()
  })
const brief = async (path: string, headers?: Record<string, string>, method?: string) => {
  const { status, body } = await get(path, headers, method)
  return [status, body]
}

test('files, folders and pages without their ending are found', async () => {
  assert.deepEqual(await brief('/'), [200, '<h1>home</h1>'])
  assert.deepEqual(await brief('/about?x=1'), [200, 'about'])
  assert.deepEqual(await brief('/docs/'), [200, 'docs'])
  assert.deepEqual([(await get('/docs')).status, (await get('/docs')).headers.location], [308, './docs/'])
  assert.deepEqual(await brief('/nowhere'), [404, 'nothing here'])
  assert.deepEqual(await brief('/.well-known/security.txt'), [200, 'mail'])
})

test('nothing outside of the folder and no hidden file is served', async () => {
  const paths = [
    '/../secret.txt',
    '/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/docs/..%5c..%5csecret.txt',
    '/.env',
    '/link.txt',
  ]
  for (const path of [...paths, '/%00', '/%zz', '//etc/passwd', '/docs/%2e%2e/%2e%2e/secret.txt']) {
    const { status, body } = await get(path)
    assert.ok(status === 400 || status === 404, `${path} answered ${status}`)
    assert.doesNotMatch(body, /secret|SECRET|root:/)
  }
  assert.deepEqual(await brief('/', {}, 'POST'), [405, 'only GET and HEAD\n'])
})

test('a browser that has a file already is told so', async () => {
  const { headers } = await get('/digits.txt')
  assert.deepEqual(
    [
      headers.etag,
      headers['last-modified'],
      headers['cache-control'],
      headers['content-type'],
      headers['content-length'],
    ],
    ['"a-18bcfe56800"', 'Tue, 14 Nov 2023 22:13:20 GMT', 'no-cache', 'text/plain; charset=utf-8', '10'],
  )
  assert.deepEqual(await brief('/digits.txt', { 'if-none-match': '"a-18bcfe56800"' }), [304, ''])
  assert.deepEqual(await brief('/digits.txt', { 'if-none-match': '"other"' }), [200, '0123456789'])
  assert.deepEqual(await brief('/digits.txt', { 'if-modified-since': 'Tue, 14 Nov 2023 22:13:20 GMT' }), [304, ''])
  assert.deepEqual(await brief('/digits.txt', {}, 'HEAD'), [200, ''])
})

test('a part of a file can be asked for', async () => {
  assert.deepEqual(await brief('/digits.txt', { range: 'bytes=2-4' }), [206, '234'])
  assert.deepEqual(await brief('/digits.txt', { range: 'bytes=7-' }), [206, '789'])
  assert.deepEqual(await brief('/digits.txt', { range: 'bytes=-2' }), [206, '89'])
  assert.deepEqual(await brief('/digits.txt', { range: 'bytes=20-30' }), [416, ''])
  assert.deepEqual(await brief('/digits.txt', { range: 'bytes=2-4', 'if-range': '"other"' }), [200, '0123456789'])
  assert.equal((await get('/digits.txt', { range: 'bytes=2-4' })).headers['content-range'], 'bytes 2-4/10')
})

test('what a build compressed is sent to whoever takes it, and hashed names are kept for good', async () => {
  const zipped = await get('/app-4f3c9a1b.js', { 'accept-encoding': 'br, gzip;q=0.5' })
  assert.deepEqual(
    [zipped.body, zipped.headers['content-encoding'], zipped.headers['content-type'], zipped.headers['cache-control']],
    ['zipped', 'gzip', 'text/javascript; charset=utf-8', 'public, max-age=31536000, immutable'],
  )
  assert.deepEqual(await brief('/app-4f3c9a1b.js', { 'accept-encoding': 'gzip;q=0' }), [200, 'let a'])
})
