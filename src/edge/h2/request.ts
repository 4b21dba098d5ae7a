/** A request's head in the words of HTTP/1.1, and how its body is framed. */
export type RequestText = {
  readonly head: string
  readonly authority: string
  readonly body: 'none' | 'chunked' | { readonly lengthBytes: number }
}
export type RequestReading =
  | { readonly kind: 'request'; readonly method: string; readonly text: RequestText }
  /** Malformed (RFC 9113, 8.1.1): the stream is to be reset. */
  | { readonly kind: 'malformed'; readonly why: string }

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const lowerToken = /^[!#$%&'*+.^_`|~0-9a-z-]+$/
const visible = /^[\x21-\x7e]+$/
/** Of a connection, which has no such headers in HTTP/2 (RFC 9113, 8.2.2). */
const ofConnections = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'])

/** A header's value that is one line in HTTP/1.1 too. */
export const isPlainValue = (value: string): boolean =>
  /^[\t\x20-\x7e\x80-\xff]*$/.test(value) && value === value.trim()

/**
 * A request of HTTP/2 from its raw pairs. Strict, whatever a library has looked at before: in HTTP/1.1 a line end in a value would be
 * another header, and a length that is not one would be another request.
 */
export const readRequest = (rawHeaders: readonly string[], endsHere: boolean): RequestReading => {
  const pseudo = new Map<string, string>()
  const lines: string[] = []
  const cookies: string[] = []
  let host: string | null = null
  let length: string | null = null
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const [name = '', value = ''] = [rawHeaders[at], rawHeaders[at + 1]]
    if (name.startsWith(':')) {
      if (lines.length > 0 || pseudo.has(name)) return malformed('a pseudo-header is repeated or comes late')
      pseudo.set(name, value)
      continue
    }
    if (!lowerToken.test(name) || !isPlainValue(value)) return malformed('a header is no header')
    if (ofConnections.has(name) || (name === 'te' && value !== 'trailers')) return malformed(`it has a header ${name}`)
    if (name === 'cookie') cookies.push(value)
    else if (name === 'host') {
      if (host !== null) return malformed('it has two Host headers')
      host = value
    } else if (name === 'content-length') {
      if (length !== null || !/^[0-9]{1,15}$/.test(value)) return malformed('its Content-Length is not one number')
      length = value
    } else lines.push(`${name}: ${value}`)
  }
  const method = pseudo.get(':method') ?? ''
  const path = pseudo.get(':path') ?? ''
  const authority = pseudo.get(':authority') ?? host ?? ''
  if (!token.test(method) || method === 'CONNECT' || pseudo.get(':scheme') !== 'https')
    return malformed('its kind is not served')
  if (!visible.test(path) || !visible.test(authority)) return malformed('it has no path or no authority')
  if (host !== null && host.toLowerCase() !== authority.toLowerCase()) return malformed('it names two hosts')
  for (const name of pseudo.keys())
    if (![':method', ':path', ':authority', ':scheme'].includes(name))
      return malformed('it has an unknown pseudo-header')
  if (endsHere && length !== null && Number(length) !== 0) return malformed('its body is shorter than it says')
  const body = endsHere ? 'none' : length === null ? 'chunked' : { lengthBytes: Number(length) }
  lines.unshift(`${method} ${path} HTTP/1.1`, `host: ${authority}`)
  if (cookies.length > 0) lines.push(`cookie: ${cookies.join('; ')}`)
  if (length !== null) lines.push(`content-length: ${length}`)
  else if (body === 'chunked') lines.push('transfer-encoding: chunked')
  // One request for each: its end is the end of what is written.
  lines.push('connection: close')
  return { kind: 'request', method, text: { head: `${lines.join('\r\n')}\r\n\r\n`, authority, body } }
}

const malformed = (why: string): RequestReading => ({ kind: 'malformed', why })
