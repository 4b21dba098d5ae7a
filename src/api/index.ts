import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { OpenAPIHono } from '@hono/zod-openapi'
import type { Context, Next } from 'hono'
import { matchedRoutes } from 'hono/route'
import type { Authentication, Identity } from '../access/access.ts'
import { askingOf } from '../access/sessions/routes.ts'
import type { Sessions } from '../access/sessions/sessions.ts'
import type { Clock } from '../clock.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { describeProblem, Problem, type ProblemDetails } from '../problem.ts'
import { describe, documentRoutes } from './document.ts'
import { type Credential, createDoor, credentialIn, type Door, tokenIn } from './door.ts'
import { createEventStreams } from './events.ts'
import { eventRoutes } from './events-route.ts'
import { isExpectedHost, unexpectedHost } from './host.ts'
import { welcomePage } from './page.ts'
import { invalidRequest, problemBody, problemOf, problemResponse } from './refusal.ts'
import { type ApiEnv, guardedRoutes } from './route.ts'
import { createThrottle } from './throttle.ts'
import { createVisibility } from './visibility.ts'
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
  // biome-ignore lint/suspicious/noExplicitAny: each carries the schema of its own routes
  readonly routes: readonly OpenAPIHono<ApiEnv, any, any>[]
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
  readonly app: OpenAPIHono<ServerEnv>
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>
  /** Ends the streams that would otherwise never end. */
  close(): void
}

type ServerEnv = ApiEnv & { Bindings: Partial<HttpBindings>; Variables: { requestId: string } }

const base = '/api/v1'
const largestBody = 1024 * 1024
/** A job's end may bring a summary of 1 MiB, outputs of 1 MiB and reports; only a runner's token gets that far. */
const largestRunnerBody = 48 * 1024 * 1024
/** What other systems send is signed, and known to be only once it was read. GitHub's largest is a push of 2,048 commits. */
const largestSignedBody = 5 * 1024 * 1024
const signedPaths = `${base}/hooks/`

/** The HTTP face: everything beneath `/api/v1` is a route that was made by `route()`, everything else is refused or described here. */
export const createApi = (options: ApiOptions): Api => {
  const { access, ledger, clock, sessions = { identify: async () => null } } = options
  const door = createDoor(access, sessions, createThrottle(clock))
  const events = createEventStreams({ ledger, clock, visibility: createVisibility(ledger) })
  const app = new OpenAPIHono<ServerEnv>({
    defaultHook: (result) => {
      if (!result.success) throw invalidRequest(partNames[result.target] ?? result.target, result.error.issues)
    },
  })

  app.use(protect)
  app.onError((error, context) => {
    const requestId = context.get('requestId')
    const problem = problemOf(error, requestId)
    if (problem.status >= 500) options.report(error, requestId)
    return problemResponse(context, problem, challengeFor(problem))
  })
  app.notFound((context) => problemResponse(context, nothingAt(context.req.path)))

  app.use(`${base}/*`, enter(door), onlyGuarded, limitBody)
  for (const routes of options.routes) app.route(base, routes)
  const identify = identifyAgain(access, sessions)
  app.route(
    base,
    eventRoutes({
      events,
      ledger,
      identify: (context) => identify(credentialIn(askingOf(context), context.req.header('authorization'))),
    }),
  )
  app.route(
    base,
    documentRoutes(() => describe(app, options.version)),
  )

  app.get('/health', (context) => {
    const ready = options.isReady()
    return context.json({ ready, version: options.version }, ready ? 200 : 503)
  })
  app.get('/', (context) => context.html(welcomePage(options.version), 200))
  app.get('/api', async (context) => {
    const { referencePage } = await import('./reference.ts')
    return context.html(referencePage(describe(app, options.version)), 200)
  })

  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false })
  return {
    app,
    handle: async (request, response) => {
      const names = options.hostNames
      if (names && !isExpectedHost(request.headers.host, names)) return refusePlainly(response, unexpectedHost())
      const url = request.url ?? ''
      if (options.git && isGitUrl(url)) return serveGit(options, door, options.git, request, response)
      if (options.annex?.isAt(url)) return serveAnnex(options, options.annex, request, response)
      if (options.web?.serve(request, response)) return
      await listener(request, response)
    },
    close: events.close,
  }
}

const partNames: Readonly<Record<string, string>> = { json: 'body', param: 'path' }

/** No page of ours runs a script or asks another host for anything, and none may be framed. */
async function protect(context: Context<ServerEnv>, next: Next): Promise<void> {
  const requestId = randomUUID()
  context.set('requestId', requestId)
  await next()
  const { headers } = context.res
  headers.set('x-request-id', requestId)
  headers.set('x-content-type-options', 'nosniff')
  headers.set('referrer-policy', 'no-referrer')
  headers.set('x-frame-options', 'DENY')
  headers.set('cross-origin-resource-policy', 'same-origin')
  headers.set(
    'content-security-policy',
    "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  )
  if (!headers.has('cache-control')) headers.set('cache-control', 'no-store')
}

const enter =
  (door: Door) =>
  async (context: Context<ServerEnv>, next: Next): Promise<Response | undefined> => {
    // The header holds what the source has agreed on with its system, which is no token of ours.
    if (context.req.path.startsWith(signedPaths)) {
      await next()
      return undefined
    }
    const credential = credentialIn(askingOf(context), context.req.header('authorization'))
    const address = addressOf(context.env?.incoming)
    context.set('address', address)
    const entry = await door(credential, address)
    if (entry.kind === 'refused')
      return problemResponse(context, entry.problem, {
        ...challengeFor(entry.problem),
        ...(entry.retryAfterSeconds === null ? {} : { 'retry-after': String(entry.retryAfterSeconds) }),
      })
    if (entry.kind === 'known') context.set('identity', entry.identity)
    await next()
    return undefined
  }

/** Deny by default: whatever was mounted here without saying who may call it is not served. */
async function onlyGuarded(context: Context<ServerEnv>, next: Next): Promise<void> {
  for (const { method, path } of matchedRoutes(context)) {
    if (method === 'ALL') continue
    if (!isGuarded(method, path)) throw new Error(`${method} ${path} does not say who may call it`)
  }
  await next()
}

/** Whether a path as it is routed (`/api/v1/projects/:project/...`) was made by `route()`. */
export const isGuarded = (method: string, path: string): boolean =>
  path.startsWith(`${base}/`) &&
  guardedRoutes().has(`${method.toLowerCase()} ${path.slice(base.length).replace(/:([^/]+)/g, '{$1}')}`)

const identifyAgain =
  (access: Authentication, sessions: Pick<Sessions, 'identify'>) =>
  async (credential: Credential): Promise<Identity | null> => {
    if (credential.kind === 'session') return sessions.identify(credential.secret)
    const token = credential.kind === 'header' ? tokenIn(credential.authorization) : null
    return token === null ? null : access.identify(token)
  }

/** Also where actions look for a repository: at `<server>/<owner>/<name>`. */
const isGitUrl = (url: string): boolean =>
  /^\/git\//.test(url) || /^\/[^/]+\/[^/]+\/(info\/refs\?service=git-|git-(upload|receive)-pack$)/.test(url)

const serveAnnex = async (
  { report }: ApiOptions,
  annex: Annex,
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

const challengeFor = (problem: ProblemDetails): Record<string, string> =>
  problem.status === 401 ? { 'www-authenticate': 'Bearer realm="Headway"' } : {}

const addressOf = (request: Partial<IncomingMessage> | undefined): string => request?.socket?.remoteAddress ?? 'unknown'

/** What is said to be no larger is no larger: Node reads no more of a body than its length says. */
async function limitBody(context: Context, next: Next): Promise<void> {
  if (context.req.header('transfer-encoding') !== undefined)
    throw new Problem({
      kind: 'length-required',
      status: 411,
      detail: 'the request does not say how long its body is',
      next: 'send it with a Content-Length',
    })
  const isRunner = context.get('identity')?.runner !== undefined
  const isSigned = context.req.path.startsWith(signedPaths)
  const largest = isRunner ? largestRunnerBody : isSigned ? largestSignedBody : largestBody
  if (Number(context.req.header('content-length') ?? 0) > largest)
    throw new Problem({
      kind: 'too-large',
      status: 413,
      detail: `the body of a request has at most ${largest} bytes`,
      next: 'send less at once',
    })
  await next()
}

const nothingAt = (path: string): Problem =>
  new Problem({
    kind: 'not-found',
    status: 404,
    detail: `there is nothing at ${path}`,
    next: '/api describes what there is',
  })
