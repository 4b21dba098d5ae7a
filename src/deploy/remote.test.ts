import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { defaultEnvironment, defaultProject, ServiceName } from '../names.ts'
import { remoteIn } from './remote.ts'
import { digestOf, eventually, openTestDeploy } from './testing.ts'

const shop = { project: defaultProject, service: ServiceName.parse('shop'), environment: defaultEnvironment }
const file = 'production/default/shop.yaml'

const git = (cwd: string, ...words: string[]): string =>
  execFileSync('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com', ...words], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH ?? '', HOME: cwd, GIT_CONFIG_NOSYSTEM: '1' },
  })

/** Real Git over HTTP, as any server has it: git http-backend behind a password. */
const serve = async (root: string, token: string): Promise<{ server: Server; url: string }> => {
  const server = createServer((asked, answer) => {
    const wanted = `Basic ${Buffer.from(`headway:${token}`).toString('base64')}`
    if (asked.headers.authorization !== wanted) {
      answer.writeHead(401, { 'www-authenticate': 'Basic realm="git"' }).end()
      return
    }
    const url = new URL(asked.url ?? '/', 'http://localhost')
    const child = spawn('git', ['http-backend'], {
      env: {
        PATH: process.env.PATH ?? '',
        GIT_PROJECT_ROOT: root,
        GIT_HTTP_EXPORT_ALL: '1',
        REMOTE_USER: 'headway',
        REQUEST_METHOD: asked.method ?? 'GET',
        PATH_INFO: url.pathname,
        QUERY_STRING: url.search.slice(1),
        CONTENT_TYPE: asked.headers['content-type'] ?? '',
        ...(asked.headers['content-encoding'] ? { HTTP_CONTENT_ENCODING: asked.headers['content-encoding'] } : {}),
      },
    })
    asked.pipe(child.stdin)
    const said: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => said.push(chunk))
    child.on('close', () => {
      const whole = Buffer.concat(said)
      const end = whole.indexOf('\r\n\r\n')
      for (const line of whole.subarray(0, end).toString().split('\r\n')) {
        const [name = '', value = ''] = line.split(/: (.*)/s)
        if (name === 'Status') answer.statusCode = Number.parseInt(value, 10)
        else answer.setHeader(name, value)
      }
      answer.end(whole.subarray(end + 4))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('unreachable')
  return { server, url: `http://127.0.0.1:${address.port}/environments.git` }
}

const begin = async (context: TestContext) => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-remote-'))
  const root = join(directory, 'elsewhere')
  const bare = join(root, 'environments.git')
  mkdirSync(root)
  git(root, 'init', '--quiet', '--bare', '--initial-branch=main', bare)
  git(bare, 'config', 'http.receivepack', 'true')
  const { server, url } = await serve(root, 'sesame')
  const world = await openTestDeploy({
    directory,
    releases: { 'shop v1': {}, 'shop v2': {}, 'shop v3': {} },
    remote: { url, token: 'sesame' },
  })
  context.after(async () => {
    await world.close()
    server.closeAllConnections()
    server.close()
    rmSync(directory, { recursive: true, force: true })
  })
  await world.deploy.start()
  const clone = join(directory, 'clone')
  return {
    ...world,
    server,
    bare,
    live: async (words: string) => world.deploy.finished(await world.release(words)),
    /** Somebody commits on the other server. */
    commit: (path: string, edit: (text: string) => string): void => {
      rmSync(clone, { recursive: true, force: true })
      git(directory, 'clone', '--quiet', bare, clone)
      writeFileSync(join(clone, path), edit(git(clone, 'show', `HEAD:${path}`)))
      git(clone, 'commit', '--quiet', '-am', 'By hand')
      git(clone, 'push', '--quiet', 'origin', 'main')
    },
    same: async () =>
      assert.equal((await world.git('rev-parse', 'main')).trim(), git(bare, 'rev-parse', 'main').trim()),
  }
}

test('on another Git server: deployments are pushed there, a commit made there is a deployment', async (context) => {
  const world = await begin(context)
  assert.equal((await world.live('shop v1')).finished?.outcome, 'succeeded')
  assert.match(git(world.bare, 'show', `main:${file}`), new RegExp(digestOf('shop v1')))
  await world.same()
  world.commit(file, (text) => text.replace('replicas: 2', 'replicas: 3'))
  await world.deploy.reconcile()
  await eventually(async () => (await world.deploy.current(shop))?.instances?.length === 3)
  assert.equal((await world.live('shop v2')).finished?.outcome, 'succeeded')
  await world.same()
  assert.deepEqual(world.errors, [])
})

test('a commit that somebody pushes there in between is built upon, and one that cannot be read changes nothing', async (context) => {
  const world = await begin(context)
  await world.live('shop v1')
  world.commit(file, (text) => text.replace('replicas: 2', 'replicas: many'))
  await world.deploy.reconcile()
  await eventually(async () => (await world.ledger.read({ types: ['desired-state.refused'] })).length === 1)
  assert.equal((await world.deploy.current(shop))?.instances?.length, 2)
  world.commit(file, (text) => text.replace('replicas: many', 'replicas: 1'))
  const second = await world.live('shop v2')
  assert.equal(second.finished?.outcome, 'succeeded')
  assert.match(
    git(world.bare, 'log', '--format=%s', 'main'),
    /Deploy default\/shop\/production[^\n]*\nBy hand\nBy hand\n/,
  )
  await world.same()
})

test('while the other server is away, what runs stays and is said why nothing moves', async (context) => {
  const world = await begin(context)
  const first = await world.live('shop v1')
  world.server.closeAllConnections()
  await new Promise<void>((resolve) => world.server.close(() => resolve()))
  await world.deploy.reconcile()
  assert.match(world.errors.at(-1) ?? '', /reading the environments repository: reading http:.* failed/)
  assert.doesNotMatch(world.errors.join(), /sesame/)
  assert.deepEqual(Object.keys(world.runtime.world().instances), first.instances)
})

test('the address is checked, and a password in it is refused', () => {
  assert.deepEqual(remoteIn({}), null)
  assert.deepEqual(
    remoteIn({ HEADWAY_ENVIRONMENTS_URL: 'https://git.example.com/e.git', HEADWAY_ENVIRONMENTS_TOKEN: 't' }),
    {
      url: 'https://git.example.com/e.git',
      token: 't',
    },
  )
  assert.throws(() => remoteIn({ HEADWAY_ENVIRONMENTS_URL: 'https://a:b@git.example.com/e.git' }), /holds a password/)
  assert.throws(() => remoteIn({ HEADWAY_ENVIRONMENTS_URL: 'ext::sh -c id' }), /no address/)
})
