import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import tls from 'node:tls'
import { fileURLToPath } from 'node:url'
import { type Home, homeAt } from '../home.ts'
import { Problem, type ProblemDetails } from '../problem.ts'

/** What every command can be told: which Headway, which project, and whether a machine will read the answer. */
export type GlobalOptions = {
  readonly home?: string
  readonly server?: string
  readonly project: string
  readonly json?: boolean
}

export type Client = {
  readonly url: string
  get<Answer>(path: string, query?: Readonly<Record<string, unknown>>): Promise<Answer>
  send<Answer>(
    method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
    query?: Readonly<Record<string, unknown>>,
  ): Promise<Answer>
  /** An answer of one JSON object a line, as the lines come. */
  lines<Line>(
    path: string,
    query?: Readonly<Record<string, unknown>>,
    signal?: AbortSignal,
    method?: 'GET' | 'POST',
  ): AsyncIterable<Line>
  /** Server-sent events, the data of each as JSON. */
  events<Event>(path: string, query?: Readonly<Record<string, unknown>>, signal?: AbortSignal): AsyncIterable<Event>
  /** An answer that is text: a table. */
  text(path: string, query?: Readonly<Record<string, unknown>>): Promise<string>
  /** An answer as its bytes come. */
  bytes(path: string, query?: Readonly<Record<string, unknown>>): Promise<ReadableStream<Uint8Array>>
}

type Reached = { readonly url: string; readonly token: string }

/**
 * The server to talk to: `--server` (or HEADWAY_SERVER) with HEADWAY_TOKEN, else the one that runs on this machine's home, with the
 * administrator's token that lies there.
 */
export const reach = (
  options: Pick<GlobalOptions, 'home' | 'server'>,
  env: NodeJS.ProcessEnv = process.env,
): Reached => {
  const server = options.server ?? env.HEADWAY_SERVER
  const home = homeNearby(options.home, env)
  if (server) {
    if (env.HEADWAY_TOKEN) return { url: server.replace(/\/+$/, ''), token: env.HEADWAY_TOKEN }
    throw new Problem({
      kind: 'no-token',
      status: 401,
      detail: `nothing says who you are to ${server}`,
      next: 'put a token into HEADWAY_TOKEN (headway token create makes one)',
    })
  }
  if (!existsSync(home.server))
    throw new Problem({
      kind: 'not-running',
      status: 503,
      detail: `no Headway runs with its data in ${home.root}`,
      next: 'start it with headway up, or name another with --home or --server',
    })
  const { url } = JSON.parse(readFileSync(home.server, 'utf8'))
  return { url, token: env.HEADWAY_TOKEN ?? readToken(home.token) }
}

/**
 * The data that a command means: `--home`, else `HEADWAY_HOME`, else `.headway` here, else the one beside this program, so that the
 * commands work in a service's repository too.
 */
export const homeNearby = (directory: string | undefined, env: NodeJS.ProcessEnv = process.env): Home => {
  const here = homeAt(directory, env)
  const isNamed = directory !== undefined || env.HEADWAY_HOME !== undefined
  if (isNamed || existsSync(here.root)) return here
  const program = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/node_modules\/.*/s, '')
  const beside = homeAt(join(program, '.headway'), {})
  return existsSync(beside.root) ? beside : here
}

const readToken = (file: string): string => {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (cause) {
    throw new Problem(
      {
        kind: 'no-token',
        status: 401,
        detail: `${file} cannot be read`,
        next: 'run this as the user who started Headway, or put a token into HEADWAY_TOKEN',
      },
      { cause },
    )
  }
}

/** The certificate that the Headway of a home has made for itself; null when there is none. */
export const ownCertificate = (options: Pick<GlobalOptions, 'home'>): string | null => {
  const file = join(homeNearby(options.home).root, 'tls.pem')
  return existsSync(file) ? file : null
}

/** What a Headway of this machine has signed itself is trusted as what it is; of others NODE_EXTRA_CA_CERTS says which are. */
const trustOwn = (options: Pick<GlobalOptions, 'home'>): void => {
  const file = ownCertificate(options)
  if (file === null) return
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), readFileSync(file, 'utf8')])
}

export const connect = (options: Pick<GlobalOptions, 'home' | 'server'>): Client => {
  const { url, token } = reach(options)
  if (url.startsWith('https:')) trustOwn(options)
  const call = async (
    method: string,
    path: string,
    query: Readonly<Record<string, unknown>> = {},
    body?: unknown,
    signal?: AbortSignal,
  ): Promise<Response> => {
    const target = new URL(`${url}/api/v1${path}`)
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) target.searchParams.set(name, String(value))
    const headers = {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    }
    const response = await fetch(target, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    }).catch((cause: unknown) => {
      if (signal?.aborted) throw cause
      throw new Problem(
        {
          kind: 'unreachable',
          status: 503,
          detail: `${url} does not answer`,
          next: 'start it with headway up; services go on meanwhile',
        },
        { cause },
      )
    })
    if (!response.ok) throw await problemOf(response)
    return response
  }
  return {
    url,
    get: async (path, query) => (await call('GET', path, query)).json() as never,
    send: async (method, path, body, query) => {
      const text = await (await call(method, path, query, body)).text()
      return (text === '' ? null : JSON.parse(text)) as never
    },
    lines: async function* <Line>(
      path: string,
      query?: Readonly<Record<string, unknown>>,
      signal?: AbortSignal,
      method: 'GET' | 'POST' = 'GET',
    ) {
      for await (const line of linesOf(await call(method, path, query, undefined, signal)))
        if (line.trim() !== '') yield JSON.parse(line) as Line
    },
    events: async function* <Event>(path: string, query?: Readonly<Record<string, unknown>>, signal?: AbortSignal) {
      for await (const line of linesOf(await call('GET', path, query, undefined, signal)))
        if (line.startsWith('data:')) yield JSON.parse(line.slice(5)) as Event
    },
    text: async (path, query) => (await call('GET', path, query)).text(),
    bytes: async (path, query) => {
      const { body } = await call('GET', path, query)
      return body ?? new ReadableStream()
    },
  }
}

async function* linesOf({ body }: Response): AsyncGenerator<string> {
  if (!body) return
  let rest = ''
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  if (rest !== '') yield rest
}

const problemOf = async (response: Response): Promise<Problem> => {
  const text = await response.text()
  try {
    return toldProblem(JSON.parse(text))
  } catch {
    return new Problem({
      kind: 'unexpected-answer',
      status: response.status,
      detail: `the server answered ${response.status}: ${text.slice(0, 300)}`,
    })
  }
}

/** A problem as the API tells it (RFC 9457). */
export type ToldProblem = Pick<ProblemDetails, 'status' | 'detail' | 'where' | 'next'> & { readonly type: string }

export const toldProblem = ({ type, status, detail, where, next }: ToldProblem): Problem =>
  new Problem({
    kind: String(type).split(':').at(-1) ?? 'unknown',
    status,
    detail,
    ...(where ? { where } : {}),
    ...(next ? { next } : {}),
  })

/** A path from words that may hold anything. */
export const at = (strings: TemplateStringsArray, ...words: readonly string[]): string =>
  strings.reduce(
    (path, piece, place) => path + piece + (place < words.length ? encodeURIComponent(words[place] ?? '') : ''),
    '',
  )
