import type { IncomingMessage, RequestOptions } from 'node:http'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { getCACertificates } from 'node:tls'
import { z } from 'zod'
import { systemClock } from '../../clock.ts'
import { effect } from '../../effect.ts'
import { plainHttp, secureHttp } from '../../http.ts'
import { describeError } from '../../problem.ts'
import type { ByteSource } from './zip.ts'

/** What a built-in action asks the services of jobs, over HTTP as every other action does: it may run on another machine. */
export type ResultsClient = {
  /** The answer of a method; rejects with an Error that says what the service said. */
  call<Answer>(method: string, body: Readonly<Record<string, unknown>>, answer: z.ZodType<Answer>): Promise<Answer>
  /** Sends all that comes to a signed address. */
  put(url: string, bytes: Readable): Promise<void>
  /** What is at a signed address, to be read in any order. */
  source(url: string): Promise<ByteSource>
  /** What the API answers to whoever has this token. */
  get<Answer>(url: string, token: string, answer: z.ZodType<Answer>): Promise<Answer>
  /** The signed address that the API sends whoever has this token to. */
  redirect(url: string, token: string): Promise<string>
  /** The identifiers that methods are told. */
  readonly ids: { readonly workflow_run_backend_id: string; readonly workflow_job_run_backend_id: string }
}

/** Whether somebody has this artifact already, or this cache: the service says so with its status. */
export class Refusal extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const attempts = 4
const firstPauseMs = 500

export type ClientParts = {
  /** ACTIONS_RESULTS_URL and ACTIONS_RUNTIME_TOKEN. */
  readonly services: Readonly<Record<string, string>>
  /** What the server has signed itself, in PEM. */
  readonly certificate: string | null
  readonly signal: AbortSignal
}

/** Throws an Error where there are no services. */
export const connectResults = ({ services, certificate, signal }: ClientParts): ResultsClient => {
  const { ACTIONS_RESULTS_URL: address, ACTIONS_RUNTIME_TOKEN: token } = services
  if (!address || !token) throw new Error('there are no artifacts and caches here: no Headway serves this job')
  const [, run = '', job = ''] = /Actions\.Results:([^:]+):([^ ]+)/.exec(scopeIn(token)) ?? []
  const ca = certificate === null ? {} : { ca: [certificate, ...getCACertificates('default')] }
  const ask = (url: string, options: RequestOptions, body?: string | Readable): Promise<IncomingMessage> =>
    send(url, { ...options, ...ca, signal }, body)

  return {
    ids: { workflow_run_backend_id: run, workflow_job_run_backend_id: job },
    call: async (method, body, answer) => {
      const text = JSON.stringify(body)
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
      const url = new URL(`/twirp/github.actions.results.api.v1.${method}`, address).href
      const said = await again(signal, () =>
        effect('build.call-results', async () => {
          const response = await ask(url, { method: 'POST', headers }, text)
          return { status: response.statusCode ?? 0, text: await textOf(response) }
        }),
      )
      if (said.status !== 200) throw new Refusal(said.status, messageIn(said.text, said.status))
      return answer.parse(JSON.parse(said.text))
    },
    get: async (url, token, answer) => {
      const response = await ask(url, { headers: { authorization: `Bearer ${token}` } })
      const text = await textOf(response)
      if (response.statusCode !== 200)
        throw new Refusal(response.statusCode ?? 0, messageIn(text, response.statusCode ?? 0))
      return answer.parse(JSON.parse(text))
    },
    redirect: async (url, token) => {
      const response = await ask(url, { headers: { authorization: `Bearer ${token}` } })
      const text = await textOf(response)
      const { location } = response.headers
      if (response.statusCode !== 302 || location === undefined)
        throw new Refusal(response.statusCode ?? 0, messageIn(text, response.statusCode ?? 0))
      return new URL(location, url).href
    },
    put: async (url, bytes) => {
      const response = await effect('build.put-result', () =>
        ask(url, { method: 'PUT', headers: { 'x-ms-blob-type': 'BlockBlob' } }, bytes),
      )
      const text = await textOf(response)
      if (response.statusCode !== 201)
        throw new Refusal(response.statusCode ?? 0, messageIn(text, response.statusCode ?? 0))
    },
    source: async (url) => {
      const get = async (headers: Readonly<Record<string, string>>, method = 'GET'): Promise<IncomingMessage> => {
        const response = await ask(url, { method, headers })
        const status = response.statusCode ?? 0
        if (status === 200 || status === 206) return response
        throw new Refusal(status, messageIn(await textOf(response), status))
      }
      const head = await get({}, 'HEAD')
      head.resume()
      return {
        mime: head.headers['content-type'] ?? '',
        sizeBytes: Number(head.headers['content-length'] ?? 0),
        read: async (start, end) => {
          if (end <= start) return Buffer.alloc(0)
          const chunks: Buffer[] = []
          for await (const chunk of await get({ range: `bytes=${start}-${end - 1}` })) chunks.push(chunk)
          return Buffer.concat(chunks)
        },
        stream: () => get({}),
      }
    },
  }
}

/** Sends a request and resolves to the answer, also when that comes before the whole body was taken. */
const send = (url: string, options: RequestOptions, body?: string | Readable): Promise<IncomingMessage> =>
  new Promise((resolve, reject) => {
    const isTls = url.startsWith('https:')
    const request = (isTls ? secureHttp() : plainHttp()).request(url, { ...options, agent: false })
    request.once('response', resolve)
    request.once('error', reject)
    if (body === undefined || typeof body === 'string') request.end(body)
    else
      pipeline(body, request).catch((error: unknown) => {
        request.destroy()
        reject(error)
      })
  })

/** What fails for want of a connection, or as the server is just starting, is worth trying again. */
const again = async <Result extends { status: number }>(
  signal: AbortSignal,
  act: () => Promise<Result>,
): Promise<Result> => {
  for (let attempt = 1; ; attempt += 1) {
    const result = await act().catch((error: unknown) => {
      if (attempt === attempts || signal.aborted) throw error
      return null
    })
    if (result !== null && (result.status < 500 || attempt === attempts)) return result
    await systemClock.sleep(firstPauseMs * 2 ** (attempt - 1), signal)
  }
}

const textOf = async (response: IncomingMessage): Promise<string> => {
  let text = ''
  for await (const chunk of response) if (text.length < 1024 * 1024) text += String(chunk)
  return text
}

/** Twirp's errors, and the problem details of the API. */
const Said = z.union([
  z.object({ msg: z.string() }),
  z.object({ detail: z.string() }).transform(({ detail: msg }) => ({ msg })),
])

/** What the service said, in JSON or in Azure's XML. */
const messageIn = (text: string, status: number): string => {
  const inXml = /<Message>([^<]*)<\/Message>/.exec(text)?.[1]
  if (inXml !== undefined) return inXml.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)))
  try {
    return Said.parse(JSON.parse(text)).msg
  } catch (error) {
    return `the service answered ${status} (${describeError(error).slice(0, 100)})`
  }
}

const Scoped = z.object({ scp: z.string() })
const scopeIn = (token: string): string => {
  try {
    return Scoped.parse(JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())).scp
  } catch {
    return ''
  }
}
