import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { sendSignal } from '../processes/tree.ts'
import { answeringService, specOf, startTestAgent, tableOf, until } from './testing.ts'
import { ask } from './unix.ts'

/** One request over a kept connection: its status and body, or the error's code. */
const askKept = (port: number, agent: Agent): Promise<string> =>
  new Promise((resolve) => {
    const asked = request({ port, host: '127.0.0.1', agent, headers: { host: 'shop.test' } }, (response) => {
      let body = ''
      response.on('data', (text: Buffer) => {
        body += text
      })
      response.on('end', () => resolve(`${response.statusCode} ${body}`))
    })
    asked.on('error', (error) => resolve('code' in error ? String(error.code) : error.message))
    asked.end()
  })

test('two edges accept where two are wanted: counts are of both, a crash costs only its own, both are replaced', {
  skip: availableParallelism() < 2 && 'there is one core',
}, async (context) => {
  process.env.HEADWAY_EDGE_WORKERS = '2'
  const agent = await startTestAgent()
  context.after(agent.end)
  const { runtime, home } = agent
  const port = (await runtime.health()).edge.port
  const edges = () => readdirSync(home.sockets).flatMap((name) => /^edge-(\d+)\.sock$/.exec(name)?.[1] ?? [])
  const connectionsOf = async (pid: string): Promise<{ retiring: boolean; open: number }> => {
    const { body } = await ask(join(home.sockets, `edge-${pid}.sock`), { method: 'GET', path: '/health' })
    if (typeof body !== 'object' || body === null) throw new Error('no health')
    return {
      retiring: Reflect.get(body, 'retiring') === true,
      open: Number(Reflect.get(body, 'openConnections')),
    }
  }
  await runtime.start(specOf('both.1', { files: agent.files({ 'server.mjs': answeringService() }) }))
  await runtime.settled('both.1', 20_000)
  await runtime.route(tableOf(1, 'both.1'))
  await until(() => edges().length === 2)

  // Until each has clients: who accepts is the kernel's choice.
  const agents: Agent[] = []
  context.after(() => {
    for (const one of agents) one.destroy()
  })
  let asked = 0
  const connectOne = async (): Promise<void> => {
    const one = new Agent({ keepAlive: true, maxSockets: 1 })
    agents.push(one)
    asked += 1
    assert.equal(await askKept(port, one), '200 both.1')
  }
  await until(async () => {
    await Promise.all(Array.from({ length: 8 }, connectOne))
    const open = await Promise.all(edges().map(connectionsOf))
    return open.length === 2 && open.every(({ open }) => open > 0)
  }, 60_000)
  const requests = async () => (await runtime.traffic()).minutes.reduce((sum, minute) => sum + minute.requests, 0)
  assert.equal(await requests(), asked)

  const kept = () => agents.filter(({ freeSockets }) => Object.values(freeSockets).flat().length > 0).length
  const open = async () => (await Promise.all(edges().map(connectionsOf))).reduce((sum, one) => sum + one.open, 0)
  await until(async () => (await open()) === kept()) // those that were told to come anew are closed on both sides
  const before = kept()
  const [victim = ''] = edges()
  const lost = (await connectionsOf(victim)).open
  sendSignal(Number(victim), 'SIGKILL')
  await until(() => !edges().includes(victim) && edges().length === 2, 60_000)
  await until(() => kept() <= before - lost)
  assert.equal(kept(), before - lost)

  const replaced = edges()
  let done = false
  const answers = new Set<string>()
  const load = Array.from({ length: 4 }, async () => {
    const one = new Agent({ keepAlive: true, maxSockets: 1 })
    agents.push(one)
    while (!done) answers.add(await askKept(port, one))
  })
  const fresh = await runtime.replaceEdge()
  assert.ok(!replaced.includes(String(fresh)))
  done = true
  await Promise.all(load)
  for (const one of agents) one.destroy()
  await until(() => edges().length === 2 && !edges().some((pid) => replaced.includes(pid)), 60_000)
  assert.deepEqual([...answers], ['200 both.1'])
})
