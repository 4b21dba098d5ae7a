import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { isFact } from '../ledger/fact.ts'
import { CommitId, defaultProject, RepositoryName } from '../names.ts'
import { refUpdated, repositoryCreated } from './facts.ts'
import { gitIn, openTestCode, type TestCode, type WorkingCopy } from './testing.ts'

const limitBytes = 1024 * 1024
let counted = 0
/** A repository name that no other test has. */
const fresh = (name: string): string => {
  counted += 1
  return `${name}-${counted}`
}

describe('a repository over HTTP', () => {
  let server: TestCode
  before(async () => {
    server = await openTestCode({ maxPackBytes: limitBytes })
  })
  after(async () => {
    await server[Symbol.asyncDispose]()
    assert.deepEqual(
      server.problems.filter((problem) => !/maximum allowed size|bad pack|early EOF|fsck|ended with 1/.test(problem)),
      [],
    )
  })

  /** A working copy with one commit, pushed to a repository of this name unless told otherwise. */
  const shop = async (name: string, isPushed = true): Promise<WorkingCopy> => {
    const copy = await server.copy()
    await copy.must('remote', 'add', 'headway', server.url(`${name}.git`))
    if (isPushed) await copy.must('push', '--quiet', '-o', 'async', 'headway', 'main')
    return copy
  }
  const key = (name: string) => ({ project: defaultProject, repository: RepositoryName.parse(name) })
  const updatesOf = async (name: string) =>
    (await server.ledger.read({})).flatMap((one) =>
      isFact(refUpdated, one) && one.payload.repository === name
        ? [
            {
              ref: one.payload.ref,
              before: one.payload.before,
              after: one.payload.after,
              actor: one.actor,
              discovered: one.payload.discovered,
            },
          ]
        : [],
    )

  test('says to a client of Git LFS that it keeps no such files, and what to do, so that it pushes nothing that cannot be fetched', async () => {
    const ask = (about: string) =>
      fetch(`http://127.0.0.1:${server.port}/git/default/large.git/info/lfs/${about}`, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa('viewer:x')}` },
        body: '{}',
      })
    for (const about of ['objects/batch', 'locks/verify']) {
      const response = await ask(about)
      assert.equal(response.status, 501)
      assert.equal(response.headers.get('content-type'), 'application/vnd.git-lfs+json')
      assert.match(
        JSON.stringify(await response.json()),
        /^\{"message":"this Git host keeps no files of Git LFS: let lfs.url in .lfsconfig/,
      )
    }
  })

  test('is made by the first push of a developer, and the push is in the ledger', async () => {
    const copy = await shop('first')
    const commit = await copy.must('rev-parse', 'HEAD')
    const created = (await server.ledger.read({ types: [repositoryCreated.type] })).filter(
      (one) => isFact(repositoryCreated, one) && one.payload.repository === 'first',
    )
    assert.deepEqual(
      created.map(({ actor, subject }) => ({ actor, subject })),
      [{ actor: 'user:developer', subject: 'repository:default/first' }],
    )
    assert.deepEqual(await updatesOf('first'), [
      { ref: 'refs/heads/main', before: null, after: commit, actor: 'user:developer', discovered: false },
    ])
    assert.deepEqual(await copy.must('ls-remote', 'headway'), `${commit}\tHEAD\n${commit}\trefs/heads/main`)
  })

  test('is the same with and without the default project in its address', async () => {
    await shop('address')
    const outcome = await gitIn(server.root, ['ls-remote', server.url('default/address.git', 'viewer')])
    assert.match(outcome.stdout, /refs\/heads\/main/)
  })

  test('is cloned and fetched by a viewer, in both versions of the protocol, whole and in part', async () => {
    const copy = await shop('read')
    const url = server.url('read.git', 'viewer')
    for (const version of ['0', '2']) {
      const clone = join(server.root, `clone-${version}`)
      const cloned = await gitIn(server.root, ['-c', `protocol.version=${version}`, 'clone', '--quiet', url, clone])
      assert.equal(cloned.code, 0, cloned.stderr)
      const commit = await copy.commit({ [`file-${version}`]: 'more\n' })
      await copy.must('push', '--quiet', '-o', 'async', 'headway', 'main')
      const fetched = await gitIn(clone, ['-c', `protocol.version=${version}`, 'pull', '--quiet'])
      assert.equal(fetched.code, 0, fetched.stderr)
      assert.equal((await gitIn(clone, ['rev-parse', 'HEAD'])).stdout.trim(), commit)
    }
    const partial = join(server.root, 'clone-partial')
    const cloned = await gitIn(server.root, ['clone', '--quiet', '--depth=1', '--filter=blob:none', url, partial])
    assert.equal(cloned.code, 0, cloned.stderr)
  })

  test('takes gzipped requests', async () => {
    const copy = await shop('zipped')
    const commit = await copy.must('rev-parse', 'HEAD')
    const lines = [`want ${commit} no-progress\n`, null, 'done\n']
    const body = lines
      .map((line) => (line === null ? '0000' : (line.length + 4).toString(16).padStart(4, '0') + line))
      .join('')
    const response = await fetch(`http://127.0.0.1:${server.port}/git/zipped.git/git-upload-pack`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${btoa('viewer:x')}`,
        'content-type': 'application/x-git-upload-pack-request',
        'content-encoding': 'gzip',
      },
      body: gzipSync(body),
    })
    const answer = Buffer.from(await response.arrayBuffer())
    assert.deepEqual(
      [response.status, answer.subarray(0, 8).toString(), answer.includes('PACK')],
      [200, '0008NAK\n', true],
    )
  })

  test('asks for a token when there is none', async () => {
    const response = await fetch(`http://127.0.0.1:${server.port}/git/first.git/info/refs?service=git-upload-pack`)
    assert.deepEqual(
      [response.status, response.headers.get('www-authenticate')],
      [401, 'Basic realm="Headway", charset="UTF-8"'],
    )
  })

  test('is not pushed to by a viewer, who is told what he lacks', async () => {
    const copy = await shop('guarded')
    await copy.commit({ a: 'b' })
    const outcome = await copy.git('push', server.url('guarded.git', 'viewer'), 'main')
    assert.notEqual(outcome.code, 0)
    assert.match(outcome.stderr, /remote: viewer may read default\/guarded, but pushing needs the role developer/)
    assert.match(outcome.stderr, /remote: .*headway user role viewer developer/)
    assert.equal((await updatesOf('guarded')).length, 1)
  })

  test('is not made by a viewer, nor in a project where one may nothing', async () => {
    const copy = await server.copy()
    for (const url of [server.url('nothing.git', 'viewer'), server.url('other/nothing.git')]) {
      const outcome = await copy.git('push', url, 'main')
      assert.notEqual(outcome.code, 0)
    }
    assert.equal(server.code.repositoryPath(defaultProject, RepositoryName.parse('nothing')).includes('nothing'), true)
    assert.equal(existsSync(server.code.repositoryPath(defaultProject, RepositoryName.parse('nothing'))), false)
  })

  test('that is not there is not made by reading', async () => {
    const outcome = await gitIn(server.root, ['clone', server.url('missing.git'), join(server.root, 'missing')])
    assert.match(outcome.stderr, /there is no repository default\/missing/)
  })

  for (const path of [
    '../first.git',
    '..%2ffirst.git',
    'default%2ffirst.git',
    'first%00.git',
    'default/../default/first.git',
    'FIRST.git',
    `${'a'.repeat(61)}.git`,
    `${'a/'.repeat(200)}first.git`,
    'a/b/c.git',
    '.git',
    'first..git',
    '-first.git',
  ])
    test(`has no address like ${path.slice(0, 40)}`, async () => {
      const { request } = await import('node:http')
      const status = await new Promise((resolve, reject) => {
        const headers = { authorization: `Basic ${btoa('developer:x')}` }
        request({ port: server.port, path: `/git/${path}/info/refs?service=git-receive-pack`, headers }, (response) => {
          response.resume()
          resolve(response.statusCode)
        })
          .once('error', reject)
          .end()
      })
      assert.equal(status, 404)
    })

  test('keeps who tried to push without the right, once an hour, and nothing of who is nobody', async () => {
    const copy = await shop('watched')
    for (const url of ['viewer-eve', 'viewer-eve', 'viewer-mallory'].map((user) => server.url('watched.git', user)))
      assert.notEqual((await copy.git('push', url, 'main:more')).code, 0)
    assert.notEqual((await copy.git('push', server.url('watched.git', 'stranger'), 'main:more')).code, 0)
    assert.notEqual((await copy.git('push', server.url('missing.git', 'viewer'), 'main:more')).code, 0)
    assert.notEqual((await copy.git('push', 'headway', 'main:refs/notes/x', ':main')).code, 0)
    const tried = await server.ledger.read({ subject: 'repository:default/watched', types: ['push.refused'] })
    const start = await copy.must('rev-parse', 'HEAD')
    const key = { project: 'default', repository: 'watched' }
    const why = (user: string) =>
      `${user} may read default/watched, but pushing needs the role developer in the project default`
    assert.deepEqual(
      tried.map(({ actor, payload }) => [actor, payload]),
      [
        ['user:viewer-eve', { ...key, updates: [], reasons: [why('viewer-eve')] }],
        ['user:viewer-mallory', { ...key, updates: [], reasons: [why('viewer-mallory')] }],
        [
          'user:developer',
          {
            ...key,
            updates: [
              { ref: 'refs/heads/main', before: start, after: null },
              { ref: 'refs/notes/x', before: null, after: start },
            ],
            reasons: [
              'refs/notes/x: only branches (refs/heads/...) and tags (refs/tags/...) can be pushed; give it a branch name',
            ],
          },
        ],
      ],
    )
    assert.deepEqual(await server.ledger.read({ subject: 'repository:default/missing' }), [])
  })

  test('keeps main from being forced and deleted, other branches not', async () => {
    const copy = await shop('forced')
    const before = await copy.must('ls-remote', 'headway', 'refs/heads/main')
    await copy.must('commit', '--amend', '--quiet', '--message', 'rewritten')
    const forced = await copy.git('push', '--force', 'headway', 'main')
    assert.match(forced.stderr, /remote: main is protected: [0-9a-f]{7} does not contain [0-9a-f]{7}/)
    const deleted = await copy.git('push', 'headway', ':main')
    assert.match(deleted.stderr, /remote: main is protected and cannot be deleted/)
    assert.equal(await copy.must('ls-remote', 'headway', 'refs/heads/main'), before)
    await copy.must('push', '--quiet', '-o', 'async', 'headway', 'main:side')
    await copy.must('commit', '--amend', '--quiet', '--message', 'again')
    await copy.must('push', '--quiet', '--force', '-o', 'async', 'headway', 'main:side')
    await copy.must('push', '--quiet', 'headway', ':side')
    assert.deepEqual(
      (await updatesOf('forced')).map(({ ref, after: to }) => [ref, to === null]),
      [
        ['refs/heads/main', false],
        ['refs/heads/side', false],
        ['refs/heads/side', false],
        ['refs/heads/side', true],
      ],
    )
  })

  test('lets main be forced where that was allowed', async () => {
    const copy = await shop('loose')
    await server.code.protect(key('loose'), { branches: ['main'], allowForce: true }, 'user:ada')
    await copy.must('commit', '--amend', '--quiet', '--message', 'rewritten')
    await copy.must('push', '--quiet', '--force', '-o', 'async', 'headway', 'main')
    assert.equal((await updatesOf('loose')).length, 2)
  })

  test('knows the branches that are protected: what was said, main where nothing was', async () => {
    await shop('kept-safe')
    const protectedOf = async (): Promise<boolean[]> =>
      Promise.all(
        ['refs/heads/main', 'refs/heads/release/1', 'refs/tags/main', 'refs/pull/1/merge'].map((ref) =>
          server.code.isProtected({ ...key('kept-safe'), ref }),
        ),
      )
    assert.deepEqual(await protectedOf(), [true, false, false, false])
    await server.code.protect(key('kept-safe'), { branches: ['release/1'], allowForce: false }, 'user:ada')
    assert.deepEqual(await protectedOf(), [false, true, false, false])
  })

  for (const [ref, said] of [
    ['refs/heads/a\u202eb', /invisible/],
    ['refs/heads/\u200bmain', /invisible/],
    ['refs/notes/x', /only branches/],
    ['refs/replace/x', /only branches/],
    ['refs/heads/HEAD', /means something else/],
    [`refs/heads/${'x'.repeat(220)}`, /longer than 200/],
  ] as const)
    test(`refuses the ref ${JSON.stringify(ref).slice(0, 40)} and all that comes with it`, async () => {
      const name = fresh('refs')
      const copy = await shop(name)
      const outcome = await copy.git('push', 'headway', `main:${ref}`, 'main:fine')
      assert.notEqual(outcome.code, 0)
      assert.match(outcome.stderr, said)
      assert.deepEqual([...new Set((await updatesOf(name)).map((one) => one.ref))], ['refs/heads/main'])
    })

  const trees: readonly (readonly [string, string, RegExp])[] = [
    ['.git', '.git', /hasDotgit|\.git/],
    ['..', '..', /hasDotdot|\.\./],
    ['an escape', 'a\u001bb', /control character/],
    ['a line break', 'a\nb', /control character/],
    ['a turned direction', 'a\u202eb', /hides what it says/],
    ['300 bytes', 'x'.repeat(300), /more than 255 bytes/],
  ]
  for (const [what, name, said] of trees)
    test(`refuses a path with ${what}, also in a commit before the last`, async () => {
      const repository = fresh('trees')
      const copy = await shop(repository)
      const blob = await copy.must('rev-parse', 'HEAD:README.md')
      const entry = Buffer.concat([Buffer.from(`100644 ${name}\0`), Buffer.from(blob, 'hex')])
      const tree = await gitIn(copy.directory, ['hash-object', '-t', 'tree', '-w', '--literally', '--stdin'], {
        input: entry,
      })
      const hostile = await copy.must('commit-tree', tree.stdout.trim(), '-p', 'HEAD', '-m', 'hostile')
      const last = await copy.must('commit-tree', 'HEAD^{tree}', '-p', hostile, '-m', 'innocent')
      const outcome = await copy.git('push', 'headway', `${last}:refs/heads/main`)
      assert.notEqual(outcome.code, 0, outcome.stderr)
      assert.match(outcome.stderr, said)
      assert.equal((await updatesOf(repository)).length, 1)
    })

  test('refuses a pack over the limit and says the limit', async () => {
    const copy = await shop('large')
    await copy.commit({ 'big.bin': randomBytes(limitBytes * 3) })
    const outcome = await copy.git('push', 'headway', 'main')
    assert.notEqual(outcome.code, 0)
    assert.match(outcome.stderr, /pack exceeds maximum allowed size \(1024\.00 KiB\)/)
    assert.equal((await updatesOf('large')).length, 1)
    assert.deepEqual(
      readdirSync(join(server.code.repositoryPath(defaultProject, RepositoryName.parse('large')), 'objects')).filter(
        (name) => name.startsWith('tmp_') || name.startsWith('incoming'),
      ),
      [],
    )
  })

  test('lets one of two pushes at once win, and tells both the truth', async () => {
    const copy = await shop('race')
    const other = join(server.root, 'race-clone')
    assert.equal((await gitIn(server.root, ['clone', '--quiet', server.url('race.git'), other])).code, 0)
    const mine = await copy.commit({ mine: '1' })
    await gitIn(other, ['commit', '--quiet', '--allow-empty', '-m', 'theirs'])
    const theirs = (await gitIn(other, ['rev-parse', 'HEAD'])).stdout.trim()
    const [one, two] = await Promise.all([
      copy.git('push', '-o', 'async', 'headway', 'main'),
      gitIn(other, ['push', '-o', 'async', 'origin', 'HEAD:main']),
    ])
    const winner = one.code === 0 ? mine : theirs
    assert.deepEqual([one.code, two.code].filter((code) => code === 0).length, 1, one.stderr + two.stderr)
    assert.match(await copy.must('ls-remote', 'headway', 'refs/heads/main'), new RegExp(winner))
    assert.deepEqual((await updatesOf('race')).map(({ after: to }) => to).at(-1), winner)
    assert.equal((await updatesOf('race')).length, 2)
  })

  test('records many pushes at once to different branches, each once', async () => {
    const copy = await shop('many')
    const names = Array.from({ length: 12 }, (_, index) => `branch-${index}`)
    const outcomes = await Promise.all(names.map((name) => copy.git('push', '-o', 'async', 'headway', `main:${name}`)))
    assert.deepEqual(
      outcomes.map(({ code }) => code),
      names.map(() => 0),
    )
    const refs = (await updatesOf('many')).map(({ ref }) => ref).sort()
    assert.deepEqual(refs, ['refs/heads/main', ...names.map((name) => `refs/heads/${name}`)].sort())
    assert.equal(await server.code.scan(), 0)
  })

  test('answers an unknown push option with the known ones', async () => {
    const copy = await shop('options', false)
    const outcome = await copy.git('push', '-o', 'async', '-o', 'fast\u001b[31m', '-o', 'wait=mars', 'headway', 'main')
    assert.equal(outcome.code, 0, outcome.stderr)
    assert.match(outcome.stderr, /push option fast is not known and does nothing; known: async, wait=<environment>/)
    assert.match(outcome.stderr, /no environment mars; waiting for production \(known: production, staging\)/)
  })

  test('takes master for its default branch where that is what was pushed', async () => {
    const copy = await shop('older', false)
    await copy.must('push', '--quiet', '-o', 'async', 'headway', 'main:master')
    assert.equal(await server.code.defaultBranch(defaultProject, RepositoryName.parse('older')), 'refs/heads/master')
  })

  test('is read by others without a working copy', async () => {
    const copy = await shop('library')
    const commit = CommitId.parse(await copy.commit({ 'src/a b.txt': 'text\n' }))
    await copy.must('push', '--quiet', '-o', 'async', 'headway', 'main')
    const at = [defaultProject, RepositoryName.parse('library')] as const
    const parent = CommitId.parse(await copy.must('rev-parse', 'HEAD~1'))
    assert.deepEqual(await server.code.listFiles(...at, commit), ['README.md', 'src/a b.txt'])
    assert.equal((await server.code.readFile(...at, commit, 'src/a b.txt'))?.toString(), 'text\n')
    assert.equal(await server.code.readFile(...at, commit, 'nothing'), null)
    assert.deepEqual(
      [await server.code.isAncestor(...at, parent, commit), await server.code.isAncestor(...at, commit, parent)],
      [true, false],
    )
  })

  test('that was changed behind the ledger is found once', async () => {
    const copy = await shop('behind')
    const commit = await copy.commit({ a: '1' })
    const bare = server.code.repositoryPath(defaultProject, RepositoryName.parse('behind'))
    execFileSync('git', ['-C', copy.directory, 'push', '--quiet', bare, 'main'], {
      env: { PATH: process.env.PATH ?? '' },
    })
    assert.deepEqual([await server.code.scan(), await server.code.scan()], [1, 0])
    assert.deepEqual((await updatesOf('behind')).at(-1), {
      ref: 'refs/heads/main',
      before: await copy.must('rev-parse', 'HEAD~1'),
      after: commit,
      actor: 'system:code',
      discovered: true,
    })
  })
})
