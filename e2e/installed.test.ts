import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { exampleFiles } from './support/example.ts'
import { execute, repositoryRoot, startPlatform } from './support/platform.ts'

test('the package that npm pack makes works after npm install in a bare directory', async () => {
  const elsewhere = mkdtempSync(join(tmpdir(), 'headway-installed-'))
  try {
    const built = await execute(['npm', 'run', '--silent', 'build'], { cwd: repositoryRoot })
    assert.equal(built.code, 0, built.stderr)
    const packed = await execute(['npm', 'pack', '--silent', '--pack-destination', elsewhere], { cwd: repositoryRoot })
    assert.equal(packed.code, 0, packed.stderr)
    const tarball = packed.stdout.trim().split('\n').at(-1) ?? ''
    const installed = await execute(
      ['npm', 'install', '--no-audit', '--no-fund', '--loglevel=error', join(elsewhere, tarball)],
      { cwd: elsewhere },
    )
    assert.equal(installed.code, 0, installed.stderr)
    const platform = await startPlatform({
      home: join(elsewhere, '.headway'),
      launcher: join(elsewhere, 'node_modules/.bin/headway'),
    })
    try {
      const repository = await platform.repository('shop', exampleFiles('node', 'shop', 1))
      const outcome = await repository.push()
      rmSync(repository.directory, { recursive: true, force: true })
      assert.match(outcome.output, /live at/, outcome.output)
      assert.equal((await platform.get('shop.localhost')).status, 200)
    } finally {
      await platform.destroy()
    }
  } finally {
    rmSync(elsewhere, { recursive: true, force: true })
  }
})
