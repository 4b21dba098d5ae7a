import type { IncomingMessage } from 'node:http'
import { sendRequest as request } from '../edge/http.ts'

export type Question = {
  readonly method: string
  readonly path: string
  readonly body?: unknown
  /** Without an answer within it the question fails. Default: as long as it takes. */
  readonly timeoutMs?: number
  readonly signal?: AbortSignal | undefined
}
export type Answer = { readonly status: number; readonly body: unknown }

/** Asks a server on a Unix socket in JSON. Rejects when nobody answers; any status is an answer. */
export const ask = async (socketPath: string, question: Question): Promise<Answer> => {
  const response = await open(socketPath, question)
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString('utf8')
  return { status: response.statusCode ?? 0, body: text === '' ? null : JSON.parse(text) }
}

/** The same, for an answer that is read as it comes. */
export const open = (
  socketPath: string,
  { method, path, body, timeoutMs, signal }: Question,
): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const content = body === undefined ? null : Buffer.from(JSON.stringify(body))
    const asked = request(
      {
        socketPath,
        method,
        path,
        agent: false,
        headers: content ? { 'content-type': 'application/json', 'content-length': content.length } : {},
        ...(signal ? { signal } : {}),
      },
      resolve,
    )
    if (timeoutMs !== undefined)
      asked.setTimeout(timeoutMs, () => asked.destroy(new Error(`no answer to ${method} ${path} in ${timeoutMs} ms`)))
    asked.once('error', reject)
    asked.end(content)
  })
