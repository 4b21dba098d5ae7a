import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { killedAt, lifeEnvironment, marksToKillAt } from '../../kills.testing.ts'
import { isFact } from '../../ledger/fact.ts'
import { refUpdated } from '../facts.ts'
import { startCodeServer } from '../server-testing.ts'
import { gitIn, makeWorkingCopy } from '../testing.ts'
import { changeMerged, changeOpened, changeTestRequested } from './facts.ts'

const program = fileURLToPath(new URL('./crash-testing.ts', import.meta.url))

const patienceMs = 60_000

/** One life of the server: what is asked of it happens again until it dies, or says that all is merged. */
const live = async (root: string, env: Record<string, string>): Promise<boolean> => {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, root], {
    env: { ...lifeEnvironment(), ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<void>((done) => child.once('close', () => done()))
  const merged = Promise.withResolvers<true>()
  const ready = Promise.withResolvers<string>()
  let said = ''
  let patience: NodeJS.Timeout | undefined
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString('utf8')
    const port = /ready (\d+)/.exec(said)?.[1]
    if (port) ready.resolve(port)
    if (said.includes('merged')) merged.resolve(true)
  })
  try {
    const port = await Promise.race([ready.promise, ended.then(() => null)])
    if (port === null) return false
    const url = `http://developer:x@127.0.0.1:${port}/git/shop.git`
    const push = (...args: string[]) => gitIn(join(root, 'copy'), ['push', '-o', 'async', ...args])
    await push(url, 'origin-main:refs/heads/main')
    await push('-o', 'change', url, 'a')
    await push('-o', 'change', url, 'b')
    const tooLong = new Promise<never>((_, reject) => {
      patience = setTimeout(() => reject(new Error(`nothing more comes of it; it said: ${said}`)), patienceMs)
    })
    return await Promise.race([merged.promise, ended.then(() => false), tooLong])
  } finally {
    clearTimeout(patience)
    child.kill('SIGKILL')
    await ended
  }
}

const workplace = async (): Promise<string> => {
  const root = mkdtempSync(join(tmpdir(), 'headway-changes-crash-'))
  chmodSync(root, 0o711)
  mkdirSync(join(root, 'kills'))
  const copy = await makeWorkingCopy(join(root, 'copy'))
  await copy.must('branch', 'origin-main')
  for (const name of ['a', 'b']) {
    await copy.must('checkout', '--quiet', '-b', name, 'origin-main')
    await copy.commit({ [`${name}.txt`]: `${name}\n` })
  }
  return root
}

const liveUntilMerged = async (root: string, env: Record<string, string>): Promise<void> => {
  for (let life = 1; !(await live(root, env)); life += 1) assert.ok(life < 8, 'it does not come to its end')
}

describe('killed in the middle of merges, at', { concurrency: 4 }, async () => {
  const traced = await workplace()
  const trace = join(traced, 'trace')
  await liveUntilMerged(traced, { HEADWAY_FAILPOINT_TRACE: trace })
  const marks = [...new Set(readFileSync(trace, 'utf8').split('\n').filter(Boolean))]
  rmSync(traced, { recursive: true })
  const own = [
    'code.keep-candidate',
    'code.keep-version',
    'code.make-branch',
    'code.merge-trees',
    'code.move-branch',
    'code.write-commit',
  ]

  test('every mark that changes pass: they are these', () => {
    const passed = new Set(marks.map((mark) => mark.replace(/:.*/, '')))
    assert.deepEqual(
      own.filter((name) => !passed.has(name)),
      [],
    )
  })

  const both = [...own, 'ledger.append'].flatMap((name) => [`${name}:before`, `${name}:after`])
  for (const mark of marksToKillAt(both, ['code.move-branch', 'ledger.append']))
    test(`${mark}, everything lands once, and nothing that was not tested`, async () => {
      const root = await workplace()
      await using kept = { root, [Symbol.asyncDispose]: async () => rmSync(root, { recursive: true, force: true }) }
      await liveUntilMerged(root, killedAt(mark, join(kept.root, 'kills')))
      const server = await startCodeServer(root)
      try {
        const facts = await server.ledger.read({})
        const candidates = new Set(
          facts.flatMap((one) => (isFact(changeTestRequested, one) ? [one.payload.candidate] : [])),
        )
        const merged = facts.flatMap((one) => (isFact(changeMerged, one) ? [one.payload] : []))
        assert.deepEqual(merged.map(({ number }) => number).sort(), [1, 2, 3])
        assert.equal(facts.filter((one) => isFact(changeOpened, one)).length, 3)
        assert.ok(merged.every(({ after }) => candidates.has(after)))
        const moves = facts.flatMap((one) =>
          isFact(refUpdated, one) && one.payload.ref === 'refs/heads/main' ? [one.payload] : [],
        )
        assert.deepEqual(
          moves.map(({ before }) => before),
          [null, ...moves.slice(0, -1).map(({ after }) => after)],
        )
        assert.deepEqual(
          moves.slice(1).map(({ after }) => after),
          merged.map(({ after }) => after),
        )
        assert.ok(moves.every(({ discovered }) => !discovered))
        const { stdout: tip } = await gitIn(root, ['ls-remote', server.url('shop.git', 'viewer'), 'refs/heads/main'])
        assert.equal(tip.slice(0, 40), moves.at(-1)?.after)
        assert.deepEqual(server.problems, [])
      } finally {
        await server.stop()
      }
    })
})
