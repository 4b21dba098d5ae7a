import { Problem } from '../../../problem.ts'
import { ExchangeAnswer, type ExchangeRequest } from '../protocol.ts'
import type { FetchAction } from './library.ts'

/** Speaks with the server over one connection, which is kept between the exchanges. */
export const createLine =
  (serverUrl: string, token: string) =>
  async (request: ExchangeRequest, signal: AbortSignal): Promise<ExchangeAnswer> => {
    const response = await fetch(`${serverUrl}/api/v1/runner/exchange`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(request),
      redirect: 'error', // the token is for this server
      signal,
    }).catch((cause: unknown) => {
      throw new Error(`${serverUrl} does not answer`, { cause })
    })
    if (response.ok) return ExchangeAnswer.parse(await response.json())
    const text = await response.text()
    if (response.status === 429 || response.status >= 500) throw new Error(`${serverUrl} answers ${response.status}`)
    throw response.status === 401 ? unknownToken(serverUrl) : refusalIn(text, response.status)
  }

const unknownToken = (serverUrl: string): Problem =>
  new Problem({
    kind: 'unauthenticated',
    status: 401,
    detail: `${serverUrl} does not know the token of this runner, or an administrator has revoked it`,
    next: 'register this machine there with headway runners create <name> and give the token that it prints to --token-file',
  })

/** Asks the server for the files of an action. */
export const createActionLine =
  (serverUrl: string, token: string): FetchAction =>
  async (fence, { owner, repository, ref }) => {
    const response = await fetch(`${serverUrl}/api/v1/runner/jobs/${fence}/action`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ owner, repository, ref }),
      redirect: 'error',
    })
    if (response.status === 429 || response.status >= 500) throw new Error(`${serverUrl} answers ${response.status}`)
    const key = response.headers.get('x-action-key')
    if (response.ok && key !== null) return { kind: 'found', key, tar: new Uint8Array(await response.arrayBuffer()) }
    return { kind: 'missing', detail: refusalIn(await response.text(), response.status).detail }
  }

/** What the server refuses for good: the token, the version, a label. */
const refusalIn = (text: string, status: number): Problem => {
  const unexpected = {
    kind: 'unexpected-answer',
    status,
    detail: `the server answered ${status}: ${text.slice(0, 300)}`,
  }
  try {
    const { type, detail, next } = JSON.parse(text)
    if (typeof detail !== 'string') return new Problem(unexpected)
    const kind = String(type).split(':').at(-1) ?? 'unknown'
    return new Problem({ kind, status, detail, ...(typeof next === 'string' ? { next } : {}) })
  } catch {
    return new Problem(unexpected)
  }
}
