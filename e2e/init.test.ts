import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { exampleFiles } from './support/example.ts'
import { execute, launcher, startPlatform } from './support/platform.ts'

test('headway init and git push in a repository elsewhere need no question answered, whatever its path is called', async () => {
  const elsewhere = mkdtempSync(join(tmpdir(), "headway-it's elsewhere-"))
  const repository = join(elsewhere, 'shop')
  const platform = await startPlatform({ home: join(elsewhere, 'my data') })
  try {
    const { 'headway.yaml': _, ...files } = exampleFiles('node', 'shop', 1)
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(repository, path)), { recursive: true })
      writeFileSync(join(repository, path), text)
    }
    const run = (...argv: [string, ...string[]]) =>
      execute(argv, { cwd: repository, env: { GIT_TERMINAL_PROMPT: '0', GIT_ASKPASS: 'false' } })
    await run('git', 'init', '--quiet', '--initial-branch=main')
    const begun = await run(launcher, '--home', platform.home, 'init', '--name', 'shop')
    assert.equal(begun.code, 0, begun.stderr)
    await run('git', 'add', '--all')
    const who = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com']
    await run('git', ...who, 'commit', '--quiet', '--message', 'Run on Headway')
    const pushed = await run('git', 'push', 'headway', 'main')
    assert.match(pushed.stderr, /live at http:\/\/shop\.localhost/, pushed.stderr)
    const config = await run('git', 'config', '--list')
    assert.doesNotMatch(config.stdout, /hw_/, 'no token is written into the repository')
  } finally {
    await platform.destroy()
    rmSync(elsewhere, { recursive: true, force: true })
  }
})
