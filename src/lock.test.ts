import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { stopControlPlane } from './down.ts'
import { type Home, homeAt, prepareHome } from './home.ts'
import { isLocked, lockHolder, takeLock } from './lock.ts'
import { Problem } from './problem.ts'

const withHome = async (act: (home: Home) => Promise<void>): Promise<void> => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-lock-'))
  const home = homeAt(directory)
  prepareHome(home)
  try {
    await act(home)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

const program = (name: string): string => JSON.stringify(fileURLToPath(new URL(name, import.meta.url)))
/**
 * Takes the lock in a process of its own, says `taken` or `refused`, and keeps it until it is ended: by the test, or with it. What it
 * got from taking it is thrown away and the garbage collected, as that must not lose it the lock.
 */
const holder = (home: Home) => {
  const script = `
    import { takeLock } from ${program('./lock.ts')}
    import { homeAt } from ${program('./home.ts')}
    try { takeLock(homeAt(${JSON.stringify(home.root)})); globalThis.gc(); console.log('taken'); setInterval(() => {}, 1e6) }
    catch (error) { console.log('refused', error.kind) }`
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--expose-gc', '--input-type=module', '--eval', script],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const ended = once(child, 'exit')
  const said = Promise.race([
    once(child.stdout, 'data').then(([text]) => String(text).trim()),
    ended.then(([code]) => `ended with ${code}, saying nothing`),
  ])
  return {
    child,
    said,
    ended,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}

test('of many servers that start at once on one home exactly one gets it, and the others are told', () =>
  withHome(async (home) => {
    await using holders = new AsyncDisposableStack()
    const all = Array.from({ length: 6 }, () => holders.use(holder(home)))
    const said = await Promise.all(all.map((one) => one.said))
    assert.deepEqual(said.sort(), [...Array.from({ length: 5 }, () => 'refused already-running'), 'taken'])
  }))

test('the lock of a killed server is free at once, whatever its notes say', () =>
  withHome(async (home) => {
    for (let round = 0; round < 3; round += 1) {
      await using one = holder(home)
      const { child, said, ended } = one
      assert.equal(await said, 'taken')
      assert.equal(isLocked(home), true)
      assert.equal(lockHolder(home), child.pid)
      child.kill('SIGKILL')
      await ended
      assert.equal(isLocked(home), false)
    }
    // The pid of the dead one is somebody else's by now: ours.
    writeFileSync(`${home.lock}.pid`, `${process.pid}\n`)
    assert.equal(await stopControlPlane(home), null)
    takeLock(home).release()
  }))

test('who is refused is told the process and its address', () =>
  withHome(async (home) => {
    await using one = holder(home)
    const { child, said, ended } = one
    await said
    writeFileSync(home.server, JSON.stringify({ url: 'http://127.0.0.1:4600', edgePort: 4680, pid: child.pid }))
    assert.throws(
      () => takeLock(home),
      (error) =>
        error instanceof Problem &&
        error.kind === 'already-running' &&
        error.detail ===
          `a Headway runs on ${home.root} already: it is process ${child.pid} and answers at http://127.0.0.1:4600`,
    )
    assert.equal(await stopControlPlane(home), child.pid)
    await ended
  }))
