import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { processesOf } from './support/leftovers.ts'
import { type Ended, execute, repositoryRoot } from './support/platform.ts'

/** Clones the repository as it is committed, as a stranger would, and runs the README's first command there. */
const demoIn = async (directory: string, asUser: readonly [string, ...string[]]): Promise<Ended> => {
  const clone = join(directory, 'headway')
  const home = join(directory, 'home')
  const run = (...argv: string[]) =>
    execute([...asUser, ...argv], {
      cwd: directory,
      env: { HOME: home, XDG_CACHE_HOME: join(home, 'cache'), NO_COLOR: '1' },
    })
  await run('mkdir', '-p', home)
  // A bundle holds what is committed, and a user who does not own the repository may clone it.
  const bundle = join(directory, 'headway.bundle')
  const bundled = await execute(['git', 'bundle', 'create', '--quiet', bundle, 'HEAD'], { cwd: repositoryRoot })
  assert.equal(bundled.code, 0, bundled.stderr)
  chmodSync(bundle, 0o644)
  const cloned = await run('git', 'clone', '--quiet', bundle, clone)
  assert.equal(cloned.code, 0, cloned.stderr)
  return execute([...asUser, 'npm', 'run', 'demo', '--', '--once'], {
    cwd: clone,
    env: { HOME: home, XDG_CACHE_HOME: join(home, 'cache'), NO_COLOR: '1', npm_config_cache: join(home, 'npm') },
  })
}

const users: readonly (readonly [string, readonly [string, ...string[]]])[] =
  process.getuid?.() === 0
    ? [
        ['root', ['env']],
        ['an ordinary user', ['setpriv', '--reuid', 'nobody', '--regid', 'nogroup', '--clear-groups']],
      ]
    : [['an ordinary user', ['env']]]

for (const [who, asUser] of users) {
  test(`npm run demo on a fresh clone does as it tells, as ${who}, and leaves nothing running`, async () => {
    const directory = mkdtempSync(join(tmpdir(), 'headway-stranger-'))
    chmodSync(directory, 0o777)
    try {
      const outcome = await demoIn(directory, asUser)
      assert.equal(outcome.code, 0, `${outcome.stdout}\n${outcome.stderr}`)
      assert.deepEqual(processesOf(directory), [])
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })
}
