import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { Server as NetServer, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Clock } from '../clock.ts'
import { type AccessLog, withoutQueryValues } from './access-log.ts'
import { judge } from './asked.ts'
import type { Connection, Core, EdgeLimits, Ended, Open } from './core.ts'
import { Counters } from './counters.ts'
import { Exchange } from './exchange.ts'
import { createServer, STATUS_CODES } from './http.ts'
import { Mirror, saturation } from './mirror.ts'
import type { EdgeCounters, EdgeHealth, EdgeInFlight, EdgeSamples, EdgeTable } from './protocol.ts'
import { malformed, methodRefused, pageOf, type Refusal, rawPage } from './refusal.ts'
import { Router } from './router.ts'
import { Samples } from './samples.ts'
import { type Trust, trustNobody } from './trust.ts'
import { endGently, Tunnel } from './tunnel.ts'

export type EdgeOptions = {
  readonly limits: EdgeLimits
  readonly clock: Clock
  /** For request ids and the process's epoch. */
  readonly newId: () => string
  readonly log: AccessLog | null
  /** Whether there is no time for copies; measured where nothing is said. */
  readonly isBusy?: () => boolean
  /** Nobody, where nothing is said. */
  readonly trust?: Trust
}

export type Edge = {
  /** Accepts from an inherited descriptor, or (tests, benches) from a port of its own on loopback. */
  listen(at: { fd: number } | { port: number }): Promise<void>
  port(): number | null
  /** Every request that comes after it returns is routed so. */
  route(table: EdgeTable): void
  table(): EdgeTable
  inFlight(instance: string): EdgeInFlight
  counters(): EdgeCounters
  samples(): EdgeSamples
  health(): EdgeHealth
  /**
   * Stops accepting; the socket lives on in whoever else holds it. Connections that are open are served: each next answer says that it
   * is the last, because closing one on which a client is about to send would reset it. Resolves when all is over or the limit is.
   */
  retire(how: { limitMs: number; leaveIdle: boolean }): void
  readonly over: Promise<void>
  /** Aborted once it retires: it is no longer the one that answers for the machine. */
  readonly retiring: AbortSignal
}

const headBytes = 16 << 10
/** A whole request; bodies that stand still are ended long before. */
const requestMs = 3_600_000

export const createEdge = ({ limits, clock, newId, log, ...options }: EdgeOptions): Edge => {
  const { isBusy = saturation(clock), trust = trustNobody } = options
  const router = new Router()
  const counters = new Counters(() => clock.now())
  const epoch = newId()
  const samples = new Samples(epoch, clock)
  const mirror = new Mirror({ router, samples, limits, clock, isBusy })
  const connections = new Map<Duplex, Connection>()
  const open = new Set<Open>()
  let retiring: { leaveIdle: boolean } | null = null
  const retirement = new AbortController()
  let finish: () => void = () => {}
  const over = new Promise<void>((done) => {
    finish = done
  })

  const ended = (end: Ended): void => {
    const { asked, service, version, status, failed, durationMs } = end
    if (service !== null && version !== null) {
      counters.count({ service, version, status, failed, durationMs })
      const { client, method, path } = asked
      if (!end.chosen)
        samples.count({ service, version, status, failed, durationMs, client, method, path, mirrored: false })
    }
    log?.write({
      time: new Date(clock.now()).toISOString(),
      requestId: asked.requestId,
      client: asked.client,
      host: asked.hostHeader,
      method: asked.method,
      path: withoutQueryValues(asked.path),
      status,
      bytes: end.bytes,
      durationMs: Math.round(durationMs * 1000) / 1000,
      service,
      version,
      instance: end.instance,
      ...(failed ? { failed } : {}),
    })
  }

  const core: Core = {
    router,
    mirror,
    limits,
    clock,
    newId,
    isRetiring: () => retiring !== null,
    opened: (one) => open.add(one),
    closed: (one) => {
      open.delete(one)
      lookWhetherOver()
    },
    ended,
  }

  const lookWhetherOver = (): void => {
    if (retiring && connections.size === 0) finish()
    else if (retiring?.leaveIdle && open.size === 0) setImmediate(() => open.size === 0 && finish()) // last bytes leave first
  }

  const server = createProxyServer(limits)
  server.on('connection', (socket: Socket) => {
    const client = (socket.remoteAddress ?? 'unknown').replace(/^::ffff:/, '')
    const connection: Connection = { socket, client, open: new Set(), loggedBytes: 0, closing: false }
    connections.set(socket, connection)
    socket.on('error', () => {}) // its close follows
    socket.once('close', () => {
      connections.delete(socket)
      for (const one of connection.open) one.clientGone()
      lookWhetherOver()
    })
  })

  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    const connection = connections.get(request.socket)
    if (!connection) return void request.socket.destroy()
    const judged = judge(request, connection.client, trust, newId)
    if (judged.kind === 'asked') new Exchange(core, connection, request, response, judged.asked).run()
    else turnAway(request, response, connection, judged.refusal)
  }

  const turnAway = (request: IncomingMessage, response: ServerResponse, connection: Connection, refusal: Refusal) => {
    const requestId = newId()
    connection.closing = true
    const { headers, body } = pageOf(refusal, request.headers.accept, requestId)
    response.on('error', () => {})
    response.writeHead(refusal.status, STATUS_CODES[refusal.status] ?? 'Error', [...headers, 'Connection', 'close'])
    response.end(body)
    request.resume()
    logRefused(request, connection.client, refusal, requestId)
  }

  const logRefused = (request: IncomingMessage | null, client: string, refusal: Refusal, requestId: string): void => {
    log?.write({
      time: new Date(clock.now()).toISOString(),
      requestId,
      client,
      host: request?.headers.host ?? '',
      method: request?.method ?? '',
      path: withoutQueryValues(request?.url ?? ''),
      status: refusal.status,
      bytes: 0,
      durationMs: 0,
      service: null,
      version: null,
      instance: null,
    })
  }

  server.on('request', serve)
  server.on('checkContinue', serve) // the instance says whether to go on
  server.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    const connection = connections.get(request.socket)
    if (connection)
      turnAway(request, response, connection, malformed('it expects something other than 100-continue', 417))
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const connection = connections.get(socket)
    // An upgrade behind requests that are still unanswered would overtake their answers.
    if (!connection || connection.open.size > 0) return void socket.destroy()
    const judged = judge(request, connection.client, trust, newId)
    if (judged.kind === 'asked' && mayTunnel(request))
      return new Tunnel(core, connection, request, head, judged.asked).run()
    const refusal =
      judged.kind === 'refused' ? judged.refusal : malformed('it wants a change of protocol that is not served', 501)
    const requestId = newId()
    endGently(socket, rawPage(refusal, request.headers.accept, requestId))
    logRefused(request, connection.client, refusal, requestId)
  })
  server.on('connect', (request: IncomingMessage, socket: Duplex) => {
    const requestId = newId()
    endGently(socket, rawPage(methodRefused, request.headers.accept, requestId))
    logRefused(request, connections.get(socket)?.client ?? 'unknown', methodRefused, requestId)
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    const connection = connections.get(socket)
    // Words of ours in the midst of, or ahead of, an answer that is owed would be taken for that answer.
    if (!connection || connection.open.size > 0 || error.code === 'ECONNRESET') return void socket.destroy()
    if (connection.closing || !socket.writable) return
    connection.closing = true
    const refusal = refusalFor(error)
    const requestId = newId()
    endGently(socket, rawPage(refusal, undefined, requestId))
    logRefused(null, connection.client, refusal, requestId)
  })

  const sweeping = setInterval(() => {
    const nowMs = clock.monotonicMs()
    for (const one of open) one.sweep(nowMs)
  }, limits.sweepMs)
  void over.then(() => {
    clearInterval(sweeping)
    mirror.end()
    for (const { socket } of connections.values()) socket.destroy()
    server.close()
  })

  return {
    listen: (at) =>
      new Promise((done, failed) => {
        server.once('error', failed)
        server.listen('fd' in at ? { fd: at.fd } : { port: at.port, host: '127.0.0.1' }, () => {
          server.off('error', failed)
          done()
        })
      }),
    port: () => {
      const address = server.address()
      return typeof address === 'object' ? (address?.port ?? null) : null
    },
    route: (table) => {
      router.replace(table)
      samples.judge(table.routes)
    },
    table: () => router.table,
    inFlight: (instance) => router.inFlight(instance),
    counters: () => ({ epoch, minutes: counters.minutes() }),
    samples: () => samples.snapshot(),
    health: () => ({
      pid: process.pid,
      generation: router.table.generation,
      retiring: retiring !== null,
      openRequests: open.size,
      openConnections: connections.size,
    }),
    retire: ({ limitMs, leaveIdle }) => {
      if (!retiring) NetServer.prototype.close.call(server) // http.Server's own would cut idle connections
      retiring = { leaveIdle: leaveIdle || retiring?.leaveIdle === true }
      retirement.abort()
      setTimeout(finish, limitMs).unref()
      lookWhetherOver()
    },
    over,
    retiring: retirement.signal,
  }
}

const createProxyServer = (limits: EdgeLimits): Server => {
  const server = createServer({
    maxHeaderSize: headBytes,
    headersTimeout: limits.headMs,
    requestTimeout: requestMs,
    connectionsCheckingInterval: 5 * limits.sweepMs,
    keepAliveTimeout: limits.keepAliveMs,
    requireHostHeader: false, // judged with the rest, and answered with a page
    insecureHTTPParser: false,
    noDelay: true,
    keepAlive: true, // finds out about clients that vanished from a tunnel
    keepAliveInitialDelay: 60_000,
    optimizeEmptyRequests: true,
    shouldUpgradeCallback: mayTunnel,
  })
  server.maxHeadersCount = 0 // beyond a count Node.js would leave headers out, and two readers would disagree; bytes are limited
  server.maxConnections = limits.connections
  return server
}

/** Without a body only (RFC 9110 lets a server ignore an upgrade), and never to h2c, which clients offer by habit. */
const mayTunnel = ({ headers }: IncomingMessage): boolean =>
  headers['content-length'] === undefined &&
  headers['transfer-encoding'] === undefined &&
  headers.upgrade !== undefined &&
  !/h2c/i.test(headers.upgrade)

const refusalFor = (error: NodeJS.ErrnoException): Refusal => {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return malformed(`its header section is larger than ${headBytes} bytes`, 431)
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return malformed('it did not arrive in time', 408)
    default:
      return malformed('it is not valid HTTP/1.1')
  }
}
