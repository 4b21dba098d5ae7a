import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { OpenAPIHono } from '@hono/zod-openapi'
import type { Context, Next } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { matchedRoutes } from 'hono/route'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Authentication, Identity } from '../access/access.ts'
import type { Sessions } from '../access/sessions/sessions.ts'
import type { Clock } from '../clock.ts'
import { lazily } from '../lazily.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { Problem, type ProblemDetails } from '../problem.ts'
import { compressJson } from './compress.ts'
import { type Document, describe, documentRoutes } from './document.ts'
import { addressOf, type Credential, credentialIn, type Door, tokenIn } from './door.ts'
import { createEventStreams } from './events.ts'
import { eventRoutes } from './events-route.ts'
import { type LateRoutes, type Routes, routesFor } from './late.ts'
import { welcomePage } from './page.ts'
import { invalidRequest, problemBody, problemOf, protection } from './refusal.ts'
import { type ApiEnv, askingOf, guardedRoutes } from './route.ts'
import { largestSignedBody, tooLarge, tooSlow } from './signed-body.ts'
import { createVisibility } from './visibility.ts'

export type AppOptions = {
  readonly access: Authentication
  readonly sessions: Pick<Sessions, 'identify'>
  readonly ledger: Ledger
  readonly clock: Clock
  readonly version: string
  readonly door: Door
  /** The routes of the stages, below `/api/v1`. */
  readonly routes: readonly LateRoutes[]
  /** Told of every answer that is Headway's own fault. */
  report(error: unknown, requestId: string): void
}

export type App = {
  handle(request: IncomingMessage, response: ServerResponse): Promise<void>
  /** The app with all of its routes; what `handle` answers by has those that somebody asked for. */
  whole(): Promise<OpenAPIHono<ServerEnv>>
  /** Ends the streams that would otherwise never end. */
  close(): void
}

type ServerEnv = ApiEnv & { Bindings: Partial<HttpBindings>; Variables: { requestId: string } }

const base = '/api/v1'
const largestBody = 1024 * 1024
/** A job's end may bring a summary of 1 MiB, outputs of 1 MiB and reports; only a runner's token gets that far. */
const largestRunnerBody = 48 * 1024 * 1024
const signedPaths = `${base}/hooks/`
/** How long any body may take, and how slow a long one may be besides. */
const patienceMs = 30_000
const slowestBytesPerMs = 64

/** Everything beneath `/api/v1` is a route that was made by `route()`, everything else is refused or described here. */
export const createApp = (options: AppOptions): App => {
  const { access, sessions, ledger, clock, door, version } = options
  const events = createEventStreams({ ledger, clock, visibility: createVisibility(ledger) })
  const identify = identifyAgain(access, sessions)
  const parts = options.routes.map((one) => ({ ...one, load: lazily(() => one.load()) }))
  const loaded = new Set<Routes>()

  /** Hono takes no more routes once it has answered, so that with each that is loaded all are put together anew. */
  const assemble = (): OpenAPIHono<ServerEnv> => {
    const app = new OpenAPIHono<ServerEnv>({
      defaultHook: (result) => {
        if (!result.success) throw invalidRequest(partNames[result.target] ?? result.target, result.error.issues)
      },
    })
    app.use(protect)
    app.onError((error, context) => {
      const requestId = context.get('requestId')
      const problem = error instanceof HTTPException ? ofFramework(error) : problemOf(error, requestId)
      if (problem.status >= 500) options.report(error, requestId)
      return problemResponse(context, problem, challengeFor(problem))
    })
    app.notFound((context) => problemResponse(context, nothingAt(context.req.path)))
    app.use(`${base}/*`, compressJson, enter(door), onlyGuarded, limitBody(clock))
    for (const routes of loaded) app.route(base, routes)
    const asked = (context: Context) => identify(credentialIn(askingOf(context), context.req.header('authorization')))
    app.route(base, eventRoutes({ events, ledger, identify: asked }))
    app.route(base, documentRoutes(document))
    app.get('/', (context) => context.html(welcomePage(version), 200))
    app.get('/api', async (context) => {
      const { referencePage } = await import('./reference.ts')
      return context.html(referencePage(await document()), 200)
    })
    return app
  }

  const listening = () => {
    const app = assemble()
    return { app, routes: loaded.size, listener: getRequestListener(app.fetch, { overrideGlobalObjects: false }) }
  }
  let current = listening()

  const load = async (wanted: readonly LateRoutes[]): Promise<void> => {
    for (const one of wanted) loaded.add(await one.load())
    if (current.routes < loaded.size) current = listening()
  }
  async function whole(): Promise<OpenAPIHono<ServerEnv>> {
    await load(parts)
    return current.app
  }
  async function document(): Promise<Document> {
    return describe(await whole(), version)
  }

  return {
    handle: async (request, response) => {
      await load(routesFor(parts, pathOf(request.url)))
      await current.listener(request, response)
    },
    whole,
    close: events.close,
  }
}

const partNames: Readonly<Record<string, string>> = { json: 'body', param: 'path' }
const pathOf = (url = ''): string => url.replace(/[?#].*$/s, '')

async function protect(context: Context<ServerEnv>, next: Next): Promise<void> {
  const requestId = randomUUID()
  context.set('requestId', requestId)
  await next()
  const { headers } = context.res
  headers.set('x-request-id', requestId)
  for (const [name, value] of Object.entries(protection)) headers.set(name, value)
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

const problemResponse = (
  context: Context,
  problem: ProblemDetails,
  headers: Readonly<Record<string, string>> = {},
): Response =>
  context.body(JSON.stringify(problemBody(problem)), contentful(problem.status), {
    ...headers,
    'content-type': 'application/problem+json',
  })

/** The statuses of problems are those of errors, which have a body. */
const contentful = (status: number): ContentfulStatusCode =>
  (status >= 400 && status <= 599 ? status : 500) as ContentfulStatusCode

/** What Hono and its validator say by themselves. */
const ofFramework = ({ status, message }: HTTPException): Problem => {
  const kind =
    { 400: 'invalid-request', 413: 'too-large', 415: 'unsupported-media-type' }[Number(status)] ?? `http-${status}`
  return new Problem({ kind, status, detail: message || kind })
}

const challengeFor = (problem: ProblemDetails): Record<string, string> =>
  problem.status === 401 ? { 'www-authenticate': 'Bearer realm="Headway"' } : {}

/** What is said to be no larger is no larger: Node reads no more of a body than its length says. Signed ones are counted as they are read. */
const limitBody =
  (clock: Clock) =>
  async (context: Context<ServerEnv>, next: Next): Promise<void> => {
    const isSigned = context.req.path.startsWith(signedPaths)
    if (context.req.header('transfer-encoding') !== undefined && !isSigned)
      throw new Problem({
        kind: 'length-required',
        status: 411,
        detail: 'the request does not say how long its body is',
        next: 'send it with a Content-Length',
      })
    const isRunner = context.get('identity')?.runner !== undefined
    const largest = isRunner ? largestRunnerBody : isSigned ? largestSignedBody : largestBody
    const announced = Number(context.req.header('content-length') ?? 0)
    if (announced > largest) throw tooLarge(largest)
    const { incoming } = context.env
    if (isSigned || announced === 0 || !incoming) return next()
    await whileBodyComes(incoming, patienceMs + announced / slowestBytesPerMs, clock, next())
  }

/** Rejects with a Problem (408) when the body is not there in time, so that nobody's connection is held by one who never sends it. */
const whileBodyComes = async (
  incoming: IncomingMessage,
  withinMs: number,
  clock: Clock,
  handled: Promise<void>,
): Promise<void> => {
  const over = new AbortController()
  const late = clock.sleep(withinMs, over.signal).then(() => {
    if (!incoming.complete) throw tooSlow(withinMs)
    return handled
  })
  try {
    await Promise.race([handled, late])
  } finally {
    over.abort()
  }
}

const nothingAt = (path: string): Problem =>
  new Problem({
    kind: 'not-found',
    status: 404,
    detail: `there is nothing at ${path}`,
    next: '/api describes what there is',
  })
