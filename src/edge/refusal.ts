import { linesOf } from './headers.ts'
import { STATUS_CODES } from './http.ts'

/** What the edge answers by itself: what, why and what next, and nothing about other services or the machine. */
export type Refusal = {
  readonly status: number
  readonly kind: string
  readonly detail: string
  readonly next: string
  readonly retryAfterSeconds?: number
}

export const malformed = (why: string, status = 400): Refusal => ({
  status,
  kind: 'malformed-request',
  detail: `The request was refused because ${why}.`,
  next: 'Send a request that follows RFC 9112.',
})

export const unknownHost = (host: string): Refusal => ({
  status: 404,
  kind: 'unknown-host',
  detail: `No service is reachable as ${host}.`,
  next: 'Check the address; a service gets its address with its first deployment.',
})

export const noHealthyInstance: Refusal = {
  status: 503,
  kind: 'no-healthy-instance',
  detail: 'The service has no healthy instance at the moment.',
  next: 'Try again in a few seconds. Whoever runs it sees why with: headway status',
  retryAfterSeconds: 2,
}

export const connectionFailed: Refusal = {
  status: 502,
  kind: 'instance-unreachable',
  detail: 'The instance that was to answer accepted no connection or broke it off before it answered.',
  next: 'Try again. Whoever runs the service sees why with: headway status, headway logs',
}

export const edgeFull: Refusal = {
  status: 503,
  kind: 'edge-full',
  detail: 'The edge has as many connections open as it may.',
  next: 'Try again in a few seconds. Whoever runs the edge finds in its log which limit it met.',
  retryAfterSeconds: 1,
}

export const answerUnusable: Refusal = {
  status: 502,
  kind: 'answer-unusable',
  detail: 'The instance gave an answer that is not valid HTTP/1.1.',
  next: 'Whoever runs the service finds the request by its id in: headway logs',
}

export const answerLate: Refusal = {
  status: 504,
  kind: 'answer-late',
  detail: 'The instance did not begin to answer in time.',
  next: 'Try again later. Whoever runs the service finds the request by its id in: headway logs',
}

export const bodyLate: Refusal = {
  status: 408,
  kind: 'request-late',
  detail: 'The rest of the request did not arrive in time.',
  next: 'Send the request again, without a pause.',
}

export const methodRefused: Refusal = {
  status: 405,
  kind: 'method-refused',
  detail: 'The methods CONNECT and TRACE are not served.',
  next: 'Use another method.',
}

type Page = { readonly headers: string[]; readonly body: string }

/** The page in the form that was asked for: HTML for browsers, problem details (RFC 9457) for programs, else plain text. */
export const pageOf = (refusal: Refusal, accept: string | undefined, requestId: string): Page => {
  const { type, body } = form(refusal, accept ?? '', requestId)
  const headers = ['Content-Type', type, 'Content-Length', String(Buffer.byteLength(body)), 'Cache-Control', 'no-store']
  headers.push('X-Content-Type-Options', 'nosniff', 'X-Request-Id', requestId)
  if (refusal.retryAfterSeconds !== undefined) headers.push('Retry-After', String(refusal.retryAfterSeconds))
  if (refusal.status === 405) headers.push('Allow', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS')
  return { headers, body }
}

const form = (refusal: Refusal, accept: string, requestId: string): { type: string; body: string } => {
  const { status, kind, detail, next } = refusal
  const title = STATUS_CODES[status] ?? 'Error'
  if (accept.includes('text/html')) {
    const lines = `<h1>${status} ${title}</h1><p>${escaped(detail)}</p><p>${escaped(next)}</p><p><small>Request ${escaped(requestId)}</small></p>`
    return {
      type: 'text/html; charset=utf-8',
      body: `<!doctype html><html lang="en"><meta charset="utf-8"><title>${status} ${title}</title><body>${lines}</body></html>\n`,
    }
  }
  if (/[/+]json/.test(accept)) {
    const problem = { type: `urn:headway:problem:${kind}`, title, status, detail, next, requestId }
    return { type: 'application/problem+json', body: `${JSON.stringify(problem)}\n` }
  }
  return {
    type: 'text/plain; charset=utf-8',
    body: `${status} ${title}\n${detail}\n${next}\nRequest ${requestId}\n`,
  }
}

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')

/** The same as bytes, for a connection that no longer speaks through Node's server; it is to be closed after them. */
export const rawPage = (refusal: Refusal, accept: string | undefined, requestId: string): string => {
  const { headers, body } = pageOf(refusal, accept, requestId)
  return `${rawHead(refusal.status, STATUS_CODES[refusal.status] ?? 'Error', [...headers, 'Connection', 'close'])}${body}`
}

/** A status line and header section. */
export const rawHead = (status: number, reason: string, pairs: readonly string[]): string =>
  `HTTP/1.1 ${status} ${reason}\r\n${linesOf(pairs)}\r\n`
