import { existsSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { z } from 'zod'
import { plainHttp } from '../../../http.ts'

/** A Docker Engine on this machine, spoken to by its HTTP API (docs.docker.com/reference/api/engine) on its Unix socket. */
export type Engine = {
  readonly socket: string
  /** Asks in JSON; resolves to what it answers, or rejects with its message as an `EngineFault`. */
  ask<Schema extends z.ZodType>(question: Question, schema: Schema): Promise<z.infer<Schema>>
  /** The same where nothing of the answer is wanted. */
  tell(question: Question): Promise<void>
  /** An answer that is read as it comes. */
  open(question: Question): Promise<IncomingMessage>
  /** Takes the connection over after the question, for what streams both ways. */
  upgrade(question: Question): Promise<{ socket: Socket; head: Buffer }>
}

export type Question = {
  readonly method: 'GET' | 'POST' | 'DELETE'
  /** Without the version: `/containers/json?all=true`. */
  readonly path: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** The body, as it comes; in place of `body`. */
  readonly stream?: Readable
  readonly signal?: AbortSignal
}

/** What the engine refused. */
export class EngineFault extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.name = 'EngineFault'
    this.status = status
  }
}

/** Segments of a path; ids and names come from the engine or from workflows. */
export const at = (strings: TemplateStringsArray, ...values: readonly string[]): string =>
  strings.reduce((path, text, index) => path + encodeURIComponent(values[index - 1] ?? '') + text)

const answerTimeoutMs = 5000

/** The engine that DOCKER_HOST names, else the one of this machine or of this user; null where none answers. */
export const findEngine = async (environment: NodeJS.ProcessEnv): Promise<Engine | null> => {
  for (const socket of socketsIn(environment)) {
    if (!existsSync(socket)) continue
    const version = await apiVersion(socket).catch(() => null)
    if (version !== null) return engineAt(socket, version)
  }
  return null
}

/** Only one on a Unix socket is on this machine, and can be given a job's directories. */
const socketsIn = ({ DOCKER_HOST, XDG_RUNTIME_DIR }: NodeJS.ProcessEnv): readonly string[] => {
  if (DOCKER_HOST) return DOCKER_HOST.startsWith('unix://') ? [DOCKER_HOST.slice('unix://'.length)] : []
  return ['/run/docker.sock', '/var/run/docker.sock', ...(XDG_RUNTIME_DIR ? [`${XDG_RUNTIME_DIR}/docker.sock`] : [])]
}

const apiVersion = (socketPath: string): Promise<string | null> =>
  new Promise((resolve, reject) => {
    const asked = plainHttp().request(
      { socketPath, path: '/_ping', agent: false, timeout: answerTimeoutMs },
      (response) => {
        response.resume()
        const version = response.headers['api-version']
        resolve(response.statusCode === 200 && typeof version === 'string' ? version : null)
      },
    )
    asked.once('timeout', () => asked.destroy(new Error('no answer')))
    asked.once('error', reject)
    asked.end()
  })

const engineAt = (socketPath: string, version: string): Engine => {
  const send = ({ method, path, body, headers = {}, stream, signal }: Question) => {
    const content = body === undefined ? null : Buffer.from(JSON.stringify(body))
    const type = content ? { 'content-type': 'application/json', 'content-length': content.length } : {}
    const asked = plainHttp().request({
      socketPath,
      method,
      path: `/v${version}${path}`,
      agent: false,
      headers: { ...type, ...headers },
      ...(signal ? { signal } : {}),
    })
    if (stream) stream.on('error', (error) => asked.destroy(error)).pipe(asked)
    else asked.end(content)
    return asked
  }
  const open = (question: Question): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const asked = send(question)
      asked.once('error', reject)
      asked.once('response', (response) => {
        const status = response.statusCode ?? 500
        if (status < 400) return resolve(response)
        textOf(response).then((text) => reject(new EngineFault(status, messageIn(text))), reject)
      })
    })
  return {
    socket: socketPath,
    open,
    ask: async (question, schema) => schema.parse(JSON.parse((await textOf(await open(question))) || 'null')),
    tell: async (question) => void (await textOf(await open(question))),
    upgrade: (question) =>
      new Promise((resolve, reject) => {
        const asked = send({ ...question, headers: { connection: 'Upgrade', upgrade: 'tcp' } })
        asked.once('error', reject)
        asked.once('upgrade', (_response, socket, head) => resolve({ socket, head }))
        asked.once('response', (response) => {
          textOf(response).then((text) => reject(new EngineFault(response.statusCode ?? 500, messageIn(text))), reject)
        })
      }),
  }
}

const largestAnswerBytes = 16 * 1024 * 1024

const textOf = async (response: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response) {
    bytes += chunk.length
    if (bytes > largestAnswerBytes) throw new Error('the Docker Engine answered with more than 16 MiB')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

const Message = z.object({ message: z.string() })

const messageIn = (text: string): string => {
  try {
    return Message.parse(JSON.parse(text)).message
  } catch {
    return text.trim() || 'it gave no reason'
  }
}

/** Lines of JSON as they come: events, the progress of a pull. */
export async function* jsonLines<Schema extends z.ZodType>(
  response: AsyncIterable<Buffer>,
  schema: Schema,
): AsyncGenerator<z.infer<Schema>> {
  let open = ''
  for await (const chunk of response) {
    const lines = (open + chunk.toString('utf8')).split('\n')
    open = lines.pop() ?? ''
    for (const line of lines) if (line.trim() !== '') yield schema.parse(JSON.parse(line))
  }
}
