import { fieldIn, inOnePiece, linesOf, type RequestHead, readRequestHead } from './headers.ts'
import { hostName } from './host.ts'
import { malformed, methodRefused, type Refusal } from './refusal.ts'
import { traceparentOf } from './trace.ts'
import type { Trust } from './trust.ts'
import type { Peer } from './wire/client.ts'
import type { RequestLines, Section } from './wire/head.ts'

/** What a client asks for, judged once. */
export type Asked = {
  readonly method: string
  /** Origin form, or `*`. */
  readonly path: string
  readonly httpVersion: '1.0' | '1.1'
  readonly requestId: string
  /** The `traceparent` that begins here; null where the client's goes on. */
  readonly trace: string | null
  /** May be sent a second time when nothing was answered (RFC 9110, 9.2.2) and there is no body that has been used up. */
  readonly repeatable: boolean
  readonly heading: Heading
}

/** What a header section says, whatever it is asked with: judged once for all requests of a client that repeat it. */
export type Heading = {
  readonly section: Section
  /** Whose it is. */
  readonly peer: Peer
  readonly httpVersion: '1.0' | '1.1'
  /** The Host header as it was sent, and the name that is routed by. */
  readonly hostHeader: string
  readonly host: string
  /** Null where the client named none that is usable. */
  readonly requestId: string | null
  /** The client's address; behind a trusted proxy the one that it tells. */
  readonly client: string
  /** By which the client asked, as far as that can be believed. */
  readonly proto: 'http' | 'https'
  readonly body: Extract<RequestHead, { kind: 'accepted' }>['body']
  readonly trailer: string | null
  readonly upgrade: string | null
  readonly expectsContinue: boolean
  /** The client may send another request over its connection. */
  readonly keepsOpen: boolean
  readonly accept: string | undefined
  /** The pairs for the instance; those of the single request, framing and connection are to be added. */
  readonly pairs: readonly string[]
  /** What follows a request's target in its head, up to the value of its X-Request-Id. */
  readonly opening: string
  /** What follows the lines of the single request where it has no body. */
  readonly closing: string
  /** Whether there is a trace that goes on. */
  readonly isTraced: boolean
}

export type Judged =
  | { readonly kind: 'asked'; readonly asked: Asked }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

/** Bytes are limited by the server; a service's own reader may be limited by count. */
const mostHeaders = 200
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/** `before` is what an earlier request came to, most often of this connection. */
export const judge = (
  { method, url, httpVersion, section }: RequestLines,
  peer: Peer,
  { trust, newId }: { readonly trust: Trust; readonly newId: () => string },
  before: Heading | null,
): Judged => {
  if (method === 'TRACE' || method === 'CONNECT') return { kind: 'refused', refusal: methodRefused }
  const repeats =
    before !== null &&
    before.section === section &&
    before.httpVersion === httpVersion &&
    before.peer.address === peer.address &&
    before.peer.isSecure === peer.isSecure
  const heading = repeats ? before : readHeading(section, httpVersion, peer, trust)
  if ('kind' in heading) return heading
  const path = pathOf(url, method, heading.hostHeader)
  if (path === null) return refuse('its target is neither a path nor an address of this host')
  const requestId = heading.requestId ?? newId()
  const repeatable = heading.body === 'none' && idempotent.has(method)
  const trace = heading.isTraced ? null : traceparentOf(heading.requestId === null ? requestId : newId())
  return { kind: 'asked', asked: { method, path, httpVersion, requestId, trace, repeatable, heading } }
}

const readHeading = (
  section: Section,
  httpVersion: '1.0' | '1.1',
  peer: Peer,
  trust: Trust,
): Heading | Extract<Judged, { kind: 'refused' }> => {
  const { rawHeaders } = section
  if (rawHeaders.length > 2 * mostHeaders) return refuse(`it has more than ${mostHeaders} headers`, 431)
  const head = readRequestHead(rawHeaders, httpVersion)
  if (head.kind === 'refused') return refuse(head.why, head.status)
  const host = hostName(head.host)
  if (host === null) return refuse('its Host header names no host')
  const pairs = head.pass
  const { client, forwardedFor, proto } = trust(peer, rawHeaders)
  pairs.push('X-Forwarded-For', forwardedFor, 'X-Forwarded-Proto', proto, 'X-Forwarded-Host', head.host)
  const { requestId, body, trailer, upgrade, expectsContinue, keepsOpen, isTraced } = head
  return {
    section,
    peer,
    httpVersion,
    hostHeader: head.host,
    host,
    requestId,
    client,
    proto,
    body,
    trailer,
    upgrade,
    expectsContinue,
    keepsOpen,
    accept: fieldIn(rawHeaders, 'accept'),
    pairs,
    opening: inOnePiece(` HTTP/1.1\r\n${linesOf(pairs)}X-Request-Id: `),
    closing: expectsContinue ? `Expect: 100-continue\r\n${kept}` : kept,
    isTraced,
  }
}

/** The pairs for the instance with those of this request; framing and connection are to be added. */
export const pairsFor = ({ requestId, trace, heading }: Asked): string[] => {
  const pairs = [...heading.pairs, 'X-Request-Id', requestId]
  if (trace !== null) pairs.push('traceparent', trace)
  return pairs
}

/** The request's head as the instance gets it. */
export const headFor = (asked: Asked): string => {
  const { method, path, requestId, trace, heading } = asked
  const { opening, closing } = heading
  const tracing = trace === null ? '\r\n' : `\r\ntraceparent: ${trace}\r\n`
  if (heading.body === 'none' && withoutBody.has(method))
    return `${method} ${path}${opening}${requestId}${tracing}${closing}`
  return `${method} ${path}${opening}${requestId}${tracing}${linesOf(framingOf(asked))}${closing}`
}

const kept = 'Connection: keep-alive\r\n\r\n'

const refuse = (why: string, status = 400): Extract<Judged, { kind: 'refused' }> => ({
  kind: 'refused',
  refusal: malformed(why, status),
})

/** The origin form of a target; an absolute one (RFC 9112, 3.2.2) must name the same host as the Host header. */
const pathOf = (target: string, method: string, hostHeader: string): string | null => {
  if (target.includes('#')) return null
  if (target.startsWith('/')) return target
  if (target === '*') return method === 'OPTIONS' ? target : null
  const absolute = /^http:\/\/([^/?]+)(.*)$/i.exec(target)
  if (!absolute || absolute[1]?.toLowerCase() !== hostHeader.toLowerCase()) return null
  const rest = absolute[2] ?? ''
  return rest.startsWith('/') ? rest : `/${rest}`
}

/** Methods for which Node.js frames no body unless told to. */
const withoutBody = new Set(['GET', 'HEAD', 'DELETE', 'OPTIONS'])

/** The pairs that frame the body towards the instance exactly as the client framed it. */
export const framingOf = ({ method, heading: { body, trailer } }: Asked): string[] => {
  if (body === 'none') return withoutBody.has(method) ? [] : ['Content-Length', '0']
  if (body !== 'chunked') return ['Content-Length', body.lengthBytes]
  return trailer === null ? ['Transfer-Encoding', 'chunked'] : ['Transfer-Encoding', 'chunked', 'Trailer', trailer]
}
