import { performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import { Carrier } from './carrier.ts'
import { readRequest } from './request.ts'

export type H2Limits = {
  /** Open requests of one connection. */
  readonly streams: number
  readonly headerBytes: number
  readonly headers: number
  /** Without a request. */
  readonly idleMs: number
  /** How long one that is to go, and always has several requests open, is waited for. */
  readonly partingMs: number
}
export const usualH2Limits: H2Limits = {
  streams: 128,
  headerBytes: 16 << 10,
  headers: 200,
  idleMs: 180_000,
  partingMs: 60_000,
}

export type H2Session = {
  /**
   * Its next request that has no other beside it is its last, and the client is told so before the answer. Node.js can only say
   * goodbye in a way that refuses what the client has sent and not yet got here (no notice as in RFC 9113, 6.8): one that waits for an
   * answer is sending nothing.
   */
  leave(): void
  destroy(): void
}

/**
 * HTTP/2 over a TLS connection. Each stream becomes a Carrier; `mayServe` says whether this connection's certificate stands for an
 * authority. Floods (of resets, settings, pings, continuations, headers) end the connection: most limits are nghttp2's, set here.
 */
export const serveH2 = (
  socket: TLSSocket,
  on: { request: (carrier: Carrier) => void; mayServe: (authority: string) => boolean; closed: () => void },
  limits: H2Limits = usualH2Limits,
): H2Session => {
  const session: ServerHttp2Session = performServerHandshake(socket, {
    settings: {
      enablePush: false,
      maxConcurrentStreams: limits.streams,
      maxHeaderListSize: limits.headerBytes,
      initialWindowSize: 256 << 10,
    },
    maxHeaderListPairs: limits.headers,
    maxSessionMemory: 16,
    maxSettings: 16,
    maxOutstandingPings: 10,
    maxSessionInvalidFrames: 50,
    maxSessionRejectedStreams: 50,
    streamResetBurst: 200,
    streamResetRate: 20,
    unknownProtocolTimeout: 1_000,
  })
  session.setTimeout(limits.idleMs, () => session.close())
  session.on('error', () => {}) // its close follows
  session.on('close', on.closed)
  session.on('frameError', () => session.destroy())
  let open = 0
  let parting: 'not' | 'alone' | 'now' = 'not'
  const part = (): void => {
    if (!session.closed && !session.destroyed && (open === 1 || parting === 'now')) session.close()
  }
  session.on('stream', (stream: ServerHttp2Stream, _headers: object, flags: number, rawHeaders: string[]) => {
    stream.on('error', () => {})
    open += 1
    stream.once('close', () => {
      open -= 1
    })
    if (parting !== 'not') setImmediate(part) // what was sent together with it is read first
    const reading = readRequest(rawHeaders, (flags & endOfStream) !== 0)
    if (reading.kind === 'malformed') return void stream.close(protocolError)
    if (headBytes(rawHeaders) > limits.headerBytes) return answerAlone(stream, 431)
    if (!on.mayServe(reading.text.authority)) return answerAlone(stream, 421)
    on.request(new Carrier(stream, reading.text, reading.method === 'HEAD'))
  })
  return {
    leave: () => {
      if (parting !== 'not') return
      parting = 'alone'
      const waited = setTimeout(() => {
        parting = 'now'
      }, limits.partingMs).unref()
      session.once('close', () => clearTimeout(waited))
    },
    destroy: () => session.destroy(),
  }
}

const endOfStream = 0x1
const protocolError = 1

const headBytes = (rawHeaders: readonly string[]): number =>
  rawHeaders.reduce((sum, text) => sum + text.length, 2 * rawHeaders.length)

/** 421: another connection, whose certificate is that host's, would be served (RFC 9110, 15.5.20). */
const answerAlone = (stream: ServerHttp2Stream, status: 421 | 431): void => {
  stream.respond({ ':status': status, 'content-length': '0' }, { endStream: true })
  stream.close(0)
}
