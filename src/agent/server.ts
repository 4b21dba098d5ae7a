import { chmodSync, rmSync } from 'node:fs'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer } from '../edge/http.ts'
import { effectSync } from '../effect.ts'
import { describeError, Problem, type ProblemDetails } from '../problem.ts'
import type { Agent } from './agent.ts'
import { fields, Malformed, oneOf } from './check.ts'
import { parseId, parseLogQuery, parseRouteTable, parseSpec } from './parse.ts'
import type { AgentHealth, LogLine } from './protocol.ts'

export type Face = {
  readonly agent: Agent
  readonly socketPath: string
  health(): AgentHealth
  /** Called when everything has been stopped: no agent that is still on its way may start it again. */
  stopped(): void
  /** Called when a shutdown has been answered. */
  left(): void
}

const bodyBytes = 16 * 1024 * 1024
/** A reader of logs that takes none loses its connection rather than our memory. */
const unreadLogBytes = 8 * 1024 * 1024

/** Answers what protocol.ts says on a Unix socket that only Headway's own user can open. */
export const serveAgent = (face: Face): Promise<Server> => {
  const server = createServer((request, response) => {
    answer(face, request, response).catch((error: unknown) => refuse(response, error))
  })
  effectSync('agent.socket-remove', () => rmSync(face.socketPath, { force: true })) // of an agent that died; the lock says so
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(face.socketPath, () => {
      chmodSync(face.socketPath, 0o600)
      resolve(server)
    })
  })
}

type Call = {
  readonly face: Face
  readonly url: URL
  readonly id: string
  readonly body: unknown
  readonly signal: AbortSignal
}
type Handler = (call: Call) => unknown

const handlers: Readonly<Record<string, Handler>> = {
  'GET /health': ({ face }) => face.health(),
  'PUT /instances/:id': ({ face, id, body }) => face.agent.start(parseSpecOf(id, body)),
  'GET /instances': ({ face }) => face.agent.list(),
  'GET /instances/:id': ({ face, id }) => found(face.agent.get(parseId(id)), id),
  'GET /instances/:id/settled': async ({ face, id, url, signal }) =>
    found(await face.agent.settled(parseId(id), milliseconds(url, 'timeoutMs'), signal), id),
  'DELETE /instances/:id': ({ face, id }) => face.agent.stop(parseId(id)),
  'PUT /routes': async ({ face, body }) => {
    const table = parseRouteTable(body)
    await face.agent.route(table)
    return { generation: table.generation }
  },
  'GET /routes': ({ face }) => face.agent.routes(),
  'GET /events': ({ face, url, signal }) =>
    face.agent.events.after(milliseconds(url, 'after'), milliseconds(url, 'waitMs'), signal),
  'GET /traffic': ({ face, url }) => face.agent.traffic(milliseconds(url, 'after')),
  'GET /samples': async ({ face }) => ({ samples: await face.agent.edges.samples() }),
  'POST /edge/replace': async ({ face }) => ({ pid: await face.agent.edges.replace() }),
}

const answer = async (face: Face, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const url = new URL(request.url ?? '/', 'http://agent')
  const closed = new AbortController()
  response.once('close', () => closed.abort())
  if (request.method === 'GET' && url.pathname === '/logs') return sendLogs(face, url, response)
  if (request.method === 'POST' && url.pathname === '/shutdown') return shutdown(face, request, response)
  const [, , id = ''] = url.pathname.split('/').map(decode)
  const verb = `${request.method} ${url.pathname.replace(/^\/instances\/[^/]+/, '/instances/:id')}`
  const handler = handlers[verb]
  if (!handler)
    throw new Problem({
      kind: 'unknown-verb',
      status: 404,
      detail: `the agent knows no ${request.method} ${url.pathname}`,
    })
  const body = request.method === 'PUT' ? await readBody(request) : null
  send(response, 200, await handler({ face, url, id, body, signal: closed.signal }))
}

const parseSpecOf = (id: string, body: unknown) => {
  const spec = parseSpec(body)
  if (spec.id !== id) throw new Malformed(`the specification is that of ${spec.id}, not of ${parseId(id)}`)
  return spec
}

const shutdown = async (
  { agent, stopped, left }: Face,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  const instances = oneOf(fields(await readBody(request), 'body').instances, 'instances', ['keep', 'stop'])
  await agent.leave(instances)
  if (instances === 'stop') stopped()
  response.once('close', left)
  send(response, 200, { instances })
}

const sendLogs = async ({ agent }: Face, url: URL, response: ServerResponse): Promise<void> => {
  const query = parseLogQuery(url.searchParams)
  const write = (line: LogLine): void => {
    if (response.writableLength > unreadLogBytes) response.destroy()
    else response.write(`${JSON.stringify(line)}\n`)
  }
  if (query.follow !== 'true') {
    const lines = await agent.logs.find(query)
    response.writeHead(200, { 'content-type': 'application/x-ndjson' })
    for (const line of lines) if (!response.write(`${JSON.stringify(line)}\n`)) await drained(response)
    response.end()
    return
  }
  // Listening begins with the search: what comes meanwhile is held back until what was there before has been sent.
  const early: LogLine[] = []
  let hear = (line: LogLine): void => void early.push(line)
  const finding = agent.logs.find(query)
  const stop = agent.logs.listen(query, (line) => hear(line))
  response.once('close', stop)
  const lines = await finding
  response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  response.flushHeaders()
  for (const line of [...lines, ...early]) write(line)
  hear = write
}

const drained = (response: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    response.once('drain', resolve)
    response.once('close', resolve)
  })

const milliseconds = (url: URL, name: string): number => {
  const value = Number(url.searchParams.get(name) ?? 0)
  if (!Number.isFinite(value) || value < 0) throw new Malformed(`${name} is not a number of at least 0`)
  return Math.min(value, name === 'waitMs' || name === 'timeoutMs' ? 2 ** 31 - 1 : value)
}

const decode = (part: string): string => {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new Malformed('the path is not encoded as a URL')
  }
}

const found = <Thing>(thing: Thing | null, id: string): Thing => {
  if (thing !== null) return thing
  throw new Problem({ kind: 'unknown-instance', status: 404, detail: `there is no instance ${id}` })
}

const readBody = async (request: IncomingMessage): Promise<unknown> => {
  const parts: Buffer[] = []
  let sizeBytes = 0
  for await (const part of request) {
    sizeBytes += part.length
    if (sizeBytes > bodyBytes) throw new Malformed(`the body has more than ${bodyBytes} bytes`)
    parts.push(part)
  }
  try {
    return JSON.parse(Buffer.concat(parts).toString('utf8'))
  } catch {
    throw new Malformed('the body is not JSON')
  }
}

const send = (response: ServerResponse, status: number, value: unknown): void => {
  const content = Buffer.from(JSON.stringify(value))
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': content.length }).end(content)
}

const refuse = (response: ServerResponse, error: unknown): void => {
  if (response.headersSent) response.destroy()
  else {
    const { kind, status, detail, next } = problemOf(error)
    send(response, status, { kind, status, detail, ...(next === undefined ? {} : { next }) })
  }
}

const problemOf = (error: unknown): ProblemDetails =>
  error instanceof Problem
    ? error
    : error instanceof Malformed
      ? { kind: 'malformed', status: 400, detail: error.message }
      : { kind: 'agent-fault', status: 500, detail: describeError(error) }
