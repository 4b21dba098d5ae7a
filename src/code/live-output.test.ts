import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pushVerified, runQueued, runStarted } from '../build/facts.ts'
import { fact, isFact } from '../ledger/fact.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { refUpdated } from './facts.ts'
import { gitIn, openTestCode } from './testing.ts'

const about = { subject: 'x', actor: 'system:test' }
const ofPush = { event: null, eventName: 'push', number: 1, concurrency: null, isTrusted: true }

/** The push once it stands in the ledger, as the facts that follow it name it. */
const pushIn = (ledger: Ledger) =>
  new Promise<
    Pick<ReturnType<typeof pushVerified.payload.parse>, 'push' | 'project' | 'repository' | 'ref' | 'commit'>
  >((resolve) => {
    const look = (): void =>
      void ledger.read({ types: [refUpdated.type] }).then(([one]) => {
        if (!one || !isFact(refUpdated, one) || one.payload.after === null) return
        const { push, project, repository, ref, after: commit } = one.payload
        resolve({ push, project, repository, ref, commit })
      })
    ledger.onAppend(look)
    look()
  })

test('lines appear in the terminal of who pushes as they happen, and the push ends with the story', async () => {
  await using server = await openTestCode()
  const copy = await server.copy()
  let seen = ''
  const waiting: { text: string; done: () => void }[] = []
  const shown = (text: string): Promise<void> =>
    new Promise((done) => (seen.includes(text) ? done() : waiting.push({ text, done })))
  const onError = (text: string): void => {
    seen += text
    for (const { text: wanted, done } of waiting) if (seen.includes(wanted)) done()
  }
  const pushing = gitIn(copy.directory, ['push', server.url('shop.git'), 'main'], { onError })
  const source = await pushIn(server.ledger)
  await server.ledger.append([
    fact(runQueued, { ...about, payload: { run: 'run-1', ...source, ...ofPush, workflow: null, name: 'shop' } }),
    fact(runStarted, { ...about, payload: { run: 'run-1', isolation: 'user' } }),
  ])
  await shown('remote:   · pipeline shop') // the push is still open
  const payload = { ...source, conclusion: 'cancelled' as const, runs: ['run-1'], failure: null }
  await server.ledger.append([fact(pushVerified, { ...about, payload })])
  const outcome = await pushing
  assert.equal(outcome.code, 0)
  assert.deepEqual(
    outcome.stderr
      .split('\n')
      .map((line) => line.trimEnd())
      .filter((line) => line.startsWith('remote:')),
    ['remote:   · pipeline shop                     run-1', 'remote: not deployed: the pipeline was cancelled'],
  )
})

test('a control plane that stops lets the pushes end, kept', async () => {
  await using server = await openTestCode()
  const copy = await server.copy()
  const pushing = gitIn(copy.directory, ['push', server.url('shop.git'), 'main'])
  await pushIn(server.ledger)
  await server.code.stop()
  const outcome = await pushing
  assert.equal(outcome.code, 0, outcome.stderr)
  assert.match(outcome.stderr, /the push is kept and goes on/)
})

test('who pushes may go away; the push is kept and nothing waits for him', async () => {
  await using server = await openTestCode()
  const copy = await server.copy()
  const { spawn } = await import('node:child_process')
  const env = { PATH: process.env.PATH ?? '', HOME: '/nonexistent', GIT_CONFIG_GLOBAL: '/dev/null' }
  const client = spawn('git', ['push', server.url('shop.git'), 'main'], {
    cwd: copy.directory,
    env,
    stdio: 'ignore',
    detached: true,
  })
  await pushIn(server.ledger)
  process.kill(-(client.pid ?? 0), 'SIGKILL')
  await server.code.stop() // resolves only when every push has ended
  assert.equal((await server.ledger.read({ types: [refUpdated.type] })).length, 1)
})

test('a push that the ledger could not record is kept, said so, and recorded once that is possible', async () => {
  await using server = await openTestCode()
  const copy = await server.copy()
  await copy.must('push', '--quiet', '-o', 'async', server.url('shop.git'), 'main')
  const commit = await copy.commit({ a: '1' })
  let failures = 2
  const { append } = server.ledger
  server.ledger.append = async (facts, options) => {
    failures -= 1
    if (failures >= 0) throw new Error('the disk is full')
    return append(facts, options)
  }
  const outcome = await copy.git('push', server.url('shop.git'), 'main')
  assert.equal(outcome.code, 0, outcome.stderr)
  assert.match(outcome.stderr, /remote: Headway could not finish: the disk is full/)
  assert.match(outcome.stderr, /remote: the push is kept; it is recorded and goes on as soon as possible/)
  await new Promise<void>((resolve) => {
    const look = (): void => {
      void server.ledger.read({ types: [refUpdated.type] }).then((facts) => facts.length === 2 && resolve())
    }
    server.ledger.onAppend(look)
    look()
  })
  const last = (await server.ledger.read({ types: [refUpdated.type] })).at(-1)
  assert.deepEqual(
    last && isFact(refUpdated, last) ? [last.payload.after, last.payload.discovered, last.actor] : null,
    [commit, true, 'system:code'],
  )
  assert.equal(failures < 0, true)
})
