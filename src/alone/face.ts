import { chmodSync, rmSync } from 'node:fs'
import type { IncomingMessage, Server } from 'node:http'
import { fields, flag, list, text, whole } from '../agent/check.ts'
import { createServer } from '../edge/http.ts'
import { effectSync } from '../effect.ts'
import { describeError } from '../problem.ts'
import type { Reload } from './keeper.ts'

/**
 * What is said to the keeper of an edge that stands alone: JSON over HTTP on a Unix socket of its user's (mode 0600), where an edge
 * looks for whoever keeps it.
 *
 *   GET  /health                  KeeperHealth
 *   POST /reload                  Reload, once every edge routes so
 *   POST /takeover { program }    {} once the program is started, which inherits the sockets; it asks for the rest by
 *   POST /leave                   {}; this keeper ends, its edges go on
 *   POST /shutdown                {}; once nothing accepts any more and what was open has ended, for ten seconds
 */
export type KeeperHealth = {
  readonly pid: number
  readonly session: string
  /** Requests are routed by the file; before that it can only be asked. */
  readonly isReady: boolean
  readonly port: number
  readonly tlsPort: number | null
  readonly metricsPort: number | null
  /** An edge that accepts; null for the moment in which there is none. */
  readonly edgePid: number | null
  readonly reload: Reload
}

export type Face = {
  readonly socketPath: string
  health(): KeeperHealth
  reload(): Promise<Reload>
  takeOver(program: string): void
  leave(): void
  shutDown(): Promise<void>
}

export const serveFace = (face: Face): Promise<Server> => {
  const server = createServer((request, response) => {
    const answered = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(body))
    }
    answer(face, request).then(
      ({ body, afterwards }) => {
        if (afterwards) response.once('close', afterwards)
        answered(200, body)
      },
      (error: unknown) => answered(400, { detail: describeError(error) }),
    )
  })
  effectSync('alone.socket-remove', () => rmSync(face.socketPath, { force: true })) // of one that died; the lock says so
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(face.socketPath, () => {
      chmodSync(face.socketPath, 0o600)
      resolve(server)
    })
  })
}

type Answered = { readonly body: unknown; readonly afterwards?: () => void }

const answer = async (face: Face, request: IncomingMessage): Promise<Answered> => {
  switch (`${request.method} ${request.url}`) {
    case 'GET /health':
      return { body: face.health() }
    case 'POST /reload':
      return { body: await face.reload() }
    case 'POST /takeover':
      face.takeOver(text(fields(JSON.parse(await bodyOf(request)), 'body').program, 'program'))
      return { body: {} }
    case 'POST /leave':
      return { body: {}, afterwards: () => face.leave() }
    case 'POST /shutdown':
      await face.shutDown()
      return { body: {}, afterwards: () => process.exit(0) }
    default:
      throw new Error(`the keeper of an edge knows no ${request.method} ${request.url}`)
  }
}

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  let body = ''
  for await (const chunk of request) {
    body += String(chunk)
    if (body.length > 65_536) throw new Error('the body is larger than 64 KiB')
  }
  return body
}

export const parseHealth = (value: unknown): KeeperHealth => {
  const health = fields(value, 'health')
  const numberOrNull = (name: 'tlsPort' | 'metricsPort' | 'edgePid'): number | null =>
    health[name] === null ? null : whole(health[name], name)
  return {
    pid: whole(health.pid, 'pid'),
    session: text(health.session, 'session'),
    isReady: flag(health.isReady, 'isReady'),
    port: whole(health.port, 'port'),
    tlsPort: numberOrNull('tlsPort'),
    metricsPort: numberOrNull('metricsPort'),
    edgePid: numberOrNull('edgePid'),
    reload: parseReload(health.reload),
  }
}

export const parseReload = (value: unknown): Reload => {
  const reload = fields(value, 'reload')
  return {
    count: whole(reload.count, 'count'),
    routes: whole(reload.routes, 'routes'),
    problems: list(reload.problems, 'problems', text),
  }
}
