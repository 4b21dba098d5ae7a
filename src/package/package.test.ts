import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { type Clock, systemClock } from '../clock.ts'
import { previewBegun, previewEnding } from '../deploy/facts.ts'
import { fact, isFact } from '../ledger/fact.ts'
import { type Digest, ProjectName, RepositoryName, ServiceName } from '../names.ts'
import { changePackaged } from './facts.ts'
import { commitTo, fakeNpm, openPackageBench, releasedIn, type TreeEntry } from './testing.ts'

const yaml = 'name: shop\nlanguage: node\nport: 3000\nreplicas: 3\n'
const plain: Record<string, TreeEntry> = {
  'headway.yaml': yaml,
  'package.json': '{"scripts":{"start":"node src/server.js"}}',
  'src/server.js': 'console.log(1)\n',
  'bin/tool': { program: '#!/bin/sh\n' },
  latest: { link: 'src/server.js' },
  'node_modules/committed.js': 'never packaged\n',
}
const lock = { ...plain, 'package-lock.json': '{"lockfileVersion":3}' }

const laterClock: Clock = { ...systemClock, now: () => Date.now() + 86_400_000 }

const treeOf = (folder: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => {
        const path = join(entry.parentPath, entry.name)
        const mode = (statSync(path).mode & 0o777).toString(8)
        return [path.slice(folder.length + 1), entry.isSymbolicLink() ? `-> ${readlinkSync(path)}` : mode]
      })
      .sort(),
  )

test('a verified push to the default branch becomes a release that can be opened and unpacked', async () => {
  await using bench = await openPackageBench()
  const { facts, commit, push } = await bench.push(plain)
  const digest = releasedIn(facts)
  const sizeBytes = facts[0]?.payload && Reflect.get(facts[0].payload, 'sizeBytes')
  const origin = { push, project: 'default', service: 'shop', repository: 'shop', commit, path: '.' }
  assert.deepEqual(
    facts.map(({ type, subject, payload }) => ({ type, subject, payload })),
    [
      { type: 'release.created', subject: 'service:default/shop', payload: { ...origin, digest, sizeBytes } },
      {
        type: 'push.packaged',
        subject: `push:${push}`,
        payload: { push, released: [{ service: 'shop', digest }], failed: [] },
      },
    ],
  )
  const { definition, env, ...release } = (await bench.stage.open(digest)) ?? assert.fail('not there')
  assert.deepEqual(release, {
    ...{ digest, project: 'default', service: 'shop', commit, workingDirectory: 'app' },
    ...{ argv: ['node', 'src/server.js'], toolchain: { program: 'node', range: null } },
  })
  assert.deepEqual(
    [definition.replicas, env.NODE_ENV, env.PATH?.split(':')[0]?.endsWith('/tools')],
    [3, 'production', true],
  )
  const folder = await bench.stage.unpack(digest)
  assert.deepEqual(treeOf(folder), {
    'app/bin/tool': '755',
    'app/headway.yaml': '644',
    'app/latest': '-> src/server.js',
    'app/package.json': '644',
    'app/src/server.js': '644',
  })
  assert.equal(await bench.stage.unpack(digest), folder)
  assert.equal(statSync(join(folder, 'app/package.json')).mtimeMs, 1_700_000_000_000)
})

test('the same commit gives the same digest in another home on another day, dependencies and build included', async () => {
  const files = { ...lock, 'package.json': '{"scripts":{"start":"node dist/built.js","build":"tsc"}}' }
  const digests: string[] = []
  for (const clock of [systemClock, laterClock]) {
    await using bench = await openPackageBench({ tools: { npm: fakeNpm }, clock })
    digests.push(releasedIn((await bench.push(files)).facts))
  }
  assert.equal(digests[0], digests[1])
})

test('pushing one commit again makes the same release again, for the new push', async () => {
  await using bench = await openPackageBench()
  const first = await bench.push(plain)
  const second = await bench.push(plain)
  assert.deepEqual([releasedIn(second.facts), second.push === first.push], [releasedIn(first.facts), false])
  assert.equal((await bench.stage.list(...shop)).length, 1)
})

test('releases with one lock file share the files of their dependencies', async () => {
  await using bench = await openPackageBench({ tools: { npm: fakeNpm } })
  const first = await bench.stage.unpack(releasedIn((await bench.push(lock)).facts))
  const second = await bench.stage.unpack(
    releasedIn((await bench.push({ ...lock, 'src/server.js': 'console.log(2)\n' })).facts),
  )
  const file = 'app/node_modules/left-pad/index.js'
  assert.equal(statSync(join(first, file)).ino, statSync(join(second, file)).ino)
  assert.deepEqual(treeOf(second), {
    'app/bin/tool': '755',
    'app/headway.yaml': '644',
    'app/latest': '-> src/server.js',
    'app/node_modules/.bin/left-pad': '-> ../left-pad/index.js',
    'app/node_modules/left-pad/index.js': '644',
    'app/package-lock.json': '644',
    'app/package.json': '644',
    'app/src/server.js': '644',
  })
  assert.deepEqual(readdirSync(join(bench.home.work, 'packaging')), [])
})

test('another project with the same lock file installs for itself', async () => {
  await using bench = await openPackageBench({ tools: { npm: fakeNpm } })
  for (const project of ['default', 'other'])
    await bench.stage.unpack(releasedIn((await bench.push(lock, { project })).facts))
  assert.equal(readdirSync(join(bench.home.caches, 'layers')).length, 2)
})

test('packages for Python go into their own folder, without what varies, and for one minor version', async () => {
  const python3 = `#!/bin/sh
set -e
mkdir -p .headway/python/bin .headway/python/flask/__pycache__ .headway/python/flask-3.dist-info
printf '#!%s/python3.11\\nimport flask\\n' "$PWD" > .headway/python/bin/flask && chmod 755 .headway/python/bin/flask
echo "x = 1" > .headway/python/flask/__init__.py
date +%N | tee .headway/python/flask/__pycache__/x.pyc > .headway/python/flask-3.dist-info/RECORD
`
  await using bench = await openPackageBench({ tools: { python3 } })
  const { facts } = await bench.push({
    'headway.yaml': 'name: shop\nlanguage: python\n',
    'app.py': 'app = Flask(__name__)\n',
    'requirements.txt': 'flask==3\n',
  })
  const folder = await bench.stage.unpack(releasedIn(facts))
  assert.deepEqual(treeOf(folder), {
    'app/.headway/python/bin/flask': '755',
    'app/.headway/python/flask/__init__.py': '644',
    'app/.headway/wsgi.py': '644',
    'app/app.py': '644',
    'app/headway.yaml': '644',
    'app/requirements.txt': '644',
  })
  assert.equal(
    readFileSync(join(folder, 'app/.headway/python/bin/flask'), 'utf8'),
    '#!/usr/bin/env python3\nimport flask\n',
  )
  assert.deepEqual((await bench.stage.open(releasedIn(facts)))?.toolchain, { program: 'python3', range: '3.11' })
})

test('what the build writes is packaged, and what it needs is installed for it', async () => {
  await using bench = await openPackageBench({ tools: { npm: fakeNpm } })
  const files = { ...lock, 'package.json': '{"scripts":{"start":"node dist/built.js","build":"tsc"}}' }
  const folder = await bench.stage.unpack(releasedIn((await bench.push(files)).facts))
  assert.equal(readFileSync(join(folder, 'app/dist/built.js'), 'utf8'), 'console.log(1)\n')
  assert.equal(readFileSync(join(folder, 'app/dist/modules'), 'utf8'), 'left-pad\n')
})

test('a build that fails releases nothing and shows its last lines and what to do', async () => {
  await using bench = await openPackageBench()
  const files = { ...plain, 'headway.yaml': `${yaml}commands: { build: "echo one; echo two >&2; exit 3" }\n` }
  const { facts, push, commit } = await bench.push(files)
  assert.deepEqual(
    facts.map(({ payload }) => payload),
    [
      {
        ...{ push, project: 'default', service: 'shop', repository: 'shop', commit, path: '.' },
        detail: 'building: echo one; echo two >&2; exit 3 ended with 3',
        lastLines: ['one', 'two'],
        next: 'run echo one; echo two >&2; exit 3 in a fresh clone, mend what it says, and push again',
      },
      { push, released: [], failed: ['shop'] },
    ],
  )
})

test('several services of a repository are released, and a broken file fails only its own', async () => {
  await using bench = await openPackageBench()
  const { facts } = await bench.push({
    'a/headway.yaml': yaml,
    'a/server.js': '1',
    'b/headway.yaml': 'name: cart\nlanguage: nod\n',
    'c/headway.yaml': 'name: shop\nlanguage: node\n',
    'node_modules/x/headway.yaml': 'name: x\nlanguage: node\n',
    'c/index.js': '1',
  })
  assert.deepEqual(
    facts.map(({ type, payload }) => [
      type,
      payload && Reflect.get(payload, 'path'),
      payload && Reflect.get(payload, 'detail'),
    ]),
    [
      [
        'release.failed',
        'b',
        'b/headway.yaml:2:11: language: expected node, python, go or static, found the text "nod"',
      ],
      [
        'release.failed',
        'c',
        'c/headway.yaml:1:1: the service shop stands in another folder of this repository already',
      ],
      ['release.created', 'a', undefined],
      ['push.packaged', undefined, undefined],
    ],
  )
})

test('a name that belongs to another repository is refused', async () => {
  await using bench = await openPackageBench()
  await bench.push(plain)
  const { facts } = await bench.push(plain, { repository: 'thief' })
  assert.equal(
    facts[0]?.payload && Reflect.get(facts[0].payload, 'detail'),
    'the service shop belongs to the repository shop',
  )
})

test('the merge result of a change is packaged for its preview, and leaves no trace in what pushes become', async () => {
  let inUse: Digest[] = []
  await using bench = await openPackageBench({ tools: { npm: fakeNpm }, needs: { inUse: async () => inUse } })
  const [project, repository] = [ProjectName.parse('default'), RepositoryName.parse('shop')]
  const about = { subject: 'preview:default/shop/7', actor: 'system:deploy' }
  const begin = async (text: string) => {
    const bare = join(bench.home.repositories, 'default', 'shop.git')
    mkdirSync(dirname(bare), { recursive: true })
    const commit = commitTo(bare, { ...lock, 'src/server.js': text }, 'proposal')
    const of = { project, repository, number: 7, version: 1, event: `event ${text}`, commit }
    const told = bench.ledger.append([fact(previewBegun, { ...about, payload: of })])
    const outcome = await told
    const seq = outcome.kind === 'appended' ? (outcome.facts[0]?.seq ?? 0) : 0
    for (;;) {
      const facts = await bench.ledger.read({ types: [changePackaged.type] })
      const found = facts.find((one) => isFact(changePackaged, one) && one.payload.begun === seq)
      if (found && isFact(changePackaged, found)) return found.payload
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const first = await begin('console.log(1)\n')
  assert.deepEqual(
    first.packaged.map(({ service, path }) => ({ service, path })),
    [{ service: 'shop', path: '.' }],
  )
  const digest = first.packaged[0]?.digest ?? assert.fail('nothing was packaged')
  await bench.stage.unpack(digest)
  assert.equal(existsSync(join(bench.home.caches, 'layers')), false, 'what a change installs is kept for nobody')
  assert.deepEqual(await bench.stage.list(...shop), [], 'it is no release')

  inUse = [digest]
  const second = (await begin('console.log(2)\n')).packaged[0]?.digest ?? assert.fail('nothing was packaged')
  await bench.stage.collect()
  assert.notEqual(await bench.stage.open(digest), null, 'it still runs')
  inUse = []
  await bench.stage.collect()
  assert.equal(await bench.stage.open(digest), null)
  assert.notEqual(await bench.stage.open(second), null)
  const ending = { project, repository, number: 7, why: 'merged' as const }
  await bench.ledger.append([fact(previewEnding, { ...about, payload: ending })])
  await bench.stage.collect()
  assert.equal(await bench.stage.open(second), null)

  await bench.push(lock, { repository: 'other' })
  assert.equal((await bench.stage.list(...shop)).length, 1, 'its name was nobody’s yet')
  const taken = await begin('console.log(3)\n')
  assert.deepEqual(
    [taken.packaged, taken.failed.map(({ detail }) => detail)],
    [[], ['the service shop belongs to the repository other']],
  )
})

test('a push to another branch than the default one is concluded without a release', async () => {
  await using bench = await openPackageBench()
  await bench.push(plain)
  const { facts, push } = await bench.push(plain, { branch: 'topic' })
  assert.deepEqual(
    facts.map(({ payload }) => payload),
    [{ push, released: [], failed: [] }],
  )
})

test('links out of the service are refused, whoever made them', async () => {
  await using bench = await openPackageBench()
  const hostile: Record<string, Record<string, TreeEntry>> = {
    absolute: { ...plain, evil: { link: '/etc/passwd' } },
    above: { ...plain, 'a/evil': { link: '../../../etc/passwd' } },
    root: { ...plain, evil: { link: '..' } },
    detour: { ...plain, evil: { link: 'src/../../../etc' } },
    built: { ...plain, 'headway.yaml': `${yaml}commands: { build: "ln -s /etc/shadow evil" }\n` },
  }
  for (const [name, files] of Object.entries(hostile)) {
    const { facts } = await bench.push(files)
    assert.match(JSON.stringify([name, facts[0]?.payload]), /evil.*is a link to .* which is outside of the service/)
  }
})

const shop = [ProjectName.parse('default'), ServiceName.parse('shop')] as const

test('the newest ten releases of a service are kept, and those in use; the others leave nothing behind', async () => {
  const inUse: string[] = []
  const { Digest } = await import('../names.ts')
  await using bench = await openPackageBench({ needs: { inUse: async () => inUse.map((one) => Digest.parse(one)) } })
  const digests: string[] = []
  for (let round = 0; round < 14; round += 1) {
    const { facts } = await bench.push({ ...plain, 'src/server.js': `console.log(${round})\n` })
    digests.push(releasedIn(facts))
    if (round === 0) inUse.push(...digests)
    await bench.stage.unpack(releasedIn(facts))
  }
  await bench.stage.collect()
  const kept = [...digests.slice(4).reverse(), digests[0]]
  assert.deepEqual(
    (await bench.stage.list(...shop)).map(({ digest }) => digest),
    kept,
  )
  const collected = (await bench.facts()).filter(({ type }) => type === 'release.collected')
  assert.deepEqual(
    collected.map(({ payload }) => payload && Reflect.get(payload, 'digest')),
    digests.slice(1, 4),
  )
  for (const digest of kept) assert.ok(await bench.stage.open(Digest.parse(digest)))
  assert.equal(await bench.stage.open(Digest.parse(digests[1])), null)
  const folders = readdirSync(bench.home.images).filter((name) => name !== 'layers')
  assert.deepEqual(folders.sort(), kept.map((digest) => digest?.slice(7)).sort())
  // Each of the eleven: manifest, configuration, layer, referrer and what it says; and the empty configuration of all referrers.
  assert.equal(readdirSync(join(bench.home.blobs, 'images/blobs/sha256')).length, 11 * 5 + 1)
})

test('stopping ends a build that is under way at once and records nothing about it', async () => {
  const endless = { ...plain, 'headway.yaml': `${yaml}commands: { build: "sleep 600" }\n` }
  await using bench = await openPackageBench()
  void bench.push(endless)
  const building = join(bench.home.work, 'packaging', 'push-1-shop-build', 'temp')
  while (!existsSync(building)) await new Promise((resolve) => setImmediate(resolve))
  await bench.stage.stop()
  assert.deepEqual(await bench.facts(), [])
})
