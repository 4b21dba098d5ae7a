import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { homeAt, prepareHome } from './home.ts'

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
