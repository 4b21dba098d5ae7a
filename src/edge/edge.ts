import { createServer, type Server, type Socket } from 'node:net'
import type { Clock } from '../clock.ts'
import { isoTime } from './access-line.ts'
import { type AccessLog, withoutQueryValues } from './access-log.ts'
import { type Asked, type Heading, judge } from './asked.ts'
import type { Connection, Core, EdgeLimits, Ended, Open } from './core.ts'
import { Counters } from './counters.ts'
import { isOutOfDescriptors, type Turned } from './descriptors.ts'
import type { Greet } from './doors.ts'
import { Exchange } from './exchange.ts'
import { fieldIn, inOnePiece } from './headers.ts'
import { STATUS_CODES } from './http.ts'
import { mostWaiting } from './launch.ts'
import { Mirror, saturation } from './mirror.ts'
import { OpenList } from './open-list.ts'
import type { EdgeCounters, EdgeHealth, EdgeInFlight, EdgeSamples, EdgeTable } from './protocol.ts'
import { malformed, type Refusal, rawHead, rawPage } from './refusal.ts'
import { Router } from './router.ts'
import { Samples } from './samples.ts'
import type { Taken } from './taken.ts'
import { type Trust, trustNobody } from './trust.ts'
import { Tunnel } from './tunnel.ts'
import { Client, type Line, type Peer } from './wire/client.ts'
import type { RequestLines, Section } from './wire/head.ts'
import { idleWithin } from './wire/pool.ts'
import { Sections } from './wire/sections.ts'

export type EdgeOptions = {
  readonly limits: EdgeLimits
  readonly clock: Clock
  /** UUIDs for requests, their traces and the process's epoch. */
  readonly newId: () => string
  readonly log: AccessLog | null
  /** Whether there is no time for copies; measured where nothing is said. */
  readonly isBusy?: () => boolean
  /** Nobody, where nothing is said. */
  readonly trust?: Trust
  /** What comes ahead of HTTP on each plain connection; nothing, where nothing is said. */
  readonly greet?: Greet | null
  /** What the edge answers by itself (a redirect to https); null for what is a service's. */
  readonly own?: (asked: Asked) => OwnAnswer | null
  /** How it words its refusals; as beside a control plane, where nothing is said. */
  readonly worded?: (refusal: Refusal) => Refusal
  /** Which settings all this comes from. */
  readonly settings?: string
  /** Told of clients for whom there is no room, or no descriptor. */
  readonly turned?: Turned
  /** From 0 to below 1: where turns begin, and who is shed. Turns begin at 0 where nothing is said. */
  readonly random?: () => number
}

export type OwnAnswer = { readonly status: number; readonly headers: readonly string[]; readonly body: string }

export type Edge = {
  /** Accepts from inherited descriptors, all of one socket, or (tests, benches) from a port of its own on loopback. */
  listen(at: { fds: readonly number[] } | { port: number }): Promise<void>
  port(): number | null
  /** Every request that comes after it returns is routed so. */
  route(table: EdgeTable): void
  table(): EdgeTable
  inFlight(instance: string): EdgeInFlight
  counters(): EdgeCounters
  samples(): EdgeSamples
  health(): EdgeHealth
  /** Of limits that several edges hold together: counts what clients had of the others, and tells what they had here. */
  exchangeTaken(elsewhere: readonly Taken[]): Taken[]
  /** This share of the clients, chosen by chance, is told with its next answer that it was the last of its connection. */
  shed(share: number): void
  /**
   * Stops accepting; the socket lives on in whoever else holds it. Connections that are open are served: each next answer says that it
   * is the last, because closing one on which a client is about to send would reset it. Resolves when all is over or the limit is.
   */
  retire(how: { limitMs: number; leaveIdle: boolean }): void
  /** Serves HTTP/1.1 on a connection that was accepted elsewhere: one of TLS, a stream of HTTP/2. */
  serveOn(line: Line, peer: Peer): void
  /** Such a connection counts as open from now on until it is closed, whatever becomes of it. */
  attend(socket: Socket): void
  readonly over: Promise<void>
  /** Aborted once it retires: it is no longer the one that answers for the machine. */
  readonly retiring: AbortSignal
}

export const createEdge = ({ limits, clock, newId, log, ...options }: EdgeOptions): Edge => {
  const { isBusy = saturation(clock), trust = trustNobody, greet = null, own, settings = 'none' } = options
  const { random = () => 0, turned, worded = (refusal) => refusal } = options
  const router = new Router(random, idleWithin(limits.connections))
  const counters = new Counters(() => clock.now())
  const epoch = newId()
  const judging = { trust, newId }
  const samples = new Samples(epoch, clock)
  const mirror = new Mirror({ router, samples, limits, clock, isBusy })
  /** What sections that are still kept came to when they were read last. */
  const headings = new WeakMap<Section, Heading>()
  const clients = new OpenList<Client>()
  const guests = new Set<Socket>()
  const open = new OpenList<Open>()
  let retiring: { leaveIdle: boolean } | null = null
  const retirement = new AbortController()
  let finish: () => void = () => {}
  const over = new Promise<void>((done) => {
    finish = done
  })

  const ended = (end: Ended): void => {
    const { asked, service, version, status, failed, durationMs } = end
    const nowMs = clock.now()
    counters.count(end, nowMs)
    if (service !== null && version !== null && !end.chosen && samples.isJudged(service)) {
      const { method, path, heading } = asked
      const { client } = heading
      samples.count({ service, version, status, failed, durationMs, client, method, path, mirrored: false })
    }
    if (!log) return
    log.write({
      time: isoTime(nowMs),
      requestId: asked.requestId,
      client: asked.heading.client,
      host: asked.heading.hostHeader,
      method: asked.method,
      path: withoutQueryValues(asked.path),
      status,
      bytes: end.bytes,
      durationMs,
      service,
      version,
      instance: end.instance,
      failed,
      said: log.isCombined ? saidBy(asked) : null,
    })
  }

  const core: Core = {
    router,
    mirror,
    limits,
    clock,
    newId,
    isRetiring: () => retiring !== null,
    httpDate: dateOf(clock),
    keepAliveLines: inOnePiece(
      `Connection: keep-alive\r\nKeep-Alive: timeout=${Math.floor(limits.keepAliveMs / 1000)}\r\n\r\n`,
    ),
    worded,
    opened: (one) => open.enter(one),
    exhausted: (error) => turned?.away(error),
    closed: (one) => {
      open.leave(one)
      lookWhetherOver()
    },
    ended,
  }

  const lookWhetherOver = (): void => {
    if (retiring && clients.size === 0 && guests.size === 0) finish()
    else if (retiring?.leaveIdle && open.size === 0) setImmediate(() => open.size === 0 && finish()) // last bytes leave first
  }

  const serve = (client: Client, request: RequestLines, nowMs: number): Exchange | null => {
    const known = client.heading ?? headings.get(request.section) ?? null
    const judged = judge(request, client.peer, judging, known)
    const heading = judged.kind === 'asked' ? judged.asked.heading : null
    if (heading !== null && heading !== known) headings.set(request.section, heading)
    client.heading = heading
    const alone = judged.kind === 'asked' && own ? own(judged.asked) : null
    if (judged.kind === 'refused') turnAway(client, judged.refusal, request)
    else if (alone) answerAlone(client, judged.asked, alone)
    else if (mayTunnel(judged.asked)) {
      const { socket } = client
      const connection: Connection = { socket, open: new Set(), loggedBytes: socket.bytesWritten }
      socket.once('close', () => {
        for (const one of connection.open) one.clientGone()
      })
      new Tunnel(core, connection, client.handOver(), judged.asked).run()
    } else {
      const exchange = new Exchange(core, client, judged.asked, nowMs)
      exchange.run()
      return exchange
    }
    return null
  }

  const answerAlone = (client: Client, asked: Asked, { status, headers, body }: OwnAnswer): void => {
    const reason = STATUS_CODES[status] ?? 'Answer'
    const fixed = ['Date', core.httpDate(), 'X-Request-Id', asked.requestId, 'Connection', 'close']
    const head = rawHead(status, reason, [...headers, 'Content-Length', String(Buffer.byteLength(body)), ...fixed])
    client.leaveWith(asked.method === 'HEAD' ? head : head + body)
    const nobody = { service: null, version: null, instance: null, failed: false, chosen: false }
    ended({ asked, status, bytes: Buffer.byteLength(head + body), durationMs: 0, ...nobody })
  }

  /** Says why, and closes: what follows cannot be understood with certainty. */
  const turnAway = (client: Client, refusal: Refusal, request: RequestLines | null): void => {
    const requestId = newId()
    client.leaveWith(rawPage(refusal, fieldIn(request?.section.rawHeaders ?? [], 'accept'), requestId))
    log?.write({
      time: isoTime(clock.now()),
      requestId,
      client: client.peer.address,
      host: fieldIn(request?.section.rawHeaders ?? [], 'host') ?? '',
      method: request?.method ?? '',
      path: withoutQueryValues(request?.url ?? ''),
      status: refusal.status,
      bytes: 0,
      durationMs: 0,
      service: null,
      version: null,
      instance: null,
      failed: false,
      said: null,
    })
  }

  const servers: Server[] = []
  /** Plain connections of clients that are open. */
  let accepted = 0
  const accept = (socket: Socket): void => {
    if (accepted >= limits.connections) {
      turned?.away('full')
      socket.destroy()
      return
    }
    accepted += 1
    if (!greet) {
      serveOn(socket, { address: addressOf(socket), isSecure: false })
      return
    }
    attend(socket)
    socket.once('close', () => {
      accepted -= 1
    })
    greet(socket, (address) => serveOn(socket, { address, isSecure: false }))
  }
  const listenAt = (at: { fd: number } | { port: number; host: string }): Promise<void> =>
    new Promise((done, failed) => {
      const server = createServer({ allowHalfOpen: true }, accept)
      servers.push(server)
      server.on('error', (error) => {
        if (!server.listening) failed(error)
        else if (isOutOfDescriptors(error)) turned?.away(error)
        else throw error
      })
      server.listen(at, mostWaiting, done)
    })
  const attend = (socket: Socket): void => {
    guests.add(socket)
    socket.once('close', () => {
      guests.delete(socket)
      lookWhetherOver()
    })
  }
  const serveOn = (line: Line, peer: Peer): void => {
    const client = new Client(line, peer, clientServer, () => clock.monotonicMs())
    clients.enter(client)
  }
  const clientServer = {
    sections: new Sections(),
    serve,
    refuse: (client: Client, { status, why }: { status: number; why: string }) =>
      turnAway(client, malformed(why, status), null),
    closed: (client: Client) => {
      clients.leave(client)
      if (!greet && !client.peer.isSecure) accepted -= 1
      lookWhetherOver()
    },
  }

  const sweeping = setInterval(() => {
    const nowMs = clock.monotonicMs()
    for (const one of open.all()) one.sweep(nowMs)
    for (const client of clients.all()) client.sweep(nowMs, limits)
    router.sweep(nowMs)
  }, limits.sweepMs)
  void over.then(() => {
    clearInterval(sweeping)
    mirror.end()
    for (const { socket } of clients.all()) socket.destroy()
    for (const socket of guests) socket.destroy()
    router.end()
    for (const server of servers) server.close()
  })

  return {
    listen: async (at) => {
      const places = 'fds' in at ? at.fds.map((fd) => ({ fd })) : [{ port: at.port, host: '127.0.0.1' }]
      await Promise.all(places.map(listenAt))
    },
    port: () => {
      const address = servers[0]?.address()
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
      settings,
      pid: process.pid,
      generation: router.table.generation,
      retiring: retiring !== null,
      openRequests: open.size,
      openConnections: guests.size + (greet ? 0 : accepted),
      busyMs: Math.round(performance.eventLoopUtilization().active),
    }),
    exchangeTaken: (elsewhere) => router.exchangeTaken(elsewhere, clock.monotonicMs()),
    shed: (share) => {
      for (const client of clients.all()) client.isShed ||= random() < share
    },
    retire: ({ limitMs, leaveIdle }) => {
      if (!retiring) for (const server of servers) server.close()
      retiring = { leaveIdle: leaveIdle || retiring?.leaveIdle === true }
      retirement.abort()
      setTimeout(finish, limitMs).unref()
      lookWhetherOver()
    },
    serveOn,
    attend,
    over,
    retiring: retirement.signal,
  }
}

/** The far end's address; one of IPv4 as such, also where it came by a socket of IPv6. */
export const addressOf = ({ remoteAddress }: Socket): string => (remoteAddress ?? 'unknown').replace(/^::ffff:/, '')

/** What the combined format tells of a request, and the other does not. */
const saidBy = ({ httpVersion, heading: { pairs } }: Asked) => ({
  httpVersion,
  referer: fieldIn(pairs, 'referer'),
  userAgent: fieldIn(pairs, 'user-agent'),
})

/** Without a body only (RFC 9110 lets a server ignore an upgrade), and never to h2c, which clients offer by habit. */
const mayTunnel = ({ heading: { upgrade, body } }: Asked): boolean =>
  upgrade !== null && body === 'none' && !/h2c/i.test(upgrade)

const dateOf = (clock: Clock): (() => string) => {
  let second = 0
  let text = ''
  return () => {
    const now = Math.floor(clock.now() / 1000)
    if (now !== second) text = new Date(now * 1000).toUTCString()
    second = now
    return text
  }
}
