import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { TLSSocket } from 'node:tls'
import { Problem } from '../../problem.ts'

/** What a service answers: a status and JSON, or nothing. */
export type Answer = {
  readonly status: number
  readonly body: unknown
  readonly headers?: Readonly<Record<string, string>>
}

const longestCallBytes = 1024 * 1024

/** The JSON of a small request. Throws a Problem when it is none, or larger than 1 MiB. */
export const jsonOf = async (request: IncomingMessage): Promise<unknown> => {
  const chunks: Buffer[] = []
  let seen = 0
  for await (const chunk of bytesOf(request)) {
    seen += chunk.length
    if (seen > longestCallBytes) throw bad('the request is larger than 1 MiB', 413)
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString() || '{}')
  } catch {
    throw bad('the request is no JSON', 400)
  }
}

/** The body as it comes. Whoever stops reading leaves the connection as it is, so that an answer can still be given. */
export async function* bytesOf(request: IncomingMessage): AsyncGenerator<Buffer> {
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    if (!Buffer.isBuffer(chunk)) throw new TypeError('a request gave something else than bytes')
    yield chunk
  }
}

/** Reads what is left of a refused request and forgets it: many clients hear the answer only when they have sent everything. */
export const drain = (request: IncomingMessage): void => {
  request.on('error', () => {}) // it went away instead
  request.resume()
}

export const answerJson = (response: ServerResponse, { status, body, headers = {} }: Answer): void => {
  if (status === 204) return void response.writeHead(status, { ...plainHeaders, ...headers }).end()
  response.writeHead(status, { ...plainHeaders, ...headers, 'content-type': 'application/json' })
  response.end(JSON.stringify(body))
}

/** What no answer with a token or somebody's file in it goes without. */
export const plainHeaders = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; sandbox",
} as const

/** The part of `size` bytes that a request asks for (RFC 9110, 14.2: one range); null: all of it; `outside`: there is none. */
export const rangeOf = (
  header: string | undefined,
  size: number,
): { readonly start: number; readonly end: number } | 'outside' | null => {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '')
  const [, first = '', last = ''] = match ?? []
  if (!match || (first === '' && last === '')) return null
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' || last === '' ? size - 1 : Math.min(size - 1, Number(last))
  return start > end || start >= size ? 'outside' : { start, end }
}

/** RFC 6266 with the name as RFC 8187 writes it. */
export const disposition = (name: string): string => {
  const encoded = encodeURIComponent(name).replace(/['()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`)
  return `attachment; filename="${name.replace(/[^\w. -]/g, '_')}"; filename*=UTF-8''${encoded}`
}

/** Sends a stream as the rest of an answer; a client that goes away ends it, and nobody minds. */
export const send = async (from: AsyncIterable<unknown>, response: ServerResponse): Promise<void> => {
  try {
    await pipeline(from, response)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null
    if (code !== 'ERR_STREAM_PREMATURE_CLOSE' && code !== 'ECONNRESET' && code !== 'EPIPE') throw error
  }
}

/** The address by which the client has reached this server; what it is told to call next begins with it. */
export const originOf = (request: IncomingMessage): string => {
  const isForwarded = request.headers['x-forwarded-proto'] === 'https'
  return `${isForwarded || isEncrypted(request.socket) ? 'https' : 'http'}://${request.headers.host ?? 'localhost'}`
}

const isEncrypted = (socket: Socket): boolean => socket instanceof TLSSocket

const bad = (detail: string, status: number): Problem => new Problem({ kind: 'malformed', status, detail })
