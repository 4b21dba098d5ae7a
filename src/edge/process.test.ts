import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { Agent } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fields, whole } from '../agent/check.ts'
import { systemClock } from '../clock.ts'
import {
  ask,
  host,
  poolOf,
  spawnEdge,
  startHome,
  startInstance,
  startLoad,
  startRawInstance,
  tableOf,
  until,
} from './testing.ts'

const startHello = (t: TestContext) =>
  startInstance(t, (request, response) => {
    request.resume()
    request.on('end', () => response.end('hello'))
  })

test('the edge obeys its protocol on a socket that only its user may open', async (t) => {
  const { port } = await startHello(t)
  const home = await startHome(t)
  const { places, port: at } = home
  const edge = await spawnEdge(home)
  const socketFile = join(places.sockets, `edge-${edge.pid}.sock`)
  assert.equal(statSync(socketFile).mode & 0o777, 0o600)
  const table = tableOf(7, poolOf('v1', 1, { a: port }))
  assert.deepEqual(await edge.control('PUT', '/table', table), { status: 200, body: { generation: 7 } })
  assert.deepEqual(await edge.control('GET', '/table'), { status: 200, body: table })
  assert.deepEqual(JSON.parse(readFileSync(join(places.state, 'edge-table.json'), 'utf8')), table)
  assert.equal((await ask({ port: at, path: '/a?token=secret&b' })).body.toString(), 'hello')
  assert.equal((await edge.control('PUT', '/table', tableOf(6))).status, 409)
  assert.equal((await edge.control('PUT', '/table', { generation: 8, routes: [{}] })).status, 400)
  assert.equal((await edge.control('GET', '/nothing')).status, 404)
  assert.deepEqual((await edge.control('GET', '/in-flight?instance=a')).body, { requests: 0, connections: 1 })
  const { busyMs, ...health } = fields((await edge.control('GET', '/health')).body, 'health')
  assert.ok(whole(busyMs, 'busyMs') > 0)
  assert.deepEqual(health, {
    settings: 'none',
    pid: edge.pid,
    generation: 7,
    retiring: false,
    openRequests: 0,
    openConnections: 0,
  })
  const counters = (await edge.control('GET', '/counters')).body
  assert.match(
    JSON.stringify(counters),
    /"service":"default\/shop","version":"v1","requests":1,"classes":\{"c1":0,"c2":1,/,
  )
  edge.kill('SIGTERM')
  assert.equal(await edge.exited, 0)
  assert.equal(existsSync(socketFile), false)
  const line = JSON.parse(readFileSync(join(places.state, 'edge-access.log'), 'utf8'))
  const { time, requestId, bytes, durationMs, ...rest } = line
  assert.ok(Date.parse(time) > 0 && requestId.length === 36 && bytes > 5 && durationMs > 0, JSON.stringify(line))
  assert.deepEqual(rest, {
    client: '127.0.0.1',
    host,
    method: 'GET',
    path: '/a?token=&b',
    status: 200,
    service: 'default/shop',
    version: 'v1',
    instance: 'a',
  })
})

test('one edge after the other takes over the socket under load, and no request fails', async (t) => {
  const { port } = await startHello(t)
  const home = await startHome(t)
  const { port: at } = home
  let edge = await spawnEdge(home)
  await edge.control('PUT', '/table', tableOf(1, poolOf('v1', 1, { a: port })))
  const kept = startLoad(t, at, 16, (turn) => (turn % 4 === 0 ? { method: 'POST', body: 'some body' } : {}))
  const never = new Agent({ keepAlive: false })
  const fresh = startLoad(t, at, 8, () => ({ agent: never }))
  const retired: Promise<unknown>[] = []
  for (let turn = 0; turn < 8; turn += 1) {
    const next = await spawnEdge(home)
    const seen = [kept.answered(), fresh.answered()] as const
    await until('both serve', () => kept.answered() > seen[0] + 100 && fresh.answered() > seen[1] + 50)
    assert.equal((await edge.control('POST', '/retire')).status, 200)
    retired.push(edge.exited)
    edge = next
  }
  const [first, second] = [await kept.stop(), await fresh.stop()]
  assert.deepEqual([first.failures, second.failures], [[], []])
  assert.deepEqual(await Promise.all(retired), Array(8).fill(0)) // each connection said goodbye, so each process could end
})

test('a retired edge serves its tunnel and its long answer to their end, then exits', async (t) => {
  let finish: () => void = () => {}
  const { port } = await startRawInstance(t, (socket) => {
    socket.once('data', (head) => {
      if (head.includes('Upgrade: talk')) {
        socket.write('HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: talk\r\n\r\n')
        socket.on('data', (text) => socket.write(text))
        socket.on('end', () => socket.end())
      } else finish = () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlong')
    })
  })
  const home = await startHome(t)
  const { port: at } = home
  const edge = await spawnEdge(home)
  await edge.control('PUT', '/table', tableOf(1, poolOf('v1', 1, { a: port })))
  const tunnel = connect({ port: at, host: '127.0.0.1' })
  let received = ''
  tunnel.setEncoding('latin1').on('data', (text: string) => {
    received += text
  })
  tunnel.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: talk\r\n\r\n`)
  await until('the tunnel stands', () => received.includes('101'))
  const long = ask({ port: at })
  await until('both are open', async () =>
    JSON.stringify((await edge.control('GET', '/in-flight?instance=a')).body).startsWith('{"requests":2,'),
  )
  assert.deepEqual((await edge.control('POST', '/retire')).body, { openRequests: 2, openConnections: 2 })
  finish()
  assert.equal((await long).body.toString(), 'long')
  tunnel.write('still there')
  await until('the tunnel echoes', () => received.endsWith('still there'))
  await edge.control('GET', '/health') // it lives
  tunnel.end()
  assert.equal(await edge.exited, 0)
})

test('an edge that retires with a limit is over when the limit is', async (t) => {
  const { port } = await startRawInstance(t, () => {})
  const home = await startHome(t)
  const { port: at } = home
  const edge = await spawnEdge(home)
  await edge.control('PUT', '/table', tableOf(1, poolOf('v1', 1, { a: port })))
  const never = ask({ port: at })
  const rejected = assert.rejects(never)
  await until('it is open', async () =>
    /"openRequests":1/.test(JSON.stringify((await edge.control('GET', '/health')).body)),
  )
  await edge.control('POST', '/retire', { limitMs: 100 })
  assert.equal(await edge.exited, 0)
  await rejected
})

test('an edge that was killed is replaced by one that routes by the table on disk before anybody tells it', async (t) => {
  const { port } = await startHello(t)
  const home = await startHome(t)
  const { port: at } = home
  const edge = await spawnEdge(home)
  const table = tableOf(3, poolOf('v1', 1, { a: port }))
  await edge.control('PUT', '/table', table)
  edge.kill('SIGKILL')
  assert.equal(await edge.exited, 'SIGKILL')
  const waiting = ask({ port: at }) // the socket lives on: this one waits in its queue
  const next = await spawnEdge(home)
  assert.equal((await waiting).body.toString(), 'hello')
  assert.deepEqual((await next.control('GET', '/table')).body, table)
})

test('a table on disk that is damaged is left aside', async (t) => {
  const home = await startHome(t)
  const { places, port: at } = home
  writeFileSync(join(places.state, 'edge-table.json'), '{"generation":')
  await spawnEdge(home)
  assert.equal((await ask({ port: at })).status, 404)
})

/** An entry whose successor agent writes down that it was started, and with what. */
const entryWith = (successor: string, backOffMs: number): string => `
import { runEdge } from ${JSON.stringify(import.meta.resolve('./process.ts'))}
import { spawn } from 'node:child_process'
import { appendFileSync } from 'node:fs'
await runEdge({
  home: process.env.HEADWAY_EDGE_HOME, sockets: process.env.HEADWAY_EDGE_SOCKETS, state: process.env.HEADWAY_EDGE_STATE,
  listenFds: [3], livenessFd: 4, timing: { lookMs: 20, backOffMs: ${backOffMs}, starts: 3 },
  startAgent: async ({ home, listenFd }) => {
    appendFileSync(home + '/started', listenFd + '\\n')
    ${successor}
  },
})
`

test('when its agent dies, the edge starts a successor with the socket, and again when that one dies', async (t) => {
  const { port } = await startHello(t)
  const home = await startHome(t)
  const { places, port: at } = home
  const agent = join(places.home, 'agent.mjs')
  const answering = `
    import { createServer } from 'node:http'
    import { fstatSync, writeFileSync, rmSync } from 'node:fs'
    rmSync(process.argv[2] + '/run/agent.sock', { force: true })
    createServer((q, s) => s.end()).listen(process.argv[2] + '/run/agent.sock', () =>
      writeFileSync(process.argv[2] + '/agent.pid', process.pid + ' ' + fstatSync(3).isSocket()))`
  writeFileSync(agent, answering)
  const entry = join(places.home, 'entry.mjs')
  writeFileSync(
    entry,
    entryWith(
      `spawn(process.execPath, [home + '/agent.mjs', home], { stdio: ['ignore', 'inherit', 'inherit', listenFd] }).unref()`,
      3_000,
    ),
  )
  const edge = await spawnEdge(home, entry)
  await edge.control('PUT', '/table', tableOf(1, poolOf('v1', 1, { a: port })))
  const load = startLoad(t, at, 4)
  const pidFile = join(places.home, 'agent.pid')
  const born = async (): Promise<number> => {
    await until('a successor answers', () => existsSync(pidFile) && readFileSync(pidFile, 'utf8').includes(' '))
    const [pid, inherited] = readFileSync(pidFile, 'utf8').split(' ')
    assert.equal(inherited, 'true')
    rmSync(pidFile)
    return Number(pid)
  }
  await systemClock.sleep(100)
  assert.equal(existsSync(join(places.home, 'started')), false)
  edge.letGo() // the agent is gone
  const first = await born()
  process.kill(first, 'SIGKILL')
  const second = await born()
  assert.equal(readFileSync(join(places.home, 'started'), 'utf8'), '3\n3\n')
  const { failures, answered } = await load.stop()
  assert.deepEqual(failures, [])
  assert.ok(answered > 0)
  edge.kill('SIGTERM')
  assert.equal(await edge.exited, 0)
  process.kill(second, 'SIGKILL')
})

test('no successor is started while somebody answers, nor by an edge that retires, and at most so often in a row', async (t) => {
  const home = await startHome(t)
  const { places, port: at } = home
  const entry = join(places.home, 'entry.mjs')
  writeFileSync(entry, entryWith('throw new Error("no")', 20))
  const starts = () =>
    existsSync(join(places.home, 'started')) ? readFileSync(join(places.home, 'started'), 'utf8').length / 2 : 0
  const somebody = spawn(
    process.execPath,
    [
      '-e',
      `require('http').createServer((q,s)=>s.end()).listen(${JSON.stringify(join(places.sockets, 'agent.sock'))},()=>console.log('up'))`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const gone = new Promise((done) => somebody.once('exit', done))
  t.after(() => somebody.kill('SIGKILL'))
  await new Promise((done) => somebody.stdout.once('data', done))
  const edge = await spawnEdge(home, entry)
  const retired = await spawnEdge(home, entry)
  const open: Socket[] = []
  t.after(() => {
    for (const socket of open) socket.destroy()
  })
  await until('the one that is to retire has a connection, so that it stays for a while', async () => {
    open.push(connect({ port: at, host: '127.0.0.1' }).on('error', () => {}))
    return !/"openConnections":0/.test(JSON.stringify((await retired.control('GET', '/health')).body))
  })
  await retired.control('POST', '/retire', { limitMs: 60_000 })
  edge.letGo()
  retired.letGo()
  await systemClock.sleep(200)
  assert.equal(starts(), 0)
  somebody.kill('SIGKILL')
  await gone
  await until('three were tried', () => starts() === 3)
  await systemClock.sleep(500)
  assert.equal(starts(), 3)
  rmSync(places.home, { recursive: true, force: true }) // whoever removes the home wants nothing left
  assert.equal(await edge.exited, 0)
})

test('a thousand clients that come while the edge is busy are waited for by the kernel, not turned away', async (t) => {
  const { port } = await startHello(t)
  const home = await startHome(t)
  const edge = await spawnEdge(home)
  await edge.control('PUT', '/table', tableOf(1, poolOf('v1', 1, { a: port })))
  const allowed = Number(readFileSync('/proc/sys/net/core/somaxconn', 'utf8'))
  const clients = Math.min(1_000, allowed)
  edge.kill('SIGSTOP')
  let connected = 0
  const answers = Array.from({ length: clients }, () => {
    const socket = connect({ port: home.port, host: '127.0.0.1' }, () => {
      connected += 1
    })
    t.after(() => socket.destroy())
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
    let answer = ''
    socket.on('data', (bytes) => {
      answer += String(bytes)
    })
    socket.on('error', () => {})
    return new Promise((done) => socket.once('close', () => done(answer.slice(0, 15))))
  })
  await until('all are connected', () => connected === clients)
  edge.kill('SIGCONT')
  assert.deepEqual(new Set(await Promise.all(answers)), new Set(['HTTP/1.1 200 OK']))
})
