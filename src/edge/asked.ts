import { fieldIn, type RequestHead, readRequestHead } from './headers.ts'
import { hostName } from './host.ts'
import { malformed, methodRefused, type Refusal } from './refusal.ts'
import type { Trust } from './trust.ts'
import type { Peer } from './wire/client.ts'
import type { RequestLines } from './wire/head.ts'

/** What a client asks for, judged once. */
export type Asked = {
  readonly method: string
  /** Origin form, or `*`. */
  readonly path: string
  readonly httpVersion: '1.0' | '1.1'
  /** The Host header as it was sent, and the name that is routed by. */
  readonly hostHeader: string
  readonly host: string
  readonly requestId: string
  /** The client's address; behind a trusted proxy the one that it tells. */
  readonly client: string
  readonly body: Extract<RequestHead, { kind: 'accepted' }>['body']
  readonly trailer: string | null
  readonly upgrade: string | null
  readonly expectsContinue: boolean
  /** The client may send another request over its connection. */
  readonly keepsOpen: boolean
  readonly accept: string | undefined
  /** May be sent a second time when nothing was answered (RFC 9110, 9.2.2) and there is no body that has been used up. */
  readonly repeatable: boolean
  /** The pairs for the instance; framing and connection are to be added. */
  readonly pairs: readonly string[]
}

export type Judged =
  | { readonly kind: 'asked'; readonly asked: Asked }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

/** Bytes are limited by the server; a service's own reader may be limited by count. */
const mostHeaders = 200
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

export const judge = (request: RequestLines, peer: Peer, trust: Trust, newId: () => string): Judged => {
  const { method, url, httpVersion, rawHeaders } = request
  if (method === 'TRACE' || method === 'CONNECT') return { kind: 'refused', refusal: methodRefused }
  if (rawHeaders.length > 2 * mostHeaders) return refuse(`it has more than ${mostHeaders} headers`, 431)
  const head = readRequestHead(rawHeaders, httpVersion)
  if (head.kind === 'refused') return refuse(head.why, head.status)
  const host = hostName(head.host)
  if (host === null) return refuse('its Host header names no host')
  const path = pathOf(url, method, head.host)
  if (path === null) return refuse('its target is neither a path nor an address of this host')
  const requestId = head.requestId ?? newId()
  const pairs = head.pass
  const { client, forwardedFor, proto } = trust(peer, rawHeaders)
  pairs.push('X-Forwarded-For', forwardedFor, 'X-Forwarded-Proto', proto, 'X-Forwarded-Host', head.host)
  pairs.push('X-Request-Id', requestId)
  const { body, trailer, upgrade, expectsContinue, keepsOpen } = head
  const repeatable = body === 'none' && idempotent.has(method)
  return {
    kind: 'asked',
    asked: {
      method,
      path,
      httpVersion,
      hostHeader: head.host,
      host,
      requestId,
      client,
      body,
      trailer,
      upgrade,
      expectsContinue,
      keepsOpen,
      accept: fieldIn(rawHeaders, 'accept'),
      repeatable,
      pairs,
    },
  }
}

const refuse = (why: string, status = 400): Judged => ({ kind: 'refused', refusal: malformed(why, status) })

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
export const framingOf = ({ body, method, trailer }: Asked): string[] => {
  if (body === 'none') return withoutBody.has(method) ? [] : ['Content-Length', '0']
  if (body !== 'chunked') return ['Content-Length', body.lengthBytes]
  return trailer === null ? ['Transfer-Encoding', 'chunked'] : ['Transfer-Encoding', 'chunked', 'Trailer', trailer]
}
