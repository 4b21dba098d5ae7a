import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { homeAt, prepareHome } from './home.ts'
import { takeLock } from './lock.ts'
import { Problem } from './problem.ts'

let root: string
before(() => {
  root = mkdtempSync(join(tmpdir(), 'headway-home-'))
})
after(() => rmSync(root, { recursive: true, force: true }))

test('what is made for the users of jobs they can read, also where Headway is started by who keeps all to himself', () => {
  const usual = process.umask(0o077)
  try {
    const home = homeAt(join(root, 'home'), {})
    prepareHome(home)
    const tools = join(home.caches, 'tools')
    mkdirSync(tools)
    writeFileSync(join(home.workspaces, 'script'), '', { mode: 0o640 })
    const modes = [tools, join(home.workspaces, 'script'), home.root, home.runs].map(
      (path) => statSync(path).mode & 0o777,
    )
    assert.deepEqual(modes, [0o755, 0o640, 0o711, 0o700])
  } finally {
    process.umask(usual)
  }
})

test('a home that cannot be written is refused with where, why and what next', () => {
  const file = join(root, 'file')
  writeFileSync(file, '')
  const told = (path: string, why: string) => (error: unknown) =>
    error instanceof Problem &&
    error.kind === 'home-unusable' &&
    error.detail === `${path} cannot be written: ${why}` &&
    error.next?.includes('--home') === true
  assert.throws(() => prepareHome(homeAt(file, {})), told(file, 'there is a file of that name'))
  const within = homeAt(join(file, 'home'), {})
  assert.throws(() => prepareHome(within), told(within.root, 'a part of the path is a file'))
  assert.throws(() => takeLock(within), told(within.lock, 'a part of the path is a file'))
})
