import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import {
  createWriteStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import { createGzip } from 'node:zlib'
import { pack } from 'tar-stream'
import { openTestAccess, root } from './access/testing.ts'
import { backup, restore } from './backup.ts'
import { homeAt } from './home.ts'
import { ProjectName } from './names.ts'
import { Problem } from './problem.ts'
import { openSqliteStore } from './store/sqlite.ts'
import { inDirectory } from './testing.ts'

const git = (directory: string, ...words: string[]): string =>
  execFileSync('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com', ...words], {
    cwd: directory,
    encoding: 'utf8',
  }).trim()

const broken = (error: unknown) => error instanceof Problem && error.kind === 'backup-broken'

/** A home with users, a secret, a repository and a blob, backed up to a file. */
const makeBackup = async (directory: string) => {
  await using opened = await openTestAccess()
  const { access, home, store, clock } = opened
  await access.start()
  const scope = { project: ProjectName.parse('shop'), service: null, environment: null }
  await access.settings.set({ name: 'KEY', kind: 'secret', value: 'hush', scope }, root.actor)
  const bare = join(home.repositories, 'default/shop.git')
  mkdirSync(dirname(bare), { recursive: true })
  git(home.root, 'init', '--quiet', '--bare', '--initial-branch=main', bare)
  const work = join(directory, 'work')
  git(directory, 'clone', '--quiet', bare, work)
  writeFileSync(join(work, 'file'), 'text')
  git(work, 'add', '.')
  git(work, 'commit', '--quiet', '-m', 'One')
  git(work, 'push', '--quiet', 'origin', 'HEAD:main')
  const commit = git(work, 'rev-parse', 'HEAD')
  git(bare, 'gc', '--quiet') // packed, with empty directories of references
  writeFileSync(join(home.blobs, 'blob'), '')
  writeFileSync(join(home.runs, 'log.ndjson'), 'line\n')
  const file = join(directory, 'backup.tar.gz')
  const made = backup({ home, store, clock, program: '1.2.3', databases: async () => null })
  await pipeline(made, createWriteStream(file))
  return { file, commit }
}

test('a restored home has the ledger, the keys, the repositories and the blobs, and no token of the old one', () =>
  inDirectory(async (directory) => {
    const { file, commit } = await makeBackup(directory)
    const home = homeAt(join(directory, 'restored'))
    const outcome = await restore(file, home)
    assert.equal(outcome.program, '1.2.3')
    assert.equal(git(join(home.repositories, 'default/shop.git'), 'rev-parse', 'main'), commit)
    assert.equal(git(join(home.repositories, 'default/shop.git'), 'fsck', '--full'), '')
    assert.equal(statSync(home.masterKey).mode & 0o777, 0o600)
    assert.equal(existsSync(home.token), false)
    assert.equal(readFileSync(join(home.blobs, 'blob'), 'utf8'), '')
    assert.equal(readFileSync(join(home.runs, 'log.ndjson'), 'utf8'), 'line\n')
    const store = await openSqliteStore(home.database)
    const facts = await store
      .tables<{ ledger_facts: { seq: number } }>()
      .selectFrom('ledger_facts')
      .select('seq')
      .execute()
    await store.close()
    assert.equal(facts.length, outcome.facts)
    await assert.rejects(restore(file, home), (error) => error instanceof Problem && error.kind === 'home-not-empty')
  }))

test('a backup that was cut short or changed is refused and leaves nothing', () =>
  inDirectory(async (directory) => {
    const { file } = await makeBackup(directory)
    const whole = readFileSync(file)
    const home = homeAt(join(directory, 'restored'))
    for (const size of [0, 100, Math.floor(whole.length / 2), whole.length - 1]) {
      writeFileSync(file, whole)
      truncateSync(file, size)
      await assert.rejects(restore(file, home), broken, `cut at ${size}`)
      await assert.rejects(restore(file, home), /unexpected end of file|cut short/, `cut at ${size}`)
    }
    const changed = Buffer.from(whole)
    changed[Math.floor(whole.length / 2)] = (changed[Math.floor(whole.length / 2)] ?? 0) ^ 255
    writeFileSync(file, changed)
    await assert.rejects(restore(file, home), broken)
    assert.deepEqual(readdirSync(directory).sort(), ['backup.tar.gz', 'work'])
  }))

test('a file that is not there, or a directory, is told apart from a backup that is broken', () =>
  inDirectory(async (directory) => {
    const home = homeAt(join(directory, 'restored'))
    for (const [file, why] of [
      [join(directory, 'none'), /^cannot be read: ENOENT/],
      [directory, /^cannot be read: EISDIR/],
    ] as const)
      await assert.rejects(
        restore(file, home),
        (error) => error instanceof Problem && error.kind === 'backup-unread' && why.test(error.detail),
      )
    assert.deepEqual(readdirSync(directory), [])
  }))

test('entries that lead elsewhere are refused', () =>
  inDirectory(async (directory) => {
    const file = join(directory, 'hostile.tar.gz')
    const attempt = async (header: { name: string; type?: 'file' | 'symlink'; linkname?: string }) => {
      const tar = pack()
      if (header.type === 'symlink') tar.entry({ ...header, type: 'symlink' })
      else tar.entry(header, 'text')
      tar.finalize()
      await pipeline(tar, createGzip(), createWriteStream(file))
      await assert.rejects(restore(file, homeAt(join(directory, 'restored'))), broken, header.name)
    }
    for (const name of ['../escaped', '/tmp/escaped', 'a/../../escaped', './escaped', 'a//b']) await attempt({ name })
    await attempt({ name: 'link', type: 'symlink', linkname: '/etc' })
    assert.deepEqual(readdirSync(directory), ['hostile.tar.gz'])
  }))
