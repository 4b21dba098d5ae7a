import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { systemClock } from './clock.ts'
import { connectProcessRuntime } from './runtimes/process/index.ts'
import { ask, newHome, stop, up } from './server.testing.ts'

/** The marks that a first start passes, in their order. */
const marksOfFirstStart = async (): Promise<string[]> => {
  const home = newHome()
  const trace = join(home.root, 'trace')
  const started = await up(home, [], { HEADWAY_FAILPOINT_TRACE: trace })
  assert.equal(started.outcome, 'ready', started.said())
  await stop(started, 'SIGKILL')
  const ours = /^(access|api|lock|log|server|store|ledger)\./
  return [...new Set(readFileSync(trace, 'utf8').split('\n'))].filter((mark) => ours.test(mark))
}

test('killed at any instant of its first start, the next start has one administrator whose token works', async () => {
  const marks = await marksOfFirstStart()
  for (const name of [
    'lock.note-holder',
    'access.write-master-key',
    'access.write-administrator-token',
    'ledger.append',
    'server.write-note',
  ])
    for (const side of ['before', 'after']) assert.ok(marks.includes(`${name}:${side}`), `${name}:${side}`)
  const waiting = [...marks]
  const work = async (): Promise<void> => {
    for (let mark = waiting.shift(); mark; mark = waiting.shift()) await survives(mark)
  }
  const survives = async (mark: string): Promise<void> => {
    const home = newHome()
    const killed = await up(home, [], { HEADWAY_FAILPOINT: mark })
    assert.equal(killed.outcome, 'SIGKILL', `${mark}: ${killed.said()}`)
    const started = await up(home)
    assert.equal(started.outcome, 'ready', `${mark}: ${started.said()}`)
    const users = JSON.parse(await (await ask(home, '/api/v1/users')).text())
    assert.deepEqual(
      users.map(({ user, grants }: { user: string; grants: unknown }) => ({ user, grants })),
      [{ user: 'admin', grants: [{ role: 'administrator', project: null }] }],
      mark,
    )
    const tokens = JSON.parse(await (await ask(home, '/api/v1/tokens')).text())
    assert.equal(tokens.filter(({ revokedAt }: { revokedAt: number | null }) => revokedAt === null).length, 1, mark)
    await stop(started, 'SIGKILL')
    await (await connectProcessRuntime({ home, clock: systemClock, edgeHost: '127.0.0.1', edgePort: 0 })).shutdown(
      'stop',
    )
  }
  await Promise.all([work(), work(), work()])
})
