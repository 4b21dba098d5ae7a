import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Authentication } from '../access/access.ts'
import type { Sessions } from '../access/sessions/sessions.ts'
import type { Clock } from '../clock.ts'
import { lazily } from '../lazily.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { describeProblem, type ProblemDetails } from '../problem.ts'
import type { App } from './app.ts'
import { addressOf, type Credential, createDoor, type Door } from './door.ts'
import { isExpectedHost, unexpectedHost } from './host.ts'
import type { LateRoutes } from './late.ts'
import { problemBody, problemOf, protection } from './refusal.ts'
import { createThrottle } from './throttle.ts'
import type { Web } from './web.ts'

/** Serves Git over HTTP: gets the request as Node has it, and who sends it (null: came without a token). */
export type GitHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  identity: Awaited<ReturnType<Authentication['identify']>>,
) => Promise<void>

/** Something else than the API that is served at paths of its own; gets the request as Node has it and answers for itself. */
export type Annex = {
  isAt(url: string): boolean
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>
}

export type ApiOptions = {
  readonly access: Authentication
  /** Who is signed in at the web; nobody where it is absent. */
  readonly sessions?: Pick<Sessions, 'identify'>
  /** The web itself; where it is absent or not built, a page says how to build it. */
  readonly web?: Web
  readonly ledger: Ledger
  readonly clock: Clock
  readonly version: string
  /** The routes of the stages, below `/api/v1`. */
  readonly routes: readonly LateRoutes[]
  /** Null while there is no Git host. */
  readonly git: GitHandler | null
  /** What jobs are served by; nothing where it is absent. */
  readonly annex?: Annex
  isReady(): boolean
  /** The names that the Host header may hold besides loopback's; null: any, when not only loopback is listened on. */
  readonly hostNames: readonly string[] | null
  /** Told of every answer that is Headway's own fault. */
  report(error: unknown, requestId: string): void
}

export type Api = {
  /** The app beneath `/api`, with all of its routes. */
  whole(): ReturnType<App['whole']>
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>
  /** Ends the streams that would otherwise never end. */
  close(): void
}

/**
 * The HTTP face: Git, the web, jobs' services and `/health` are answered from here; for all the rest the app is loaded when somebody first
 * asks for something of it.
 */
export const createApi = (options: ApiOptions): Api => {
  const { access, clock, sessions = { identify: async () => null } } = options
  const door = createDoor(access, sessions, createThrottle(clock))
  let opened: App | null = null
  const app = lazily(async () => {
    const { createApp } = await import('./app.ts')
    opened = createApp({ ...options, sessions, door })
    return opened
  })
  return {
    whole: async () => (await app()).whole(),
    handle: async (request, response) => {
      const names = options.hostNames
      if (names && !isExpectedHost(request.headers.host, names)) return refusePlainly(response, unexpectedHost())
      const url = request.url ?? ''
      if (options.git && isGitUrl(url)) return serveGit(options, door, options.git, request, response)
      if (options.annex?.isAt(url)) return serveOrRefuse(options, options.annex, request, response)
      if (options.web?.serve(request, response)) return
      if (isHealth(request)) return tellHealth(options, request, response)
      await serveOrRefuse(options, { handle: async (...asked) => (await app()).handle(...asked) }, request, response)
    },
    close: () => opened?.close(),
  }
}

const isHealth = ({ method, url = '' }: IncomingMessage): boolean =>
  (method === 'GET' || method === 'HEAD') && /^\/health(\?|$)/.test(url)

const tellHealth = ({ isReady, version }: ApiOptions, request: IncomingMessage, response: ServerResponse): void => {
  const ready = isReady()
  response.writeHead(ready ? 200 : 503, {
    ...protection,
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'x-request-id': randomUUID(),
  })
  response.end(request.method === 'HEAD' ? undefined : JSON.stringify({ ready, version }))
}

/** Also where actions look for a repository: at `<server>/<owner>/<name>`. */
const isGitUrl = (url: string): boolean =>
  /^\/git\//.test(url) || /^\/[^/]+\/[^/]+\/(info\/refs\?service=git-|git-(upload|receive)-pack$)/.test(url)

const serveOrRefuse = async (
  { report }: ApiOptions,
  annex: Pick<Annex, 'handle'>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  const requestId = randomUUID()
  try {
    await annex.handle(request, response)
  } catch (error) {
    const problem = problemOf(error, requestId)
    if (problem.status >= 500) report(error, requestId)
    if (response.headersSent) return void response.destroy()
    response.writeHead(problem.status, { 'content-type': 'application/problem+json', connection: 'close' })
    response.end(JSON.stringify(problemBody(problem)))
  }
}

const serveGit = async (
  { report }: ApiOptions,
  door: Door,
  git: GitHandler,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  const requestId = randomUUID()
  try {
    const { authorization } = request.headers
    const credential: Credential = authorization === undefined ? { kind: 'none' } : { kind: 'header', authorization }
    const entry = await door(credential, addressOf(request))
    if (entry.kind === 'refused') return refusePlainly(response, entry.problem)
    await git(request, response, entry.kind === 'known' ? entry.identity : null)
  } catch (error) {
    const problem = problemOf(error, requestId)
    if (problem.status >= 500) report(error, requestId)
    if (response.headersSent) response.destroy()
    else refusePlainly(response, problem)
  }
}

/** Git shows the text of a refusal to its user when it is plain. */
const refusePlainly = (response: ServerResponse, problem: ProblemDetails): void => {
  response.writeHead(problem.status, {
    'content-type': 'text/plain; charset=utf-8',
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store',
    connection: 'close', // what is left of the request is not read
    ...(problem.status === 401 ? { 'www-authenticate': 'Basic realm="Headway"' } : {}),
  })
  response.end(`${describeProblem(problem)}\n`)
}
