import { isTraceparent } from './trace.ts'

/**
 * What is passed on and what is not, in both directions. Names are told apart by their spelling first, because nearly all
 * requests spell them in the same few ways and lower-casing each is what a proxy would spend its time on.
 */
type Kind =
  | 'pass'
  /** For the next neighbour only (RFC 9110, 7.6.1): dropped in both directions. */
  | 'hop'
  /** In a request a way to fool the service about who asks; dropped there. */
  | 'claim'
  | 'connection'
  | 'host'
  | 'content-length'
  | 'transfer-encoding'
  | 'trailer'
  | 'upgrade'
  | 'request-id'
  | 'traceparent'
  | 'tracestate'
  | 'expect'

const kinds: Readonly<Record<string, Kind>> = {
  connection: 'connection',
  host: 'host',
  'content-length': 'content-length',
  'transfer-encoding': 'transfer-encoding',
  trailer: 'trailer',
  upgrade: 'upgrade',
  'x-request-id': 'request-id',
  traceparent: 'traceparent',
  tracestate: 'tracestate',
  expect: 'expect',
  'keep-alive': 'hop',
  'proxy-connection': 'hop',
  'proxy-authenticate': 'hop',
  'proxy-authorization': 'hop',
  te: 'hop',
  proxy: 'claim', // becomes HTTP_PROXY in a CGI environment
  forwarded: 'claim',
  'x-real-ip': 'claim',
  'x-headway-mirrored': 'claim',
}

const bySpelling = new Map<string, Kind>()

const kindOf = (name: string): Kind => {
  const known = bySpelling.get(name)
  if (known !== undefined) return known
  // WSGI and CGI read underscores as dashes, so X_Forwarded_For would stand beside what we say.
  const plain = name.toLowerCase().replaceAll('_', '-')
  const named = plain.startsWith('x-forwarded-') ? 'claim' : Object.hasOwn(kinds, plain) ? kinds[plain] : undefined
  const kind: Kind = named === undefined ? 'pass' : name.includes('_') ? 'claim' : named
  if (bySpelling.size < 1000) bySpelling.set(name, kind)
  return kind
}

/** The value of the first field of this name (in lower case) among pairs. */
export const fieldIn = (pairs: readonly string[], lowerName: string): string | undefined => {
  for (let at = 0; at < pairs.length; at += 2) {
    const name = pairs[at] ?? ''
    if (name.length === lowerName.length && name.toLowerCase() === lowerName) return pairs[at + 1]
  }
  return undefined
}

/** Whether a request's header of this name reaches the instance as it was sent. */
export const isPassedOn = (name: string): boolean => kindOf(name) === 'pass'

/** `close` and the like are options, no names; a length that a sender could have removed would let two readers disagree. */
const neverListed = new Set(['', 'close', 'keep-alive', 'upgrade', 'host', 'content-length'])

/** The names that a Connection header declares to be for the next neighbour only; null for the usual none. */
const listedIn = (connection: string): string[] | null => {
  const names = connection
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '' && !neverListed.has(name))
  return names.length === 0 ? null : names
}

const hasOption = (connection: string, option: string): boolean =>
  connection.includes(option) && connection.split(',').some((one) => one.trim() === option)

/** Chunked, but not last: where such a body ends cannot be told (RFC 9112, 6.3). */
const endsOpen = (codings: string): boolean => {
  const names = codings.split(',').map((name) => name.trim().toLowerCase())
  return names.includes('chunked') && names.at(-1) !== 'chunked'
}

/** Pairs of name and value without those that are listed. */
const without = (pairs: readonly string[], names: readonly string[]): string[] => {
  const kept: string[] = []
  for (let at = 0; at < pairs.length; at += 2) {
    const name = pairs[at] ?? ''
    if (!names.includes(name.toLowerCase())) kept.push(name, pairs[at + 1] ?? '')
  }
  return kept
}

/** A request's header section, judged and stripped. `pass` are the pairs for the instance, its framing not among them. */
export type RequestHead =
  | { readonly kind: 'refused'; readonly status: 400 | 417 | 501; readonly why: string }
  | {
      readonly kind: 'accepted'
      readonly pass: string[]
      readonly host: string
      readonly requestId: string | null
      readonly body: 'none' | 'chunked' | { readonly lengthBytes: string }
      readonly trailer: string | null
      readonly upgrade: string | null
      readonly expectsContinue: boolean
      /** The client may send another request over its connection. */
      readonly keepsOpen: boolean
      /** A trace of the client's goes on. */
      readonly isTraced: boolean
    }

const refused = (why: string, status: 400 | 417 | 501 = 400): RequestHead => ({ kind: 'refused', status, why })
const saneRequestId = /^[A-Za-z0-9._:/+=@-]{1,128}$/

/** Reads the raw pairs of a request once. Whatever two readers could frame or route differently is refused. */
export const readRequestHead = (rawHeaders: readonly string[], httpVersion: string): RequestHead => {
  let pass: string[] = ['Host', ''] // first, as RFC 9110 advises
  let host: string | null = null
  let lengthBytes: string | null = null
  let chunked = false
  let connection: string | null = null
  let requestId: string | null = null
  let trailer: string | null = null
  let upgrade: string | null = null
  let expectsContinue = false
  let trace: string | null = null
  const traceState: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    const value = rawHeaders[at + 1] ?? ''
    switch (kindOf(name)) {
      case 'pass':
        pass.push(name, value)
        break
      case 'host':
        if (host !== null) return refused('it has two Host headers')
        host = value
        break
      case 'content-length':
        if (lengthBytes !== null || !/^[0-9]{1,15}$/.test(value)) return refused('its Content-Length is not one number')
        lengthBytes = value
        break
      case 'transfer-encoding':
        if (chunked || httpVersion !== '1.1' || endsOpen(value)) return refused('its Transfer-Encoding is ambiguous')
        if (value.toLowerCase() !== 'chunked') return refused('it has a Transfer-Encoding other than chunked', 501)
        chunked = true
        break
      case 'connection':
        connection = connection === null ? value : `${connection},${value}`
        break
      case 'request-id':
        if (saneRequestId.test(value)) requestId = value
        break
      case 'traceparent':
        trace = trace === null ? value : ''
        break
      case 'tracestate':
        traceState.push(name, value)
        break
      case 'trailer':
        trailer = value
        break
      case 'upgrade':
        upgrade = value
        break
      case 'expect':
        if (value.toLowerCase() !== '100-continue') return refused('it expects something other than 100-continue', 417)
        expectsContinue = true
        break
      default:
        break
    }
  }
  if (host === null) return refused('it has no Host header')
  pass[1] = host
  if (chunked && lengthBytes !== null) return refused('it has both a Content-Length and a Transfer-Encoding')
  const isTraced = trace !== null && isTraceparent(trace)
  if (isTraced && trace !== null) pass.push('traceparent', trace, ...traceState)
  const listed = connection === null ? null : listedIn(connection)
  if (listed) pass = without(pass, listed)
  const options = connection?.toLowerCase() ?? ''
  const keepsOpen = httpVersion === '1.1' ? !hasOption(options, 'close') : hasOption(options, 'keep-alive')
  const wantsUpgrade = httpVersion === '1.1' && hasOption(options, 'upgrade')
  const body = chunked ? 'chunked' : lengthBytes === null || lengthBytes === '0' ? 'none' : { lengthBytes }
  return {
    kind: 'accepted',
    pass,
    host,
    requestId,
    body,
    trailer,
    upgrade: wantsUpgrade ? upgrade : null,
    expectsContinue,
    keepsOpen,
    isTraced: isTraced && !listed?.includes('traceparent'),
  }
}

/** What of an answer is for the client: chunked framing is left out and to be made anew, a length is kept. */
export type AnswerPass = {
  readonly pairs: readonly string[]
  readonly trailer: string | null
  /** Whether it has an X-Request-Id and a Date. */
  readonly isNamed: boolean
  readonly isDated: boolean
}

/** Null where the answer cannot be passed on, as its transfer coding is unknown. */
export const readAnswerPass = (rawHeaders: readonly string[], status: number): AnswerPass | null => {
  let pass: string[] = []
  let connection: string | null = null
  let trailer: string | null = null
  let chunked = false
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    const value = rawHeaders[at + 1] ?? ''
    switch (kindOf(name)) {
      case 'content-length':
        if (status !== 204) pass.push(name, value)
        break
      case 'transfer-encoding':
        if (chunked || value.toLowerCase() !== 'chunked') return null
        chunked = true
        break
      case 'connection':
        connection = connection === null ? value : `${connection},${value}`
        break
      case 'trailer':
        trailer = value
        break
      case 'hop':
      case 'upgrade':
        break
      default:
        pass.push(name, value)
    }
  }
  const listed = connection === null ? null : listedIn(connection)
  if (listed) pass = without(pass, listed)
  const isNamed = fieldIn(pass, 'x-request-id') !== undefined
  const isDated = fieldIn(pass, 'date') !== undefined
  return { pairs: pass, trailer: chunked ? trailer : null, isNamed, isDated }
}

/** The pairs for the client of an answer to this request. */
export const namedPairs = ({ pairs, isNamed }: AnswerPass, requestId: string): string[] =>
  isNamed ? [...pairs] : [...pairs, 'X-Request-Id', requestId]

/** As they stand in a message. The pairs come from a parser or from this program: they hold no line breaks. */
export const linesOf = (pairs: readonly string[]): string => {
  let lines = ''
  for (let at = 0; at < pairs.length; at += 2) lines += `${pairs[at]}: ${pairs[at + 1]}\r\n`
  return lines
}

/** The same text in one piece: one that was put together is walked through anew each time that it is written. */
export const inOnePiece = (text: string): string => Buffer.from(text, 'latin1').toString('latin1')

/** Trailers that may follow a body: never what frames, routes or authorises (RFC 9110, 6.5.1). */
export const passableTrailers = (rawTrailers: readonly string[]): string[] => {
  const kept: string[] = []
  for (let at = 0; at < rawTrailers.length; at += 2) {
    const name = rawTrailers[at] ?? ''
    if (kindOf(name) === 'pass' && !forbiddenTrailer.test(name)) kept.push(name, rawTrailers[at + 1] ?? '')
  }
  return kept
}
const forbiddenTrailer =
  /^(authorization|cookie|set-cookie|content-(type|encoding|range)|cache-control|age|date|expires|location|vary|if-.*|max-forwards|range|warning|www-authenticate)$/i
