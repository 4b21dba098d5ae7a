import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { isRoot } from '../home.ts'
import { createDependencyCache, type DependencyKey, sweepDependencyCache } from './dependencies.ts'

const user = isRoot() ? { uid: 1_900_000_001, gid: 1_900_000_001 } : null
const key: DependencyKey = { project: 'default', language: 'node', runtime: 'node 24', lock: 'one', purpose: 'all' }

const directories = (context: TestContext) => {
  const root = mkdtempSync(join(tmpdir(), 'headway-dependencies-'))
  chmodSync(root, 0o711)
  context.after(() => rmSync(root, { recursive: true, force: true }))
  const make = (name: string): string => {
    mkdirSync(join(root, name))
    if (user) execFileSync('chown', [`${user.uid}:${user.gid}`, join(root, name)])
    return join(root, name)
  }
  mkdirSync(join(root, 'cache'), { mode: 0o711 })
  return { root, cache: join(root, 'cache'), make }
}
const install = (into: string, text = 'module'): void => {
  mkdirSync(join(into, 'node_modules/.bin'), { recursive: true })
  writeFileSync(join(into, 'node_modules/index.js'), text)
  writeFileSync(join(into, 'node_modules/tool'), '#!/bin/sh\n', { mode: 0o755 })
  symlinkSync('../tool', join(into, 'node_modules/.bin/tool'))
  if (user) execFileSync('chown', ['-hR', `${user.uid}:${user.gid}`, join(into, 'node_modules')])
}

test('what was saved is restored for the same key and no other', async (context) => {
  const { cache: directory, make } = directories(context)
  const cache = createDependencyCache(directory)
  const [from, into] = [make('from'), make('into')]
  install(from)
  await cache.save(key, from, ['node_modules', 'absent'], user)
  const others = [
    { ...key, project: 'other' },
    { ...key, lock: 'two' },
    { ...key, runtime: 'node 22' },
    { ...key, purpose: 'production' },
  ]
  for (const other of others) assert.equal(await cache.restore(other, into, user), false)
  assert.equal(await cache.restore(key, into, user), true)
  assert.equal(readFileSync(join(into, 'node_modules/.bin/tool'), 'utf8'), '#!/bin/sh\n')
  assert.deepEqual(readdirSync(into), ['node_modules'])
})

test('folders deeper down are restored in directories that belong to the user', async (context) => {
  const { cache: directory, make } = directories(context)
  const cache = createDependencyCache(directory)
  const [from, into] = [make('from'), make('into')]
  mkdirSync(join(from, '.headway/python'), { recursive: true })
  if (user) execFileSync('chown', ['-R', `${user.uid}:${user.gid}`, join(from, '.headway')])
  await cache.save(key, from, ['.headway/python'], user)
  assert.equal(await cache.restore(key, into, user), true)
  const owner = user?.uid ?? process.getuid?.()
  assert.deepEqual(
    ['.headway', '.headway/python'].map((path) => statSync(join(into, path)).uid),
    [owner, owner],
  )
})

test('a job can add to what it was given, but not change what the next one gets', async (context) => {
  const { cache: directory, make } = directories(context)
  const cache = createDependencyCache(directory)
  const from = make('from')
  install(from)
  await cache.save(key, from, ['node_modules'], user)
  const first = make('first')
  await cache.restore(key, first, user)
  const script = 'echo poison > node_modules/index.js; chmod u+w node_modules/index.js; echo own > node_modules/own'
  try {
    execFileSync('sh', ['-c', script], { cwd: first, stdio: 'ignore', ...user })
  } catch {
    // refused, as it should be where the files are root's
  }
  const second = make('second')
  await cache.restore(key, second, user)
  assert.equal(readFileSync(join(second, 'node_modules/index.js'), 'utf8'), 'module')
  assert.deepEqual(readdirSync(join(second, 'node_modules')).sort(), ['.bin', 'index.js', 'tool'])
  assert.ok(readdirSync(join(first, 'node_modules')).includes('own'))
  if (user) assert.equal(statSync(join(second, 'node_modules/index.js')).uid, 0)
})

test("a link in the folder's place is not followed, and somebody else's file is not kept", async (context) => {
  const { root, cache: directory, make } = directories(context)
  const cache = createDependencyCache(directory)
  const from = make('from')
  install(from)
  await cache.save(key, from, ['node_modules'], user)
  const into = make('into')
  symlinkSync(root, join(into, 'elsewhere'))
  mkdirSync(join(into, 'node_modules'))
  await assert.rejects(cache.restore(key, into, user), /is there already/)
  if (!user) return
  const mixed = make('mixed')
  install(mixed)
  writeFileSync(join(mixed, 'node_modules/secret'), 'of root', { mode: 0o600 })
  await assert.rejects(cache.save({ ...key, lock: 'mixed' }, mixed, ['node_modules'], user), /does not belong/)
  assert.equal(statSync(join(mixed, 'node_modules/secret')).mode & 0o777, 0o600)
})

test('the cache stays within its size by forgetting what was not used for longest', async (context) => {
  const { cache: directory, make } = directories(context)
  const cache = createDependencyCache(directory, 3 * 1024 * 1024)
  for (const lock of ['a', 'b', 'c']) {
    const from = make(`from-${lock}`)
    install(from, 'x'.repeat(1_400_000))
    await cache.save({ ...key, lock }, from, ['node_modules'], user)
    if (lock === 'b') await cache.restore({ ...key, lock: 'a' }, make('use-a'), user)
  }
  const kept = ['a', 'b', 'c'].map((lock) => cache.restore({ ...key, lock }, make(`into-${lock}`), user))
  assert.deepEqual(await Promise.all(kept), [true, false, true])
})

test('what a crash left half made is swept away', async (context) => {
  const { cache: directory } = directories(context)
  mkdirSync(join(directory, 'default-node-1.saving-2'))
  mkdirSync(join(directory, 'default-node-1'))
  await sweepDependencyCache(directory)
  assert.deepEqual(readdirSync(directory), ['default-node-1'])
})

test('a link on the way to a folder leads nowhere that the user could not go', async (context) => {
  const { root, cache: directory, make } = directories(context)
  const cache = createDependencyCache(directory)
  const from = make('from')
  mkdirSync(join(from, 'a/b'), { recursive: true })
  install(join(from, 'a/b'))
  if (user) execFileSync('chown', ['-R', `${user.uid}:${user.gid}`, from])
  await cache.save(key, from, ['a/b/node_modules'], user)
  mkdirSync(join(root, 'closed'), { mode: 0o755 })
  const into = make('into')
  symlinkSync(join(root, 'closed'), join(into, 'a'))
  await assert.rejects(cache.restore(key, into, user))
  if (user) assert.deepEqual(readdirSync(join(root, 'closed')), [])
  assert.deepEqual(
    readdirSync(directory).filter((name) => name.includes('.')),
    [],
  )
})
