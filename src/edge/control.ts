import { rmSync } from 'node:fs'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { effectSync } from '../effect.ts'
import type { Edge } from './edge.ts'
import { createServer } from './http.ts'
import { parseTable, type TableFile } from './table.ts'
import { parseTaken } from './taken.ts'

const bodyBytes = 16 << 20
const retireLimitMs = 3_600_000

export type Control = {
  /** Resolves when what was asked is answered, the request that ended the edge too; after a second at most. */
  close(): Promise<void>
}

type Answer = { readonly status: number; readonly body: unknown }
const answered = (body: unknown): Answer => ({ status: 200, body })
const problem = (status: number, kind: string, detail: string): Answer => ({
  status,
  body: { type: `urn:headway:problem:${kind}`, status, detail },
})

/** The edge's own API on a Unix socket that only its user may open; what it says is in protocol.ts. */
export const openControl = async (
  edge: Edge,
  saved: TableFile,
  socketPath: string,
  say: (line: string) => void,
): Promise<Control> => {
  const server = createServer((request, response) => {
    answer(edge, saved, say, request).then(
      ({ status, body }) => send(response, status, body),
      (error: unknown) => send(response, 500, problem(500, 'edge-failed', String(error)).body),
    )
  })
  effectSync('edge.control-socket-remove', () => rmSync(socketPath, { force: true })) // of a process that had this number before
  await listenPrivately(server, socketPath)
  return {
    close: () =>
      new Promise((done) => {
        server.close(() => done())
        setTimeout(done, 1_000)
      }),
  }
}

const listenPrivately = (server: Server, path: string): Promise<void> =>
  new Promise((done, failed) => {
    const usual = process.umask(0o177)
    server.once('error', failed)
    server.listen(path, done)
    process.umask(usual) // a Unix socket is bound before listen returns
  })

const answer = async (
  edge: Edge,
  saved: TableFile,
  say: (line: string) => void,
  request: IncomingMessage,
): Promise<Answer> => {
  const url = new URL(request.url ?? '/', 'http://edge')
  switch (`${request.method} ${url.pathname}`) {
    case 'PUT /table':
      return putTable(edge, saved, say, await readBody(request))
    case 'GET /table':
      return answered(edge.table())
    case 'GET /in-flight':
      return answered(edge.inFlight(url.searchParams.get('instance') ?? ''))
    case 'GET /counters':
      return answered(edge.counters())
    case 'GET /samples':
      return answered(edge.samples())
    case 'GET /health':
      return answered(edge.health())
    case 'POST /retire': {
      edge.retire({ limitMs: limitIn(await readBody(request)), leaveIdle: false })
      const { openRequests, openConnections } = edge.health()
      return answered({ openRequests, openConnections })
    }
    case 'POST /taken':
      return answered({ taken: edge.exchangeTaken(parseTaken(JSON.parse(await readBody(request)))) })
    case 'POST /shed':
      edge.shed(shareIn(await readBody(request)))
      return answered({})
    default:
      return problem(404, 'unknown-verb', `the edge knows no ${request.method} ${url.pathname}`)
  }
}

/**
 * Routed at once; acknowledged when it is on disk too, or an edge that starts after a crash would route as before. A disk that
 * cannot be written does not keep a removed instance in the routes: that is told on the side.
 */
const putTable = async (edge: Edge, saved: TableFile, say: (line: string) => void, body: string): Promise<Answer> => {
  let table: ReturnType<typeof parseTable>
  try {
    table = parseTable(JSON.parse(body))
  } catch (error) {
    return problem(400, 'malformed-table', String(error))
  }
  const current = edge.table().generation
  if (table.generation < current)
    return problem(409, 'older-table', `generation ${table.generation} is older than ${current}, which is routed`)
  edge.route(table)
  // A retiring edge leaves the file to the one that took over.
  if (!edge.health().retiring)
    await saved
      .save(table)
      .catch((error: unknown) => say(`edge: the table could not be kept on disk: ${String(error)}`))
  return answered({ generation: table.generation })
}

const limitIn = (body: string): number => {
  if (body === '') return retireLimitMs
  const asked: unknown = JSON.parse(body)
  const limitMs = typeof asked === 'object' && asked !== null && 'limitMs' in asked ? asked.limitMs : undefined
  return typeof limitMs === 'number' && limitMs >= 0 ? Math.min(limitMs, 2 ** 31 - 1) : retireLimitMs
}

const shareIn = (body: string): number => {
  const asked: unknown = JSON.parse(body)
  const share = typeof asked === 'object' && asked !== null && 'share' in asked ? asked.share : undefined
  return typeof share === 'number' ? share : 0
}

const readBody = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk)
    size += bytes.length
    if (size > bodyBytes) throw new Error(`the body is larger than ${bodyBytes} bytes`)
    chunks.push(bytes)
  }
  return Buffer.concat(chunks).toString()
}

const send = (response: ServerResponse, status: number, body: unknown): void => {
  const text = JSON.stringify(body)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  response.end(text)
}
