import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { InstanceSpec, LogLine } from '../agent/protocol.ts'
import type { Runtime } from './runtime.ts'

/** What a runtime needs to be judged by the contract. */
export type RuntimeUnderTest = {
  readonly runtime: Runtime
  /** An instance that becomes healthy, answers with its id, and prints the words to stdout when it starts. */
  healthy(id: string, words: string): InstanceSpec
  /** One that ends by itself with the exit code, always, before it is healthy. */
  exiting(id: string, exitCode: number): InstanceSpec
  /** What a client gets of the service `shop` from the outside: the body, or null when nobody answers for it. */
  ask(): Promise<string | null>
  end(): Promise<void>
}

/** What every runtime promises to the stages; each implementation passes it. */
export const runtimeContract = (name: string, open: () => Promise<RuntimeUnderTest>): void => {
  suite(`the runtime ${name}`, () => {
    let under: RuntimeUnderTest
    before(async () => {
      under = await open()
    })
    after(() => under.end())

    const lines = async (search: string): Promise<LogLine[]> => {
      const found: LogLine[] = []
      for await (const line of under.runtime.logs({ project: 'default', service: 'shop', search })) found.push(line)
      return found
    }

    test('starts an instance, and the same again changes nothing', async () => {
      const spec = under.healthy('twice.1', 'first words')
      await under.runtime.start(spec)
      const settled = await under.runtime.settled('twice.1', 20_000)
      assert.equal(settled?.state, 'healthy')
      assert.deepEqual(settled?.owner, spec.owner)
      assert.equal((await under.runtime.start(spec)).startedAt, settled?.startedAt)
      assert.deepEqual(
        (await under.runtime.instances()).map(({ id, state, restarts }) => ({ id, state, restarts })),
        [{ id: 'twice.1', state: 'healthy', restarts: 0 }],
      )
      assert.equal((await under.runtime.stop('twice.1')).kind, 'stopped')
    })

    test('knows nothing of what was stopped or never was', async () => {
      assert.equal(await under.runtime.settled('never.1', 1), null)
      assert.deepEqual(await under.runtime.stop('never.1'), { kind: 'absent' })
    })

    test('routes to what the table names, and a table that is older is refused', async () => {
      await under.runtime.start(under.healthy('routed.1', 'routed'))
      await under.runtime.settled('routed.1', 20_000)
      const pools = [{ version: 'one', weight: 1, instances: ['routed.1'] }]
      const table = { generation: 5, routes: [{ hosts: ['shop.test'], service: 'shop', pools }] }
      await under.runtime.route(table)
      assert.equal(await under.ask(), 'routed.1')
      assert.deepEqual(await under.runtime.routes(), table)
      await assert.rejects(under.runtime.route({ generation: 4, routes: [] }), /generation/)
      await under.runtime.stop('routed.1')
      assert.equal(await under.ask(), null)
      const { minutes } = await under.runtime.traffic()
      assert.ok(
        minutes.some(({ service, version, requests }) => service === 'shop' && version === 'one' && requests > 0),
      )
    })

    test('gives up what only exits, and tells how', async () => {
      const { next } = await under.runtime.events(0, 0)
      await under.runtime.start(under.exiting('exits.1', 7))
      const settled = await under.runtime.settled('exits.1', 20_000)
      assert.deepEqual([settled?.state, settled?.lastExit?.exitCode], ['failed', 7])
      const { events } = await under.runtime.events(next, 0)
      const own = events.filter(({ instance }) => instance === 'exits.1')
      assert.deepEqual([own.at(0)?.kind, own.at(0)?.exit?.exitCode, own.at(-1)?.kind], ['exited', 7, 'failed'])
      assert.equal((await under.runtime.stop('exits.1')).kind, 'stopped')
    })

    test('keeps what instances say, also of those that are gone', async () => {
      await under.runtime.start(under.healthy('talks.1', 'Some Words of mine'))
      await under.runtime.settled('talks.1', 20_000)
      await under.runtime.stop('talks.1')
      assert.deepEqual(
        (await lines('words OF')).map(({ instance, stream, text }) => ({ instance, stream, text })),
        [{ instance: 'talks.1', stream: 'stdout', text: 'Some Words of mine' }],
      )
    })
  })
}
