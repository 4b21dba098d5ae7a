import { z } from 'zod'
import type { Clock, Ids } from '../clock.ts'
import { type Actor, fact } from '../ledger/fact.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import { ProjectName } from '../names.ts'
import { Problem } from '../problem.ts'
import type { Identity } from './access.ts'
import { Role, tokenIssued, tokenRevoked } from './facts.ts'
import { may } from './grants.ts'
import { newToken, tokenHash } from './token.ts'
import { type Grant, noUser } from './users.ts'
import type { AccessQueries, TokenRow } from './views.ts'

export const TokenName = z
  .string()
  .max(60, 'the name of a token has at most 60 characters')
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'the name of a token is letters, digits, dots, dashes and underscores')

/** What is known of a token; never the token. Times in milliseconds since 1970. */
export type Token = {
  readonly token: string
  readonly user: string
  readonly name: string
  readonly scope: Grant
  readonly issuedAt: number
  readonly expiresAt: number | null
  readonly revokedAt: number | null
}

export type NewToken = {
  readonly user: string
  readonly name: string
  /** The most that it may do, and where: `project: null` is everywhere that its user may. */
  readonly scope: Grant
  readonly expiresAt: number | null
}

export type Tokens = {
  /** All of them, or one user's. */
  list(user: string | null): Promise<Token[]>
  /** The token itself is in the answer and nowhere else. Nobody can issue one that may do more than he. */
  issue(wanted: NewToken, by: Identity): Promise<{ token: Token; secret: string }>
  revoke(token: string, by: Identity): Promise<void>
}

export const tokenSubject = (token: string): string => `token:${token}`

export const createTokens = (options: {
  ledger: Ledger
  views: Views
  queries: AccessQueries
  clock: Clock
  ids: Ids
}): Tokens => {
  const { ledger, views, queries, clock, ids } = options
  return {
    list: async (user) => {
      await views.reach()
      return (await queries.tokens()).filter((row) => user === null || row.user_name === user).map(tokenOf)
    },

    issue: async ({ user, name, scope, expiresAt }, by) => {
      await views.reach()
      if (user !== by.user && !may(by, 'administrator', null)) throw notYours('issue', user)
      if (!may(by, scope.role, scope.project)) throw tooMuch(scope)
      if (!(await queries.user(user))) throw noUser(user)
      if (expiresAt !== null && expiresAt <= clock.now()) throw expired()
      const secret = newToken()
      const id = ids('token')
      const payload = { token: id, user, name, hash: tokenHash(secret), scope, expiresAt }
      await ledger.append([fact(tokenIssued, { subject: tokenSubject(id), actor: by.actor, payload })])
      return { token: { token: id, user, name, scope, issuedAt: clock.now(), expiresAt, revokedAt: null }, secret }
    },

    revoke: async (token, by) => {
      await views.reach()
      const row = await queries.token(token)
      // Who may not see it is told the same as when there is none.
      if (!row || (row.user_name !== by.user && !may(by, 'administrator', null))) throw noToken(token)
      const { scope } = tokenOf(row)
      if (!may(by, 'administrator', null) && !may(by, scope.role, scope.project)) throw tooMuch(scope)
      if (row.revoked_at === null) await ledger.append([revocation(token, by.actor)])
    },
  }
}

export const revocation = (token: string, actor: Actor) =>
  fact(tokenRevoked, { subject: tokenSubject(token), actor, payload: { token } })

export const tokenOf = (row: TokenRow): Token => ({
  token: row.token,
  user: row.user_name,
  name: row.name,
  scope: {
    role: Role.parse(row.scope_role),
    project: row.scope_project === null ? null : ProjectName.parse(row.scope_project),
  },
  issuedAt: row.issued_at,
  expiresAt: row.expires_at,
  revokedAt: row.revoked_at,
})

const notYours = (verb: string, user: string): Problem =>
  new Problem({
    kind: 'forbidden',
    status: 403,
    detail: `only an administrator may ${verb} tokens of ${user}`,
    next: 'ask for one of your own, or ask an administrator of the instance',
  })

const tooMuch = ({ role, project }: Grant): Problem =>
  new Problem({
    kind: 'forbidden',
    status: 403,
    detail: `that needs the role ${role} in ${project === null ? 'the whole instance' : `the project ${project}`}, which you do not have with this token`,
    next: 'choose a lower role or a project of yours: --role, --project',
  })

const noToken = (token: string): Problem =>
  new Problem({
    kind: 'token-not-found',
    status: 404,
    detail: `there is no token ${token}`,
    next: 'headway token list shows them',
  })

const expired = (): Problem =>
  new Problem({
    kind: 'expiry-in-the-past',
    status: 400,
    detail: 'the token would have expired already',
    where: { path: 'expiresAt' },
    next: 'choose a time to come',
  })
