import { chmodSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { Problem } from '../problem.ts'
import type { Agent } from './agent.ts'
import { instanceSpec, logQuery, routeTable } from './parse.ts'
import type { AgentHealth } from './protocol.ts'

const bodyLimit = 1024 * 1024

/** Answers the protocol on a Unix socket that only Headway's own user can open. */
export const serveAgent = (
  agent: Agent,
  options: { socket: string; health: () => AgentHealth; leave: (instances: 'keep' | 'stop') => void },
): Promise<Server> =>
  new Promise((resolve, reject) => {
    const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
      answer(agent, options, request, response).catch((error: unknown) => refuse(response, error))
    })
    server.requestTimeout = 0 // long polls
    server.once('error', reject)
    rmSync(options.socket, { force: true })
    server.listen(options.socket, () => {
      chmodSync(options.socket, 0o600)
      resolve(server)
    })
  })

const answer = async (
  agent: Agent,
  { health, leave }: { health: () => AgentHealth; leave: (instances: 'keep' | 'stop') => void },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> => {
  const url = new URL(request.url ?? '/', 'http://agent')
  const [, noun = '', id, verb] = url.pathname.split('/').map(decodeURIComponent)
  const number = (name: string): number => Number(url.searchParams.get(name) ?? 0)
  switch (
    `${request.method} ${noun}${id === undefined ? '' : noun === 'edge' ? `/${id}` : '/:id'}${verb === undefined ? '' : `/${verb}`}`
  ) {
    case 'GET health':
      return send(response, health())
    case 'PUT instances/:id':
      return send(response, await agent.start(instanceSpec(await body(request), id ?? '')))
    case 'GET instances':
      return send(response, agent.list())
    case 'GET instances/:id':
      return send(response, found(agent.get(id ?? ''), id))
    case 'GET instances/:id/settled':
      return send(response, found(await agent.settled(id ?? '', number('timeoutMs')), id))
    case 'DELETE instances/:id':
      return send(response, await agent.stop(id ?? ''))
    case 'PUT routes': {
      const table = routeTable(await body(request))
      await agent.route(table)
      return send(response, { generation: table.generation })
    }
    case 'GET routes':
      return send(response, agent.routes())
    case 'GET events':
      return send(response, await agent.events.after(number('after'), number('waitMs')))
    case 'GET traffic':
      return send(response, await agent.edge.counters())
    case 'GET logs':
      return logs(agent, url, response)
    case 'POST edge/replace':
      return send(response, { pid: await agent.edge.replace() })
    case 'POST shutdown': {
      const { instances } = (await body(request)) as { instances?: unknown }
      const what = instances === 'stop' ? 'stop' : 'keep'
      await agent.shutdown(what)
      send(response, { instances: what })
      response.on('finish', () => leave(what))
      return
    }
    default:
      throw new Problem({
        kind: 'no-such-verb',
        status: 404,
        detail: `the agent has no ${request.method} ${url.pathname}`,
      })
  }
}

const logs = (agent: Agent, url: URL, response: ServerResponse): void => {
  const query = logQuery(url.searchParams)
  response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  for (const line of agent.journals.query(query)) response.write(`${JSON.stringify(line)}\n`)
  if (query.follow !== 'true') {
    response.end()
    return
  }
  const stop = agent.journals.onLine(query, (line) => {
    // A reader that does not read gets gaps, not our memory.
    if (response.writableLength < bodyLimit) response.write(`${JSON.stringify(line)}\n`)
  })
  response.on('close', stop)
}

const found = <Thing>(thing: Thing | null, id: string | undefined): Thing => {
  if (thing === null) throw new Problem({ kind: 'no-such-instance', status: 404, detail: `there is no instance ${id}` })
  return thing
}

const body = async (request: IncomingMessage): Promise<unknown> => {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length
    if (size > bodyLimit)
      throw new Problem({
        kind: 'too-large',
        status: 413,
        detail: `a request to the agent has at most ${bodyLimit} bytes`,
      })
    parts.push(part)
  }
  return parts.length === 0 ? {} : JSON.parse(Buffer.concat(parts).toString())
}

const send = (response: ServerResponse, value: unknown): void => {
  const text = JSON.stringify(value)
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text)
}

const refuse = (response: ServerResponse, error: unknown): void => {
  const problem = error instanceof Problem ? error : null
  const { kind, status, detail, next } = problem ?? {
    kind: 'agent-fault',
    status: 500,
    detail: error instanceof Error ? error.message : String(error),
    next: undefined,
  }
  if (response.headersSent) response.destroy()
  else
    response
      .writeHead(status, { 'content-type': 'application/problem+json' })
      .end(JSON.stringify({ kind, status, detail, next }))
}
