import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../clock.ts'
import { openTestLedger } from '../ledger/testing.ts'
import type { Runtime } from '../runtimes/runtime.ts'
import { followExits, operateMigrations } from './exits.ts'
import { operateFacts } from './facts.ts'
import { eventSource, spawningRuntime } from './testing.ts'

const owner = { project: 'default', service: 'shop', environment: 'production', release: 'r', commit: 'c' }
const exited = (at: number) => ({
  at,
  instance: 'shop.1.1',
  owner,
  kind: 'exited' as const,
  exit: { exitCode: 3, signal: null, outOfMemory: false, at },
  restartInMs: 500,
})

const recorded = async (count: number, read: () => Promise<{ payload: unknown }[]>) => {
  for (;;) {
    const facts = await read()
    if (facts.length >= count) return facts.map(({ payload }) => payload)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

const common = { project: 'default', service: 'shop', environment: 'production', instance: 'shop.1.1' }
const ended = { ...common, exitCode: 3, signal: null, outOfMemory: false, restartInMs: 500 }

test('what ended while nobody listened is recorded once, also when it is told again after a crash', async () => {
  await using ground = await openTestLedger({ definitions: operateFacts, migrations: operateMigrations })
  const source = eventSource()
  const runtime: Runtime = { ...spawningRuntime('/nonexistent'), events: source.events }
  const read = () => ground.ledger.read({ types: ['instance.exited'] })
  const follow = () => {
    const closing = new AbortController()
    const following = followExits({ ...ground, runtime, clock: systemClock }, closing.signal)
    return async () => {
      closing.abort()
      await following
    }
  }
  source.happen(exited(1000))
  source.happen({ ...exited(1500), kind: 'healthy', exit: null })
  const stop = follow()
  while (source.asked.length < 2) await new Promise(setImmediate)
  await stop()
  source.happen(exited(2000))
  const stopAgain = follow()
  assert.deepEqual(await recorded(2, read), [
    { ...ended, exitedAt: 1000 },
    { ...ended, exitedAt: 2000 },
  ])
  while (source.asked.length < 4) await new Promise(setImmediate)
  assert.deepEqual(source.asked, [0, 2, 2, 3], 'the cursor was kept')
  await stopAgain()

  await ground.store.tables<{ operate_agent_cursor: { seq: number } }>().deleteFrom('operate_agent_cursor').execute()
  const stopOnceMore = follow() // as if it had been killed before the cursor was kept
  while (source.asked.length < 6) await new Promise(setImmediate)
  assert.equal((await read()).length, 2)
  await stopOnceMore()
})
