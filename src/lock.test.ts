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
/** Takes the lock in a process of its own, says `taken` or `refused`, and keeps it until it is ended. */
const holder = (home: Home) => {
  const script = `
    import { takeLock } from ${program('./lock.ts')}
    import { homeAt } from ${program('./home.ts')}
    try { takeLock(homeAt(${JSON.stringify(home.root)})); console.log('taken'); setInterval(() => {}, 1e6) }
    catch (error) { console.log('refused', error.kind) }`
  const child = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', script],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  const said = once(child.stdout, 'data').then(([text]) => String(text).trim())
  return { child, said, ended: once(child, 'exit') }
}

test('of many servers that start at once on one home exactly one gets it, and the others are told', () =>
  withHome(async (home) => {
    const holders = Array.from({ length: 6 }, () => holder(home))
    const said = await Promise.all(holders.map((one) => one.said))
    assert.deepEqual(said.sort(), [...Array.from({ length: 5 }, () => 'refused already-running'), 'taken'])
    for (const { child } of holders) child.kill('SIGKILL')
    await Promise.all(holders.map(({ ended }) => ended))
  }))

test('the lock of a killed server is free at once, whatever its notes say', () =>
  withHome(async (home) => {
    for (let round = 0; round < 3; round += 1) {
      const { child, said, ended } = holder(home)
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
    const { child, said, ended } = holder(home)
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
