import assert from 'node:assert/strict'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { systemClock } from '../clock.ts'
import { type EdgeSettings, noSettings } from '../edge/settings.ts'
import { makeCertificate, writePair } from '../edge/tls/testing.ts'
import { sendSignal } from '../processes/tree.ts'
import { connectProcessRuntime } from '../runtimes/process/index.ts'
import { answeringService, openTestAgent, specOf, tableOf, testHome, until } from './testing.ts'

const settingsFor = (directory: string, change: Partial<EdgeSettings> = {}): EdgeSettings => ({
  ...noSettings,
  tls: { host: '127.0.0.1', port: 0, publicPort: null, certificates: [directory], redirect: true, acme: null },
  ...change,
})

const askTls = (port: number, agent: Agent | false): Promise<string> =>
  new Promise((resolve) => {
    const about = { port, host: '127.0.0.1', servername: 'shop.test', headers: { host: 'shop.test' } }
    const asked = request({ ...about, agent, rejectUnauthorized: false }, (response) => {
      let body = ''
      response.on('data', (text: Buffer) => {
        body += text
      })
      response.on('end', () => resolve(`${response.statusCode} ${body}`))
      response.on('error', () => resolve('broken'))
    })
    asked.on('error', (error) => resolve('code' in error ? String(error.code) : error.message))
    asked.end()
  })

suite('the port for TLS', () => {
  test('is handed from edge to edge and from agent to agent, and no connection is refused or reset', async (context) => {
    const home = testHome()
    const directory = join(home.root, 'certificates')
    writePair(directory, 'shop', await makeCertificate(['shop.test']))
    const agent = await openTestAgent(home, settingsFor(directory))
    context.after(agent.end)
    const { runtime } = agent
    await runtime.start(specOf('one.1', { files: agent.files({ 'server.mjs': answeringService() }) }))
    await runtime.settled('one.1', 20_000)
    await runtime.route(tableOf(1, 'one.1'))
    const before = await runtime.health()
    const port = before.edge.tls?.port ?? 0
    let done = false
    const answers = new Map<string, number>()
    const kept = new Agent({ keepAlive: true })
    context.after(() => kept.destroy())
    const asking = [kept, kept, false as const, false as const].map(async (by) => {
      while (!done) {
        const answer = await askTls(port, by)
        answers.set(answer, (answers.get(answer) ?? 0) + 1)
      }
    })
    await until(() => (answers.get('200 one.1') ?? 0) > 20)
    for (let turn = 0; turn < 2; turn += 1) await runtime.replaceEdge()
    sendSignal(before.pid, 'SIGKILL')
    await until(async () => (await runtime.health()).pid !== before.pid)
    const edge = (await runtime.health()).edge
    assert.equal(edge.tls?.port, port)
    // Other settings: another edge takes over by itself.
    await connectProcessRuntime({
      ...{ home, clock: systemClock, edgeHost: '127.0.0.1', edgePort: 0 },
      edgeSettings: settingsFor(directory, { connectionsPerAddress: 500 }),
    })
    await until(async () => (await runtime.health()).edge.pid !== edge.pid)
    const soFar = answers.get('200 one.1') ?? 0
    await until(() => (answers.get('200 one.1') ?? 0) > soFar + 20)
    done = true
    await Promise.all(asking)
    assert.deepEqual([...answers.keys()], ['200 one.1'])
  })

  test('cannot be added to an edge that runs, and that is said', async (context) => {
    const home = testHome()
    const directory = join(home.root, 'certificates')
    writePair(directory, 'shop', await makeCertificate(['shop.test']))
    const agent = await openTestAgent(home)
    context.after(agent.end)
    await assert.rejects(
      connectProcessRuntime({
        ...{ home, clock: systemClock, edgeHost: '127.0.0.1', edgePort: 0 },
        edgeSettings: settingsFor(directory),
      }),
      /the edge runs already, without a port for TLS/,
    )
  })
})
