import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type Clock, systemClock } from '../clock.ts'
import { lastWordsIn } from '../edge/last-words.ts'
import { descriptorOf } from '../edge/testing.ts'
import type { Home } from '../home.ts'
import { Problem } from '../problem.ts'
import { stopProcessRuntime } from '../runtimes/process/index.ts'
import { fields } from './check.ts'
import { type Edges, keepEdges } from './edges.ts'
import { endHome, processesOf, testHome } from './testing.ts'
import { openTraffic } from './traffic.ts'
import { ask } from './unix.ts'

/** Waits no longer than a millisecond, so that nothing is seen to be so only because time has passed. */
const hasty: Clock = {
  ...systemClock,
  sleep: (ms, signal) => systemClock.sleep(Math.min(ms, 1), signal),
}

/** Keeps edges of a home of its own, in this process. */
const keep = async (context: TestContext): Promise<{ home: Home; edges: Edges; left: () => unknown[] }> => {
  const home = testHome()
  mkdirSync(home.agent, { recursive: true })
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.after(async () => {
    server.close()
    await endHome(home)
  })
  const traffic = openTraffic(join(home.agent, 'traffic.json'), () => 'epoch')
  const listenFd = descriptorOf(server)
  const edges = keepEdges({ home, clock: hasty, listenFd, tlsFd: null, traffic, say: () => {}, routes: () => [] })
  context.after(() => edges.leave()) // where an assertion failed, too
  return { home, edges, left: () => [...processesOf(home), ...readdirSync(home.sockets)] }
}

/** What passes for an edge of an agent before this one, which died as it started it; this program is what it does. */
const startLike = ({ root }: Home, program: string) =>
  spawn(process.execPath, ['-e', program], { env: { HEADWAY_EDGE_HOME: root }, stdio: ['ignore', 'pipe', 'ignore'] })

test('edges that end while others are to take over are all ended, by themselves, and none follows', async (context) => {
  const { home, edges, left } = await keep(context)
  await edges.push()
  const replaced = edges.replace().then(String, (error: unknown) => error instanceof Problem && error.kind)
  await edges.end(60_000)
  assert.deepEqual([await replaced, left(), lastWordsIn(home.agent).length], ['edges-end', [], 1])
})

test('edges that are replaced several times at one instant are replaced one after the other: the last one accepts', async (context) => {
  const { home, edges } = await keep(context)
  await edges.push()
  const first = edges.pid()
  const pids = await Promise.all([edges.replace(), edges.replace(), edges.replace()])
  const last = pids.at(-1) ?? 0
  assert.deepEqual([new Set([first, ...pids]).size, edges.pid()], [4, last])
  const health = await ask(join(home.sockets, `edge-${last}.sock`), {
    method: 'GET',
    path: '/health',
    timeoutMs: 5_000,
  })
  assert.equal(fields(health.body, 'health').retiring, false)
  await edges.end(60_000)
})

test('an edge that has no socket yet is ended as well, as is one that obeys nothing: nothing of them is left', async (context) => {
  const { home, edges, left } = await keep(context)
  await edges.push()
  const starting = startLike(home, 'console.log(1); setInterval(() => {}, 1000)')
  const stubborn = startLike(
    home,
    `require('net').createServer(() => {}).listen('${home.sockets}/edge-' + process.pid + '.sock', () => console.log(1))
    process.on('SIGTERM', () => {})`,
  )
  await Promise.all([starting, stubborn].map(({ stdout }) => once(stdout, 'data')))
  const ends = [starting, stubborn].map(async (child) => (await once(child, 'exit'))[1])
  await edges.end(3_000)
  assert.deepEqual([await Promise.all(ends), left()], [['SIGTERM', 'SIGKILL'], []])
})

test('an edge that was about to start when its agent died is something to stop', async (context) => {
  const home = testHome()
  context.after(() => endHome(home))
  const starting = startLike(home, 'console.log(1); setInterval(() => {}, 1000)')
  const end = once(starting, 'exit')
  await once(starting.stdout, 'data')
  assert.deepEqual([await stopProcessRuntime({ home, clock: systemClock }), processesOf(home)], [true, []])
  assert.equal((await end)[1], 'SIGTERM')
  assert.equal(await stopProcessRuntime({ home, clock: systemClock }), false)
})
