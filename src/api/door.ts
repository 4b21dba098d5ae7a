import type { IncomingMessage } from 'node:http'
import type { Authentication, Identity } from '../access/access.ts'
import { type Asking, foreignPage, isOwnPage, sessionIn } from '../access/sessions/cookie.ts'
import type { Sessions } from '../access/sessions/sessions.ts'
import { Problem, type ProblemDetails } from '../problem.ts'
import { unauthenticated } from './guard.ts'
import type { Throttle } from './throttle.ts'

export type Entry =
  | { readonly kind: 'known'; readonly identity: Identity }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'refused'; readonly problem: ProblemDetails; readonly retryAfterSeconds: number | null }

/** By what somebody is known: the header of a program, or the session of a browser. `foreign`: somebody else's page sends its visitor. */
export type Credential =
  | { readonly kind: 'none' }
  | { readonly kind: 'header'; readonly authorization: string }
  | { readonly kind: 'session'; readonly secret: string }
  | { readonly kind: 'foreign' }

/** A header counts before a cookie, and a cookie only where a page of ours sends it. */
export const credentialIn = (asking: Asking, authorization: string | undefined): Credential => {
  if (authorization !== undefined) return { kind: 'header', authorization }
  const secret = sessionIn(asking)
  if (secret === null) return { kind: 'none' }
  return isOwnPage(asking) ? { kind: 'session', secret } : { kind: 'foreign' }
}

/** Says who stands at the door; `unknown` came without a token, or with a session that is over. */
export type Door = (credential: Credential, address: string) => Promise<Entry>

export const createDoor =
  (authentication: Authentication, sessions: Pick<Sessions, 'identify'>, throttle: Throttle): Door =>
  async (credential, address) => {
    switch (credential.kind) {
      case 'none':
        return { kind: 'unknown' }
      case 'foreign':
        return { kind: 'refused', problem: foreignPage(), retryAfterSeconds: null }
      case 'session': {
        const identity = await sessions.identify(credential.secret)
        return identity ? { kind: 'known', identity } : { kind: 'unknown' }
      }
      case 'header':
        return byHeader(authentication, throttle, credential.authorization, address)
    }
  }

const byHeader = async (
  authentication: Authentication,
  throttle: Throttle,
  authorization: string,
  address: string,
): Promise<Entry> => {
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

export const addressOf = (request: Partial<IncomingMessage> | undefined): string =>
  request?.socket?.remoteAddress ?? 'unknown'

const tooMany = (): Problem =>
  new Problem({
    kind: 'too-many-attempts',
    status: 429,
    detail: 'too many tokens from this address were no good',
    next: 'wait a minute, then send a token that is known, not expired and not revoked',
  })
