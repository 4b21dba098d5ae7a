import type { Authentication, Identity } from '../access/access.ts'
import { Problem, type ProblemDetails } from '../problem.ts'
import { unauthenticated } from './guard.ts'
import type { Throttle } from './throttle.ts'

export type Entry =
  | { readonly kind: 'known'; readonly identity: Identity }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'refused'; readonly problem: ProblemDetails; readonly retryAfterSeconds: number | null }

/** Says who stands at the door; `unknown` came without a token. */
export type Door = (authorization: string | undefined, address: string) => Promise<Entry>

export const createDoor =
  (authentication: Authentication, throttle: Throttle): Door =>
  async (authorization, address) => {
    if (authorization === undefined) return { kind: 'unknown' }
    const token = tokenIn(authorization)
    const identity = token === null ? null : await authentication.identify(token)
    if (identity) return { kind: 'known', identity }
    const waitMs = throttle.failed(address)
    return waitMs === null
      ? { kind: 'refused', problem: unauthenticated(), retryAfterSeconds: null }
      : { kind: 'refused', problem: tooMany(), retryAfterSeconds: Math.ceil(waitMs / 1000) }
  }

/** The token of a Bearer header, or the password of a Basic one: that is how Git sends it. */
export const tokenIn = (authorization: string): string | null => {
  const bearer = /^Bearer +(\S+)$/i.exec(authorization)?.[1]
  if (bearer !== undefined) return bearer
  const basic = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(authorization)?.[1]
  if (basic === undefined) return null
  return /^[^:]*:(.*)$/s.exec(Buffer.from(basic, 'base64').toString())?.[1] ?? null
}

const tooMany = (): Problem =>
  new Problem({
    kind: 'too-many-attempts',
    status: 429,
    detail: 'too many tokens from this address were no good',
    next: 'wait a minute, then send a token that is known, not expired and not revoked',
  })
