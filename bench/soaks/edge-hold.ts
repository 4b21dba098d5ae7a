import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { EdgeHealth, EdgeTable } from '../../src/edge/protocol.ts'

type Say = (holds: boolean, what: string) => void
const host = 'shop.localhost'
const idle = Number(process.env.HOLD_IDLE ?? 8_000)
const active = Number(process.env.HOLD_ACTIVE ?? 1_000)
const slow = 1_000
const changes = 10_000

/**
 * What an edge must hold: WebSockets, idle and active, through changes of routes; clients of a byte a second, clients that never read and
 * instances that die in mid-answer, beside others that are served all the while; changes of routes under load. In the end nothing is
 * left open and its memory is what it was.
 */
export const holdEdge = async (say: Say): Promise<void> => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-hold-'))
  const { server, port } = await startInstance()
  const child = spawn(
    process.execPath,
    [join(import.meta.dirname, '../edge.ts'), 'edge', directory, '0', String(port)],
    {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    },
  )
  const at = await new Promise<number>((done) => child.once('message', (message) => done(Number(message))))
  const edge = controlOf(child, port)
  try {
    for (let turn = 0; turn < 2_000; turn += 1) await askOnce(at)
    const before = pssOf(child)
    await holdSockets(at, edge, child, before, say)
    await serveBesideTheSlow(at, edge, say)
    await changeRoutes(at, edge, say)
    await delay(3_000)
    const { openRequests, openConnections } = await edge.health()
    say(
      openRequests === 0 && openConnections === 0,
      `left open: ${openRequests} requests, ${openConnections} connections`,
    )
    say(true, `edge, MB PSS: ${before.toFixed(0)} before all, ${pssOf(child).toFixed(0)} after all`)
  } finally {
    child.kill('SIGKILL')
    server.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

type Control = { route(generation: number): void; health(): Promise<EdgeHealth> }

const controlOf = (child: ChildProcess, port: number): Control => ({
  route: (generation) => {
    const pools = [
      { version: 'v1', weight: 90, endpoints: [{ instance: `a${generation % 7}`, port, healthy: true }] },
      { version: 'v2', weight: generation % 100, endpoints: [{ instance: 'b', port, healthy: true }] },
    ]
    child.send({ generation, routes: [{ hosts: [host], service: 'bench', pools }] } satisfies EdgeTable)
  },
  health: () =>
    new Promise((done) => {
      child.once('message', (message) => done(message as EdgeHealth))
      child.send('health')
    }),
})

const holdSockets = async (at: number, edge: Control, child: ChildProcess, before: number, say: Say): Promise<void> => {
  const sockets: Held[] = []
  for (let from = 0; from < idle + active; from += 200)
    sockets.push(...(await Promise.all(Array.from({ length: 200 }, () => openTunnel(at)))))
  await delay(3_000)
  const eachKb = ((pssOf(child) - before) * 1000) / sockets.length
  say(true, `${sockets.length} WebSockets: ${eachKb.toFixed(1)} KB each in the edge`)
  let echoes = 0
  const talking = sockets.slice(0, active)
  for (const one of talking)
    one.heard = () => {
      echoes += 1
    }
  for (let second = 0; second < 10; second += 1) {
    for (const { socket } of talking) socket.write('hello')
    for (let change = 0; change < 10; change += 1) edge.route(2 + second * 10 + change)
    await delay(1_000)
  }
  for (let wait = 0; wait < 100 && echoes < active * 10; wait += 1) await delay(100)
  const dropped = sockets.filter(({ isOpen }) => !isOpen).length
  say(
    dropped === 0 && echoes === active * 10,
    `${dropped} dropped over 100 changes of routes; ${echoes} of ${active * 10} echoes from ${active} active ones`,
  )
  for (const { socket } of sockets) socket.destroy()
  for (let wait = 0; wait < 300 && (await edge.health()).openConnections > 0; wait += 1) await delay(100)
}

type Held = { readonly socket: Socket; isOpen: boolean; heard: () => void }
const openTunnel = (at: number): Promise<Held> =>
  new Promise((done, failed) => {
    const socket = connect({ port: at, host: '127.0.0.1' })
    const held: Held = { socket, isOpen: false, heard: () => {} }
    socket.on('error', failed)
    socket.on('close', () => {
      held.isOpen = false
    })
    socket.on('data', (bytes) => {
      if (held.isOpen) return held.heard()
      held.isOpen = bytes.includes('101 ')
      done(held)
    })
    socket.write(`GET /talk HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: talk\r\n\r\n`)
  })

const serveBesideTheSlow = async (at: number, edge: Control, say: Say): Promise<void> => {
  const sockets: Socket[] = []
  const open = (bytes: string): Socket => {
    const socket = connect({ port: at, host: '127.0.0.1' })
    socket.on('error', () => {})
    socket.write(bytes)
    sockets.push(socket)
    return socket
  }
  const head = `GET /slow HTTP/1.1\r\nHost: ${host}\r\nX-Long: ${'y'.repeat(200)}\r\n\r\n`
  const dripping = Array.from({ length: slow }, () => open(''))
  for (let never = 0; never < 50; never += 1) open(`GET /large HTTP/1.1\r\nHost: ${host}\r\n\r\n`).pause()
  for (let early = 0; early < 50; early += 1)
    open(`POST /early HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 9999999\r\n\r\nx`)
  const times: number[] = []
  let failed = 0
  for (let second = 0; second < 30; second += 1) {
    for (const socket of dripping) socket.write(head[second] ?? '')
    for (let death = 0; death < 10; death += 1) open(`GET /dies HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    const until = performance.now() + 1_000
    while (performance.now() < until) {
      const began = performance.now()
      if (!(await askOnce(at))) failed += 1
      times.push(performance.now() - began)
    }
  }
  times.sort((one, other) => one - other)
  const p99 = times[Math.floor(times.length * 0.99)] ?? Number.NaN
  say(
    failed === 0,
    `beside ${slow} clients of a byte a second, 50 that never read, 50 answered early and 300 dying answers: ${failed} failed of ${times.length} others, p99 ${p99.toFixed(1)} ms`,
  )
  for (const socket of sockets) socket.destroy()
  for (let wait = 0; wait < 300 && (await edge.health()).openConnections > 0; wait += 1) await delay(100)
}

const changeRoutes = async (at: number, edge: Control, say: Say): Promise<void> => {
  let done = false
  let answered = 0
  let failed = 0
  const clients = Array.from({ length: 16 }, async () => {
    while (!done) {
      if (await askOnce(at)) answered += 1
      else failed += 1
    }
  })
  for (let change = 0; change < changes; change += 1) {
    edge.route(1_000 + change)
    if (change % 5 === 0) await delay(1)
  }
  await edge.health() // all of them have arrived
  done = true
  await Promise.all(clients)
  say(failed === 0, `${changes} changes of routes under load: ${failed} failed of ${answered + failed} requests`)
}

const askOnce = (at: number): Promise<boolean> =>
  new Promise((done) => {
    const socket = connect({ port: at, host: '127.0.0.1' })
    let text = ''
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1')
    })
    socket.on('error', () => done(false))
    socket.on('close', () => done(text.startsWith('HTTP/1.1 200') && text.endsWith('hello')))
    socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  })

/** Speaks bytes: answers by the path, in ways that a server of Node's would not. */
const startInstance = async () => {
  const large = `HTTP/1.1 200 OK\r\nContent-Length: ${16 << 20}\r\n\r\n`
  const server = createServer((socket) => {
    socket.on('error', () => {})
    let isTunnel = false
    socket.on('data', (bytes) => {
      if (isTunnel) return void socket.write(bytes)
      const text = bytes.toString('latin1')
      if (text.startsWith('GET /talk')) {
        isTunnel = true
        socket.write('HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: talk\r\n\r\n')
      } else if (text.startsWith('GET /large')) {
        socket.write(large)
        socket.write(Buffer.alloc(16 << 20, 'x'))
      } else if (text.startsWith('GET /dies')) {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')
        setTimeout(() => socket.resetAndDestroy(), 20)
      } else if (text.startsWith('POST /early')) socket.write('HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n')
      else if (/^(GET|POST) /.test(text)) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello')
    })
  })
  await new Promise<void>((done) => void server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, done))
  const address = server.address()
  return { server, port: typeof address === 'object' ? (address?.port ?? 0) : 0 }
}

const pssOf = (child: ChildProcess): number =>
  Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${child.pid}/smaps_rollup`, 'utf8'))?.[1]) / 1000
