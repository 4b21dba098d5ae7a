import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

export type Say = (holds: boolean, what: string) => void
const host = 'talk.localhost'
const idle = Number(process.env.SOCKETS_IDLE ?? 10_000)
const active = Number(process.env.SOCKETS_ACTIVE ?? 1_000)
const holders = 4
const changes = 20
const seconds = 20

/**
 * WebSockets through `headway edge`, as a person starts it: idle ones and ones that talk each second, over changes of the file of routes and
 * an upgrade (the same command again), after which the old edge serves them on. Clients are several processes with addresses of their own.
 * Each takes two descriptors of the edge: as root its limit is raised, else two edges accept.
 */
export const holdWebSockets = async (say: Say): Promise<void> => {
  const directory = mkdtempSync(join(tmpdir(), 'headway-sockets-'))
  const children: ChildProcess[] = []
  const file = join(directory, 'routes.yaml')
  const route = (ports: readonly number[], change: number): void =>
    writeFileSync(file, `routes: [{ hosts: [${host}], to: [${ports}], timeout: ${10 + change}s }]\n`)
  const began = performance.now()
  try {
    const ports = await Promise.all([0, 1].map(async () => told(started(children, ['instance']))))
    route(ports, 0)
    const first = startEdge(directory, file, children)
    const port = await first.port
    while (edgesIn(directory).length < workers) await delay(100)
    await delay(2_000) // each of them accepts
    const before = edgesIn(directory)
    const mbBefore = pssOf(before)
    const quarter = (all: number, part: number) => Math.floor(all / holders) + (part < all % holders ? 1 : 0)
    const clients = Array.from({ length: holders }, (_, part) =>
      started(children, [
        'clients',
        String(port),
        `127.0.1.${part + 1}`,
        ...[idle, active].map((all) => String(quarter(all, part))),
      ]),
    )
    const opened = await Promise.all(clients.map(told))
    const all = opened.reduce((sum, one) => sum + one, 0)
    await delay(5_000)
    say(
      all === idle + active,
      `${all} of ${idle + active} WebSockets stand after ${((performance.now() - began) / 1000).toFixed(0)} s`,
    )
    const mbIdle = pssOf(before)
    say(
      true,
      `idle, ${((1000 * (mbIdle - mbBefore)) / all).toFixed(1)} kB each in ${before.length} edge(s): ${mbBefore.toFixed(0)} MB PSS before, ${mbIdle.toFixed(0)} after`,
    )

    const talk = async (what: string, meanwhile: () => Promise<void>): Promise<void> => {
      for (const client of clients) client.send(seconds)
      const answers = clients.map(reported)
      await meanwhile()
      const reports = await Promise.all(answers)
      const sum = (pick: (one: Report) => number) => reports.reduce((total, one) => total + pick(one), 0)
      const p99Ms = Math.max(...reports.map((one) => one.p99Ms))
      const dropped = idle + active - sum((one) => one.open)
      const echoes = sum((one) => one.echoes)
      say(
        dropped === 0 && echoes === active * seconds,
        `${what}: ${dropped} dropped, ${echoes} of ${active * seconds} echoes, p99 of the slowest client process ${p99Ms.toFixed(0)} ms`,
      )
    }
    await talk(`${changes} changes of the file of routes`, async () => {
      for (let change = 1; change <= changes; change += 1) {
        route(ports, change)
        await delay(1_000)
      }
    })
    const mbTalked = pssOf(before)
    say(
      true,
      `talking costs ${((1000 * (mbTalked - mbIdle)) / active).toFixed(1)} kB more for each that talks: ${mbTalked.toFixed(0)} MB PSS`,
    )
    await talk('an upgrade of the edge', async () => {
      const second = startEdge(directory, file, children)
      await second.port
      await first.over
    })
    const old = before.filter((pid) => edgesIn(directory).includes(pid)).length
    const fresh = edgesIn(directory).filter((pid) => !before.includes(pid)).length
    say(old === before.length && fresh > 0, `${old} old edge(s) serve them beside ${fresh} new one(s)`)
    await talk('a round later', async () => {})
    say(
      true,
      `load average ${loadavg()
        .map((one) => one.toFixed(0))
        .join(', ')}`,
    )
  } finally {
    const stopping = spawn('sh', ['headway', 'edge', file, '--state', join(directory, 'state'), '--stop'], {
      cwd: root,
      stdio: 'ignore',
    })
    for (const child of children) if (child.connected) child.kill('SIGKILL') // clients and instances: nothing is open for long
    await once(stopping, 'exit')
    for (const child of children) child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true, maxRetries: 10 })
  }
}

type Report = { readonly open: number; readonly echoes: number; readonly p99Ms: number }
export const root = join(import.meta.dirname, '../..')
const descriptors = 65_536
const workers = spawnSync('sh', ['-c', `ulimit -n ${descriptors}`], { stdio: 'ignore' }).status === 0 ? 1 : 2

const started = (children: ChildProcess[], words: readonly string[]): ChildProcess => {
  const child = spawn(process.execPath, [import.meta.filename, ...words], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  children.push(child)
  return child
}
const told = async (child: ChildProcess): Promise<number> => Number((await once(child, 'message'))[0])
const reported = async (child: ChildProcess): Promise<Report> => (await once(child, 'message'))[0]

export const startEdge = (
  directory: string,
  file: string,
  children: ChildProcess[],
  accepting = workers,
): { over: Promise<unknown>; port: Promise<number> } => {
  const raised = `ulimit -n ${descriptors} 2>/dev/null; exec sh headway --json edge "$0" --port 0 --state "$1" --workers ${accepting}`
  const child = spawn('sh', ['-c', raised, file, join(directory, 'state')], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  let text = ''
  const port = new Promise<number>((done, failed) => {
    child.stdout?.on('data', (bytes: Buffer) => {
      text += bytes.toString()
      const found = /"port": ?(\d+)/.exec(text)?.[1]
      if (found !== undefined && text.endsWith('}\n')) done(Number(found))
    })
    child.once('exit', () => failed(new Error(`the edge did not start: ${text}`)))
  })
  return { over: once(child, 'exit'), port }
}

export const edgesIn = (directory: string): number[] =>
  [...edgeSocketsIn(directory).keys()].sort((one, other) => one - other)
/** By process: where it can be asked. */
export const edgeSocketsIn = (directory: string): Map<number, string> => {
  const found = new Map<number, string>()
  const look = (place: string): void => {
    for (const one of readdirSync(place, { withFileTypes: true })) {
      const pid = /^edge-(\d+)\.sock$/.exec(one.name)?.[1]
      if (pid !== undefined) found.set(Number(pid), join(place, one.name))
      else if (one.isDirectory()) look(join(place, one.name))
    }
  }
  look(directory)
  return found
}
const pssOf = (pids: readonly number[]): number =>
  pids.reduce(
    (sum, pid) => sum + Number(/^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]) / 1000,
    0,
  )

/** Echoes frames: those of its clients are masked with zeros, so that only their heads differ. */
const instance = async (): Promise<void> => {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', (bytes) => {
      const key = /Sec-WebSocket-Key: (\S+)/i.exec(bytes.toString('latin1'))?.[1] ?? ''
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
      socket.write(
        `HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
      )
      socket.on('data', (frame) =>
        socket.write(Buffer.concat([Buffer.from([0x81, frame.length - 6]), frame.subarray(6)])),
      )
    })
  })
  await new Promise<void>((done) => void server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, done))
  const address = server.address()
  process.send?.(typeof address === 'object' ? address?.port : 0)
}

const payload = Buffer.from('a message of forty bytes, as chats have.')
const question = Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload])

const clients = async (): Promise<void> => {
  const [port = 0, from = '', still = 0, talking = 0] = process.argv
    .slice(3)
    .map((word) => (word.includes('.') ? word : Number(word)))
  const sockets: { socket: Socket; isOpen: boolean; askedMs: number }[] = []
  const latencies: number[] = []
  const open = (): Promise<void> =>
    new Promise((done, failed) => {
      const socket = connect({ port: Number(port), host: '127.0.0.1', localAddress: String(from) })
      const one = { socket, isOpen: false, askedMs: 0 }
      socket.on('error', failed)
      socket.on('close', () => {
        one.isOpen = false
      })
      socket.on('data', (bytes) => {
        if (one.isOpen) {
          latencies.push(performance.now() - one.askedMs)
          return
        }
        if (!bytes.toString('latin1').startsWith('HTTP/1.1 101 ')) return failed(new Error(bytes.toString('latin1')))
        one.isOpen = true
        sockets.push(one)
        done()
      })
      const upgrade =
        'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='
      socket.write(`GET /talk HTTP/1.1\r\nHost: ${host}\r\n${upgrade}\r\n\r\n`)
    })
  const all = Number(still) + Number(talking)
  for (let left = all; left > 0; left -= 50) await Promise.all(Array.from({ length: Math.min(50, left) }, open))
  process.send?.(sockets.length)
  process.on('message', async (rounds) => {
    latencies.length = 0
    const due = Number(rounds) * Number(talking)
    for (let round = 0; round < Number(rounds); round += 1) {
      for (const one of sockets.slice(0, Number(talking))) {
        one.askedMs = performance.now()
        one.socket.write(question)
      }
      await delay(1_000)
    }
    for (let wait = 0; wait < 300 && latencies.length < due; wait += 1) await delay(100)
    latencies.sort((one, other) => one - other)
    const p99Ms = latencies[Math.floor(latencies.length * 0.99)] ?? 0
    process.send?.({
      open: sockets.filter(({ isOpen }) => isOpen).length,
      echoes: latencies.length,
      p99Ms,
    } satisfies Report)
  })
}

if (process.argv[1] === import.meta.filename) await (process.argv[2] === 'instance' ? instance() : clients())
