import assert from 'node:assert/strict'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { systemClock } from '../clock.ts'
import { sendSignal } from '../processes/tree.ts'
import { connectProcessRuntime, type ProcessRuntime } from '../runtimes/process/index.ts'
import { allotPort } from './ports.ts'
import { agentsOf, answeringService, askEdge, endHome, specOf, startTestAgent, tableOf, until } from './testing.ts'
import { ask } from './unix.ts'

const newAgent = async (runtime: ProcessRuntime, before: number): Promise<number> => {
  let pid = before
  await until(async () => {
    pid = (await runtime.health()).pid
    return pid !== before
  })
  return pid
}

suite('an agent that is killed', () => {
  test('is followed by one that takes over instances and edge, while traffic flows', async (context) => {
    const agent = await startTestAgent()
    context.after(agent.end)
    const { runtime } = agent
    const spec = specOf('lasting.1', {
      files: agent.files({ 'server.mjs': answeringService("console.log('begins')") }),
    })
    await runtime.start(spec)
    const first = await runtime.settled('lasting.1', 20_000)
    await runtime.route(tableOf(1, 'lasting.1'))
    const health = await runtime.health()
    let done = false
    const answers = new Map<string, number>()
    const asking = (async () => {
      while (!done) {
        const answer = await askEdge(health.edge.port)
        answers.set(answer, (answers.get(answer) ?? 0) + 1)
      }
    })()
    let pid = health.pid
    for (let kill = 0; kill < 2; kill += 1) {
      sendSignal(pid, 'SIGKILL')
      pid = await newAgent(runtime, pid)
    }
    await runtime.settled('lasting.1', 20_000)
    done = true
    await asking
    assert.deepEqual([...answers.keys()], ['200 lasting.1'])
    const after = await runtime.settled('lasting.1', 0)
    assert.deepEqual([after?.state, after?.pid, after?.restarts], ['healthy', first?.pid, 0])
    assert.equal((await runtime.start(spec)).pid, first?.pid)
    assert.equal((await runtime.health()).edge.port, health.edge.port)
    assert.equal(agentsOf(agent.home).length, 1)
  })

  test('and its instance with it: the successor starts it again and tells of its end once', async (context) => {
    const agent = await startTestAgent()
    context.after(agent.end)
    const { runtime } = agent
    await runtime.start(specOf('both.1', { files: agent.files({ 'server.mjs': answeringService() }) }))
    const first = await runtime.settled('both.1', 20_000)
    const { pid } = await runtime.health()
    sendSignal(pid, 'SIGKILL')
    sendSignal(first?.pid ?? -1, 'SIGKILL')
    await newAgent(runtime, pid)
    await until(async () => (await runtime.settled('both.1', 0))?.restarts === 1)
    const again = await runtime.settled('both.1', 20_000)
    assert.deepEqual([again?.state, again?.restarts, again?.port], ['healthy', 1, first?.port])
    const { events } = await runtime.events(0, 0)
    assert.deepEqual(
      events.map(({ kind }) => kind),
      ['healthy', 'exited', 'healthy'],
    )
  })

  test('with its edge: the next start serves on the same port again', async (context) => {
    const port = await allotPort(new Set(), Math.random) // nobody holds it for a moment, and no outgoing connection may take it
    const agent = await startTestAgent(port)
    context.after(agent.end)
    const { runtime, home } = agent
    await runtime.start(specOf('alone.1', { files: agent.files({ 'server.mjs': answeringService() }) }))
    const first = await runtime.settled('alone.1', 20_000)
    await runtime.route(tableOf(1, 'alone.1'))
    const { pid, edge } = await runtime.health()
    sendSignal(edge.pid ?? -1, 'SIGKILL')
    sendSignal(pid, 'SIGKILL')
    await until(() => agentsOf(home).length === 0 || agentsOf(home)[0] !== pid)
    const again = await connectProcessRuntime({ home, clock: systemClock, edgeHost: '127.0.0.1', edgePort: 0 })
    assert.equal((await again.health()).edge.port, edge.port)
    await until(async () => (await askEdge(edge.port)) === '200 alone.1')
    assert.equal((await again.settled('alone.1', 0))?.pid, first?.pid)
  })

  test('loses no line that a service writes meanwhile, and keeps none twice', async (context) => {
    const agent = await startTestAgent()
    context.after(agent.end)
    const { runtime } = agent
    const script = "let count = 0; setInterval(() => console.log('n' + count++), 2)"
    await runtime.start(specOf('writes.1', { files: agent.files({ 'server.mjs': answeringService(script) }) }))
    await runtime.settled('writes.1', 20_000)
    let { pid } = await runtime.health()
    for (let kill = 0; kill < 2; kill += 1) {
      sendSignal(pid, 'SIGKILL')
      pid = await newAgent(runtime, pid)
    }
    sendSignal(pid, 'SIGKILL') // whoever asks for lines in this moment hears them from the next
    const texts: string[] = []
    for await (const { text } of runtime.logs({ project: 'default', service: 'shop', limit: 100_000 })) texts.push(text)
    assert.deepEqual(
      texts,
      texts.map((_, index) => `n${index}`),
    )
    assert.ok(texts.length > 100)
  })
})

test('an edge that is killed is followed by one with the same routes', async (context) => {
  const agent = await startTestAgent()
  context.after(agent.end)
  const { runtime } = agent
  await runtime.start(specOf('kept.1', { files: agent.files({ 'server.mjs': answeringService() }) }))
  await runtime.settled('kept.1', 20_000)
  await runtime.route(tableOf(1, 'kept.1'))
  const { edge } = await runtime.health()
  sendSignal(edge.pid ?? -1, 'SIGKILL')
  await until(async () => {
    const { pid } = (await runtime.health()).edge
    return pid !== null && pid !== edge.pid
  })
  await until(async () => (await askEdge(edge.port)) === '200 kept.1')
})

test('an agent that is told to keep its instances leaves them to the next', async (context) => {
  const agent = await startTestAgent()
  const { runtime, home } = agent
  context.after(async () => {
    const last = await connectProcessRuntime({ home, clock: systemClock, edgeHost: '127.0.0.1', edgePort: 0 })
    await last.shutdown('stop')
    await endHome(home)
  })
  await runtime.start(specOf('handed.1', { files: agent.files({ 'server.mjs': answeringService() }) }))
  const first = await runtime.settled('handed.1', 20_000)
  const { pid } = await runtime.health()
  await ask(join(home.sockets, 'agent.sock'), { method: 'POST', path: '/shutdown', body: { instances: 'keep' } })
  await until(() => !agentsOf(home).includes(pid))
  const next = await connectProcessRuntime({ home, clock: systemClock, edgeHost: '127.0.0.1', edgePort: 0 })
  assert.notEqual((await next.health()).pid, pid)
  assert.equal((await next.settled('handed.1', 0))?.pid, first?.pid)
})
