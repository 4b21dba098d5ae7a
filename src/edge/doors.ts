import { readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import type { Asked } from './asked.ts'
import { isOutOfDescriptors, type Turned } from './descriptors.ts'
import { addressOf, type Edge, type OwnAnswer } from './edge.ts'
import { type H2Session, serveH2 } from './h2/session.ts'
import { hostName } from './host.ts'
import { mostWaiting } from './launch.ts'
import { PerAddress } from './per-address.ts'
import { meetProxy } from './proxy-protocol.ts'
import { acmeDirectory, type EdgeSettings, type TlsSettings } from './settings.ts'
import { type Certificate, type Certificates, covers, openCertificates } from './tls/certificates.ts'
import { createTlsListener } from './tls/listener.ts'
import { ticketKeys } from './tls/tickets.ts'
import { parseNetworks } from './trust.ts'
import type { Line } from './wire/client.ts'

/** What comes before a connection speaks HTTP: a header of the PROXY protocol, a limit per address. */
export type Greet = (socket: Socket, go: (address: string) => void) => void

const handshakeMs = 15_000
const lookMs = 2_000
const ticketsMs = 3_600_000

/** What such an edge answers by itself: what certificate authorities ask, and redirects to https. */
export const ownAnswers =
  (state: string, { acme }: TlsSettings, door: () => TlsDoor | null) =>
  (asked: Asked): OwnAnswer | null => {
    const challenge = acme ? challengeAnswer(state, asked) : null
    if (challenge !== null) return { status: 200, headers: ['Content-Type', 'text/plain'], body: challenge }
    const location = door()?.redirect(asked) ?? null
    if (location === null) return null
    const status = asked.method === 'GET' || asked.method === 'HEAD' ? 301 : 308
    return { status, headers: ['Location', location, 'Cache-Control', 'max-age=300'], body: '' }
  }

/** Null where connections are taken as they come. */
export const greeting = ({ proxyProtocol, trusted, connectionsPerAddress }: EdgeSettings): Greet | null => {
  const isProxy = proxyProtocol ? parseNetworks(trusted) : null
  if (!isProxy && connectionsPerAddress === null) return null
  const limited = connectionsPerAddress === null ? null : new PerAddress(connectionsPerAddress)
  return (socket, go) => {
    const enter = (address: string): void => {
      if (limited && !limited.enter(address)) return void socket.resetAndDestroy()
      if (limited) socket.once('close', () => limited.leave(address))
      go(address)
    }
    const peer = addressOf(socket)
    socket.on('error', () => {}) // its close follows
    if (!isProxy?.(peer)) return enter(peer)
    meetProxy(socket, handshakeMs, (address) => (address === null ? go(peer) : enter(address)))
  }
}

export type TlsDoor = {
  listen(at: { fd: number } | { port: number }): Promise<number>
  readonly certificates: Certificates
  /** Looks for certificates that have changed; else it does so by itself, every two seconds. */
  look(): Promise<void>
  /** Where a plain request is to be sent instead of being served; null where it is served. */
  redirect(asked: Asked): string | null
}

/** The edge's door for TLS: HTTP/2 where the client offers it, else HTTP/1.1. It is closed when the edge retires. */
export const openTlsDoor = async (options: {
  edge: Edge
  tls: TlsSettings
  state: string
  greet: Greet | null
  connections: number
  turned?: Turned
  clock: Clock
  say: (line: string) => void
}): Promise<TlsDoor> => {
  const { edge, tls, state, greet, clock, say } = options
  const ordered = tls.acme ? [join(acmeDirectory(state), 'certificates')] : []
  const certificates = openCertificates([...tls.certificates, ...ordered], say)
  await certificates.reload()
  const addresses = new WeakMap<Socket, string>()
  const sessions = new Set<H2Session>()

  const listener = createTlsListener(certificates, {
    handshakeMs,
    secured: ({ socket, raw, protocol }) => {
      const peer = { address: addresses.get(raw) ?? addressOf(raw), isSecure: true }
      if (protocol !== 'h2') return edge.serveOn(resettable(socket, raw), peer)
      const shown = certificates.find(socket.servername || null)
      const session = serveH2(socket, {
        request: (carrier) => edge.serveOn(carrier, peer),
        mayServe: (authority) => mayServe(authority, shown),
        closed: () => sessions.delete(session),
      })
      sessions.add(session)
      if (edge.retiring.aborted) session.leave()
    },
  })
  listener.resumeWith(ticketKeys(state, clock.now()))

  const server = createServer({ allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: 60_000 })
  server.maxConnections = options.connections
  server.on('drop', () => options.turned?.away('full'))
  server.on('error', (error) => {
    if (server.listening && isOutOfDescriptors(error)) options.turned?.away(error)
    else if (server.listening) throw error
  })
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => {}) // its close follows
    edge.attend(socket)
    const go = (address: string): void => {
      addresses.set(socket, address)
      listener.take(socket)
    }
    if (greet) greet(socket, go)
    else go(addressOf(socket))
  })

  const look = async (): Promise<void> => {
    await certificates.reload()
    listener.refresh()
  }
  const looking = setInterval(() => void look(), lookMs).unref()
  const renewing = setInterval(() => listener.resumeWith(ticketKeys(state, clock.now())), ticketsMs).unref()
  edge.retiring.addEventListener('abort', () => {
    server.close()
    for (const session of sessions) session.leave()
  })
  void edge.over.then(() => {
    clearInterval(looking)
    clearInterval(renewing)
    for (const session of sessions) session.destroy()
    listener.end()
  })

  let port = tls.port
  return {
    certificates,
    look,
    listen: (at) =>
      new Promise((done, failed) => {
        server.once('error', failed)
        server.listen('fd' in at ? { fd: at.fd } : { port: at.port, host: '127.0.0.1' }, mostWaiting, () => {
          server.off('error', failed)
          const address = server.address()
          if (typeof address === 'object' && address) port = address.port
          done(port)
        })
      }),
    redirect: ({ path, heading: { proto, host } }) => {
      if (!tls.redirect || proto === 'https') return null
      const found = certificates.find(host)
      if (!found || !covers(found, host)) return null
      const shown = tls.publicPort ?? port
      return `https://${host}${shown === 443 ? '' : `:${shown}`}${path === '*' ? '/' : path}`
    },
  }
}

/** A certificate for everybody stands for whatever is asked over it; any other for its names alone. */
const mayServe = (authority: string, shown: Certificate | null): boolean => {
  const host = hostName(authority)
  return shown === null || host === null || covers(shown, host) || shown.names.length === 0
}

/** TLS has no reset of its own: that of the connection beneath it says that something was cut. */
const resettable = (socket: Line, raw: Socket): Line => {
  socket.resetAndDestroy = () => {
    raw.resetAndDestroy()
    return socket.destroy()
  }
  return socket
}

const challengePath = /^\/\.well-known\/acme-challenge\/([A-Za-z0-9_-]{1,128})$/

/** What a certificate authority is told that asks whether a name leads here (RFC 8555, 8.3); null where it asked for none. */
export const challengeAnswer = (state: string, { path, method }: Pick<Asked, 'path' | 'method'>): string | null => {
  const token = challengePath.exec(path)?.[1]
  if (token === undefined || method !== 'GET') return null
  try {
    return readFileSync(join(acmeDirectory(state), 'challenges', token), 'utf8')
  } catch {
    return null
  }
}
