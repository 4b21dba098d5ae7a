import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { killedAt, killsInARow, lifeEnvironment, marksToKillAt } from '../kills.testing.ts'
import { isFact } from '../ledger/fact.ts'
import { pushRefused, refUpdated, repositoryCreated } from './facts.ts'
import { startCodeServer } from './server-testing.ts'
import { gitIn, makeWorkingCopy } from './testing.ts'

const program = fileURLToPath(new URL('./server-testing.ts', import.meta.url))

/** The server in a process of its own; `port` is null when it died before it listened. */
const startServer = (
  root: string,
  env: Record<string, string>,
): Promise<{ child: ChildProcess; port: number | null; ended: Promise<void> }> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, root], {
      env: { ...lifeEnvironment(), ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const ended = new Promise<void>((done) => child.once('close', () => done()))
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8')
      const port = /ready (\d+)/.exec(said)?.[1]
      if (port) resolve({ child, port: Number(port), ended })
    })
    void ended.then(() => resolve({ child, port: null, ended }))
  })

/** Pushes two branches to a server that may die meanwhile, starting it again until the push has gone through. */
const pushUntilDone = async (root: string, env: Record<string, string>): Promise<void> => {
  for (let attempt = 0; ; attempt += 1) {
    assert.ok(attempt < 6, 'it does not come up again')
    const { child, port, ended } = await startServer(root, env)
    try {
      if (port === null) continue
      const url = `http://developer:x@127.0.0.1:${port}/git/shop.git`
      const pushed = await gitIn(join(root, 'copy'), ['push', '-o', 'async', url, 'main', 'main:side'])
      if (pushed.code === 0) return
    } finally {
      child.kill('SIGKILL')
      await ended
    }
  }
}

const workplace = async (): Promise<string> => {
  const root = mkdtempSync(join(tmpdir(), 'headway-code-crash-'))
  chmodSync(root, 0o711)
  mkdirSync(join(root, 'kills'))
  await makeWorkingCopy(join(root, 'copy'))
  return root
}

const onBothSides = ['ledger.append', 'code.receive-pack', 'code.place-repository', 'code.end-push']

describe('killed in the middle of a push, at', { concurrency: 4 }, async () => {
  const traced = await workplace()
  const trace = join(traced, 'trace')
  await pushUntilDone(traced, { HEADWAY_FAILPOINT_TRACE: trace })
  const marks = [...new Set(readFileSync(trace, 'utf8').split('\n').filter(Boolean))]
  rmSync(traced, { recursive: true })

  test('every mark that a push passes: they are these', () => {
    const own = marks.filter((mark) => mark.startsWith('code.') && mark.endsWith(':after'))
    assert.deepEqual(own.sort(), [
      'code.accept-push:after',
      'code.clear-nursery:after',
      'code.end-push:after',
      'code.init-repository:after',
      'code.list-new-trees:after',
      'code.place-repository:after',
      'code.read-new-trees:after',
      'code.receive-pack:after',
      'code.write-hooks:after',
    ])
    assert.ok(marks.includes('ledger.append:before'))
  })

  for (const mark of marksToKillAt(marks, onBothSides))
    test(`${mark}, the push goes through afterwards, and ledger and refs agree`, async () => {
      const root = await workplace()
      await pushUntilDone(root, killedAt(mark, join(root, 'kills')))
      await using server = await openAgain(root)
      const commit = (await gitIn(join(root, 'copy'), ['rev-parse', 'HEAD'])).stdout.trim()
      const { stdout: refs } = await gitIn(root, ['ls-remote', '--refs', server.url('shop.git', 'viewer')])
      assert.equal(refs, `${commit}\trefs/heads/main\n${commit}\trefs/heads/side\n`)
      const facts = await server.ledger.read({})
      const updates = facts.flatMap((one) => (isFact(refUpdated, one) ? [one.payload] : []))
      assert.deepEqual(updates.map(({ ref, before, after }) => ({ ref, before, after })).sort(byRef), [
        { ref: 'refs/heads/main', before: null, after: commit },
        { ref: 'refs/heads/side', before: null, after: commit },
      ])
      assert.equal(new Set(updates.map(({ push }) => push)).size, 2)
      assert.equal(facts.filter((one) => isFact(repositoryCreated, one)).length, 1)
      assert.deepEqual(server.problems, [])
    })
})

for (const mark of ['ledger.append:before', 'ledger.append:after'])
  test(`killed at ${mark} while it records a refused push, it refuses it again and nothing was changed`, async () => {
    const root = await workplace()
    await pushUntilDone(root, {})
    const commit = (await gitIn(join(root, 'copy'), ['rev-parse', 'HEAD'])).stdout.trim()
    for (let kills = 0; kills <= killsInARow; kills += 1) {
      const { child, port, ended } = await startServer(root, killedAt(mark, join(root, 'kills')))
      const url = `http://developer:x@127.0.0.1:${port}/git/shop.git`
      const { code, stderr } = await gitIn(join(root, 'copy'), ['push', url, ':main'])
      assert.equal(code, 1)
      assert.equal(/main is protected/.test(stderr), kills === killsInARow, stderr)
      child.kill('SIGKILL')
      await ended
    }
    await using server = await openAgain(root)
    assert.match((await gitIn(root, ['ls-remote', server.url('shop.git', 'viewer'), 'main'])).stdout, RegExp(commit))
    const tried = await server.ledger.read({ types: [pushRefused.type] })
    assert.equal(tried.length, mark.endsWith(':before') ? 1 : 1 + killsInARow, 'each try that could be written')
  })

const byRef = (one: { ref: string }, other: { ref: string }): number => (one.ref < other.ref ? -1 : 1)

const openAgain = async (root: string) => {
  const server = await startCodeServer(root)
  return {
    ...server,
    [Symbol.asyncDispose]: async () => {
      await server.stop()
      rmSync(root, { recursive: true, force: true })
    },
  }
}
