import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import {
  Agent,
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type RequestListener,
  type Server,
  request as sendRequest,
} from 'node:http'
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Socket,
  type Server as TcpServer,
} from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { systemClock } from '../clock.ts'
import { type EdgeLimits, usualLimits } from './core.ts'
import { createEdge, type Edge, type EdgeOptions } from './edge.ts'
import type { HolderNews, HolderOrder } from './holder.testing.ts'
import { type EdgePlaces, edgeLaunch } from './launch.ts'
import type { EdgePool, EdgeTable } from './protocol.ts'

/** What the edge's tests start: instances, edges, clients of bytes and of requests. Everything ends with its test. */
export const host = 'shop.localhost'

export const tableOf = (generation: number, ...pools: EdgePool[]): EdgeTable => ({
  generation,
  routes: [{ hosts: [host], service: 'default/shop', pools }],
})

export const poolOf = (version: string, weight: number, instances: Readonly<Record<string, number>>): EdgePool => ({
  version,
  weight,
  endpoints: Object.entries(instances).map(([instance, port]) => ({ instance, port, healthy: true })),
})

const portOf = (server: TcpServer): number => {
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('the server does not listen on a port')
  return (address satisfies AddressInfo).port
}

const listening = async <Kind extends TcpServer>(server: Kind): Promise<Kind> => {
  await new Promise<void>((done, failed) => {
    server.once('error', failed)
    server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, done)
  })
  return server
}

export type Instance = { readonly port: number; readonly server: Server }

/** An instance over HTTP. */
export const startInstance = async (t: TestContext, answer: RequestListener): Promise<Instance> => {
  const server = await listening(createServer({ keepAliveTimeout: 60_000 }, answer))
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return { port: portOf(server), server }
}

/** An instance that speaks bytes: whatever an HTTP server would not do. */
export const startRawInstance = async (t: TestContext, serve: (socket: Socket) => void): Promise<{ port: number }> => {
  const sockets = new Set<Socket>()
  const server = await listening(
    createTcpServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => sockets.delete(socket))
      serve(socket)
    }),
  )
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return { port: portOf(server) }
}

/** A port on which nobody listens. */
export const closedPort = async (): Promise<number> => {
  const server = await listening(createTcpServer())
  const port = portOf(server)
  await new Promise((done) => server.close(done))
  return port
}

export type RunningEdge = Edge & { readonly at: number }

export const startEdge = async (
  t: TestContext,
  table: EdgeTable,
  limits: Partial<EdgeLimits> = {},
  more: Partial<EdgeOptions> = {},
): Promise<RunningEdge> => {
  const edge = createEdge({
    limits: { ...usualLimits, ...limits },
    clock: systemClock,
    newId: randomUUID,
    log: null,
    ...more,
  })
  edge.route(table)
  await edge.listen({ port: 0 })
  t.after(async () => {
    edge.retire({ limitMs: 0, leaveIdle: true })
    await edge.over
  })
  return { ...edge, at: edge.port() ?? 0 }
}

export type Answer = {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly trailers: NodeJS.Dict<string>
  readonly body: Buffer
}
export type Asking = {
  readonly port: number
  readonly agent?: Agent
  readonly method?: string
  readonly path?: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string | Buffer
}

/** One request, its answer read whole. Rejects when the answer is cut. */
export const ask = ({ port, agent, method, path, headers, body }: Asking): Promise<Answer> =>
  new Promise((done, failed) => {
    const outgoing = sendRequest(
      {
        host: '127.0.0.1',
        port,
        method: method ?? 'GET',
        path: path ?? '/',
        headers: { host, ...headers },
        agent: agent ?? false,
      },
      (incoming) => {
        const chunks: Buffer[] = []
        incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
        incoming.on('error', failed)
        incoming.on('end', () =>
          done({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            trailers: incoming.trailers,
            body: Buffer.concat(chunks),
          }),
        )
      },
    )
    outgoing.on('error', failed)
    outgoing.end(body)
  })

/** Sends these bytes, and gives all that came until the other side closed; 'reset' at its end where it did so by force. */
export const exchangeBytes = (port: number, ...parts: readonly string[]): Promise<string> =>
  new Promise((done) => {
    const socket = connect({ port, host: '127.0.0.1' })
    let received = ''
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      received += text
    })
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET') received += 'reset'
    })
    socket.on('close', () => done(received))
    for (const part of parts) socket.write(part, 'latin1')
  })

export const statusIn = (received: string): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(received)?.[1] ?? 0)

/** Resolves once this holds; looked at often, never by luck. Rejects after a minute: the machine may be busy. */
export const until = async (what: string, holds: () => boolean | Promise<boolean>): Promise<void> => {
  const end = systemClock.monotonicMs() + 60_000
  while (!(await holds())) {
    if (systemClock.monotonicMs() > end) throw new Error(`never came true: ${what}`)
    await systemClock.sleep(5)
  }
}

export type Load = { readonly answered: () => number; stop(): Promise<{ answered: number; failures: string[] }> }

/** Clients that ask one after the other over kept connections until told to stop; a failure is no answer, or one of 500 and above. */
export const startLoad = (
  t: TestContext,
  port: number,
  clients: number,
  asking: (turn: number) => Omit<Asking, 'port'> = () => ({}),
): Load => {
  const agent = new Agent({ keepAlive: true, maxSockets: clients })
  const failures: string[] = []
  let answered = 0
  let turn = 0
  let stopping = false
  const client = async (): Promise<void> => {
    while (!stopping) {
      turn += 1
      try {
        const { status, body } = await ask({ port, agent, ...asking(turn) })
        answered += 1
        if (status >= 400) failures.push(`${status} ${body.toString()}`)
      } catch (error) {
        failures.push(String(error))
      }
    }
  }
  const running = Array.from({ length: clients }, client)
  t.after(() => {
    stopping = true
    agent.destroy()
  })
  return {
    answered: () => answered,
    stop: async () => {
      stopping = true
      await Promise.all(running)
      agent.destroy()
      return { answered, failures }
    },
  }
}

export type TestHome = {
  readonly places: EdgePlaces
  readonly port: number
  readonly holder: ChildProcess
  /** Ended before the holder: an edge that sees its agent go would start another. */
  readonly edges: EdgeHandle[]
}

/** A home of its own, and a listening socket that a process beside this one holds, as an agent does. */
export const startHome = async (t: TestContext): Promise<TestHome> => {
  const home = mkdtempSync(join(tmpdir(), 'headway-edge-'))
  const places = { home, sockets: join(home, 'run'), state: join(home, 'agent') }
  mkdirSync(places.sockets)
  mkdirSync(places.state)
  const listener = await listening(createTcpServer())
  const port = portOf(listener)
  const holder = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', holderFile], {
    stdio: ['ignore', 'inherit', 'inherit', descriptorOf(listener), 'ipc'],
  })
  await new Promise((done) => listener.close(done)) // the holder has it now; this process would accept
  const edges: EdgeHandle[] = []
  t.after(async () => {
    for (const edge of edges) edge.kill('SIGKILL')
    await Promise.all(edges.map(({ exited }) => exited))
    holder.kill('SIGKILL')
    rmSync(home, { recursive: true, force: true })
  })
  return { places, port, holder, edges }
}
const holderFile = join(import.meta.dirname, 'holder.testing.ts')

/** Node tells nobody the descriptor of a server; its handle has it. */
export const descriptorOf = (listener: object): number => {
  const handle: unknown = Reflect.get(listener, '_handle')
  const fd: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined
  if (typeof fd !== 'number') throw new Error('this Node.js does not tell the descriptor of a listening socket')
  return fd
}

export type EdgeHandle = {
  readonly pid: number
  readonly exited: Promise<NodeJS.Signals | number | null>
  kill(signal: NodeJS.Signals): void
  /** Closes the pipe by which the edge knows that its agent lives. */
  letGo(): void
  control(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }>
}

/** An edge process as an agent starts it; `main` is another entry where a test brings its own. */
export const spawnEdge = async ({ places, holder, edges }: TestHome, main?: string): Promise<EdgeHandle> => {
  const { command, args, env } = edgeLaunch(places)
  const tell = (order: HolderOrder) => holder.send(order)
  const started = new Promise<number>((done) => {
    const hear = (news: HolderNews) => {
      if (!('started' in news)) return
      holder.off('message', hear)
      done(news.started)
    }
    holder.on('message', hear)
  })
  tell({ start: { command, args: main ? [...args.slice(0, -1), main] : args, env } })
  const pid = await started
  let over = false
  const exited = new Promise<NodeJS.Signals | number | null>((done) => {
    holder.on('message', (news: HolderNews) => {
      if (!('exited' in news) || news.exited !== pid) return
      over = true
      done(news.outcome)
    })
  })
  const kill = (signal: NodeJS.Signals): void => {
    if (!over) process.kill(pid, signal)
  }
  const control = (method: string, path: string, body?: unknown) =>
    callSocket(join(places.sockets, `edge-${pid}.sock`), method, path, body)
  const edge = { pid, exited, kill, letGo: () => void tell({ letGo: pid }), control }
  edges.push(edge)
  await until('the edge answers on its socket', async () => {
    if (over) throw new Error('the edge ended before it answered')
    return control('GET', '/health').then(
      () => true,
      () => false,
    )
  })
  return edge
}

export const callSocket = (
  socketPath: string,
  method: string,
  path: string,
  body?: unknown,
): Promise<{ status: number; body: unknown }> =>
  new Promise((done, failed) => {
    const outgoing = sendRequest({ socketPath, method, path, agent: false }, (incoming) => {
      let text = ''
      incoming.setEncoding('utf8')
      incoming.on('data', (chunk: string) => {
        text += chunk
      })
      incoming.on('error', failed)
      incoming.on('end', () => done({ status: incoming.statusCode ?? 0, body: JSON.parse(text) }))
    })
    outgoing.on('error', failed)
    outgoing.end(body === undefined ? undefined : JSON.stringify(body))
  })
