import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { plainHttp, secureHttp } from '../http.ts'
import { Problem } from '../problem.ts'
import type { Certificate } from './tls.ts'

export type Handle = (request: IncomingMessage, response: ServerResponse) => Promise<void>

export type Listener = {
  readonly port: number
  /** Who answers from now on; until then everybody is told that Headway is starting. */
  serve(handle: Handle): void
  /** What everybody is told besides until then: what the start waits for. */
  tell(what: string): void
  /** Takes no new connection, lets requests end for so long, then cuts what is left. */
  close(patienceMs: number): Promise<void>
}

/** How long a client may still send that was answered already: it reads the answer meanwhile. */
const unreadMs = 10_000

/** Listens; rejects with a Problem that names the port when that cannot be. */
export const listen = async (options: {
  host: string
  port: number
  certificate: Certificate | null
  report(error: unknown): void
  unreadMs?: number
}): Promise<Listener> => {
  const { host, port, certificate } = options
  let handle: Handle | null = null
  let starting = 'Headway is starting'
  const answer = (request: IncomingMessage, response: ServerResponse): void => {
    response.once('finish', () => endUnread(request, options.unreadMs ?? unreadMs))
    if (!handle) {
      tellStarting(response, starting)
      return
    }
    handle(request, response).catch((error: unknown) => {
      options.report(error)
      response.destroy()
    })
  }
  // A push sends its pack for as long as it takes; what must not take long are the headers.
  const limits = {
    headersTimeout: 20_000,
    requestTimeout: 60 * 60_000,
    keepAliveTimeout: 10_000,
    maxHeaderSize: 16_384,
  }
  const server: Server = certificate
    ? secureHttp().createServer(
        { ...limits, cert: certificate.cert, key: certificate.key, minVersion: 'TLSv1.2' },
        answer,
      )
    : plainHttp().createServer(limits, answer)
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenProblem(error, host, port)))
    server.listen(port, host, resolve)
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port')
  return {
    port: address.port,
    serve: (next) => {
      handle = next
    },
    tell: (what) => {
      starting = `Headway is starting: ${what}`
    },
    close: (patienceMs) =>
      new Promise((resolve) => {
        const patience = setTimeout(() => server.closeAllConnections(), patienceMs)
        // A connection whose request ends now would be kept alive for the next one.
        const sweep = setInterval(() => server.closeIdleConnections(), 20)
        server.close(() => {
          clearTimeout(patience)
          clearInterval(sweep)
          resolve()
        })
      }),
  }
}

/** Whoever was answered before all was sent, and goes on sending, would hold the connection for as long as a push may take. */
const endUnread = (request: IncomingMessage, afterMs: number): void => {
  if (request.complete) return
  const patience = setTimeout(() => request.destroy(), afterMs)
  request.once('close', () => clearTimeout(patience))
}

const tellStarting = (response: ServerResponse, detail: string): void => {
  const problem = {
    type: 'urn:headway:problem:starting',
    title: 'Starting',
    status: 503,
    detail,
  }
  response.writeHead(503, { 'content-type': 'application/problem+json', 'retry-after': '1' })
  response.end(JSON.stringify({ ...problem, next: 'try again in a second' }))
}

const listenProblem = (error: Error, host: string, port: number): Error => {
  const code = 'code' in error ? error.code : null
  if (code === 'EADDRINUSE')
    return new Problem(
      {
        kind: 'port-in-use',
        status: 409,
        detail: `port ${port} on ${host} is in use by another program`,
        next: 'choose another with --port (0 picks a free one)',
      },
      { cause: error },
    )
  if (code === 'EACCES')
    return new Problem(
      {
        kind: 'port-forbidden',
        status: 403,
        detail: `port ${port} on ${host} may not be opened by this user`,
        next: 'choose one above 1023 with --port',
      },
      { cause: error },
    )
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return new Problem(
      {
        kind: 'address-unknown',
        status: 400,
        detail: `${host} is no address of this machine`,
        next: 'choose one with --host, for example 127.0.0.1 or 0.0.0.0',
      },
      { cause: error },
    )
  return error
}
