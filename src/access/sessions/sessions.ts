import type { Clock, Ids } from '../../clock.ts'
import { type Actor, fact } from '../../ledger/fact.ts'
import type { Ledger, Views } from '../../ledger/ledger.ts'
import { Problem } from '../../problem.ts'
import type { Identity } from '../access.ts'
import { identityOf, may } from '../grants.ts'
import { aboutRights } from '../identify.ts'
import type { Party } from '../passkeys/party.ts'
import type { Passkeys } from '../passkeys/passkeys.ts'
import type { SignInAnswer } from '../passkeys/responses.ts'
import { isSession, isToken, newSession, tokenHash } from '../token.ts'
import { tokenOf } from '../tokens.ts'
import { type Grant, noUser } from '../users.ts'
import type { AccessQueries } from '../views.ts'
import type { Attempts } from './attempts.ts'
import { invitationAccepted, passwordSet, type SignInWay, sessionEnded, sessionOpened, userInvited } from './facts.ts'
import type { Passwords } from './passwords.ts'
import type { SessionQueries, SessionRow } from './view.ts'

const dayMs = 86_400_000
const sessionMs = 7 * dayMs
const invitationMs = 7 * dayMs
const linkMs = 5 * 60_000
const mostLinks = 1000
const everything: Grant = { role: 'administrator', project: null }

/** What is known of a session; never its secret. Times in milliseconds since 1970. */
export type Session = {
  readonly session: string
  readonly user: string
  readonly way: string
  readonly openedAt: number
  readonly expiresAt: number
}

/** What somebody brings to sign in. */
export type SignIn =
  | { readonly kind: 'link'; readonly code: string }
  | { readonly kind: 'token'; readonly token: string }
  | { readonly kind: 'password'; readonly user: string; readonly password: string }
  | { readonly kind: 'invitation'; readonly code: string; readonly password: string }
  | {
      readonly kind: 'passkey'
      readonly response: SignInAnswer
      readonly ceremony: string | null
      readonly party: Party
    }

export type SignedIn =
  | { readonly kind: 'open'; readonly user: string; readonly secret: string; readonly expiresAt: number }
  /** Wrong, unknown, expired or used: which of them is nobody's business. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'wait'; readonly waitMs: number }

export type Sessions = {
  signIn(what: SignIn, address: string): Promise<SignedIn>
  /** Who has a session's secret; null when it has ended, expired, or the token that vouched for it counts no more. */
  identify(secret: string): Promise<Identity | null>
  /** Those that are open: all of them, or one user's. */
  list(user: string | null): Promise<Session[]>
  end(session: string, by: Identity): Promise<void>
  /** A code that signs its first bearer in with what this token may, for five minutes. */
  linkFor(token: string): Promise<{ code: string; expiresAt: number }>
  /** A code with which a user chooses a password, once, within seven days. */
  invite(user: string, by: Actor): Promise<{ code: string; expiresAt: number }>
  /** Somebody's own; whoever has one already must know it. */
  setPassword(wanted: { current: string | null; password: string }, by: Identity): Promise<void>
}

export const createSessions = (options: {
  ledger: Ledger
  views: Views
  queries: AccessQueries & SessionQueries
  passwords: Passwords
  passkeys: Pick<Passkeys, 'recognise'>
  attempts: Attempts
  clock: Clock
  ids: Ids
}): Sessions => {
  const { ledger, views, queries, passwords, passkeys, attempts, clock, ids } = options
  /** Codes by their hash. Only in memory: whoever restarts the server asks for another one. */
  const links = new Map<string, { readonly token: string; readonly expiresAt: number }>()
  const known = new Map<string, { readonly identity: Identity; readonly expiresAt: number }>()
  let generation = 0
  ledger.onAppend(() => {
    generation += 1
    known.clear()
  }, aboutRights)

  /** The fact of a new session, and its secret. */
  const opening = (
    user: string,
    way: SignInWay,
    scope: Grant,
    vouched: { token: string; expiresAt: number | null } | null,
    passkey?: string,
  ) => {
    const secret = newSession()
    const session = ids('session')
    const expiresAt = Math.min(clock.now() + sessionMs, vouched?.expiresAt ?? Number.POSITIVE_INFINITY)
    const by = { way, token: vouched?.token ?? null, ...(passkey === undefined ? {} : { passkey }) }
    const payload = { session, user, hash: tokenHash(secret), ...by, scope, expiresAt }
    const opened = fact(sessionOpened, { subject: subjectOf(session), actor: `user:${user}`, payload })
    return { session, opened, signedIn: { kind: 'open', user, secret, expiresAt } as const }
  }

  const byToken = async (hash: string, way: 'link' | 'token'): Promise<SignedIn> => {
    const row = await queries.tokenByHash(hash)
    if (!row || row.revoked_at !== null || (row.expires_at !== null && row.expires_at <= clock.now())) return refused
    const { token, user, scope, expiresAt } = tokenOf(row)
    const { opened, signedIn } = opening(user, way, scope, { token, expiresAt })
    await ledger.append([opened])
    return signedIn
  }

  const byLink = async (code: string): Promise<SignedIn> => {
    const hash = tokenHash(code)
    const link = links.get(hash)
    links.delete(hash)
    return link && clock.now() < link.expiresAt ? byToken(link.token, 'link') : refused
  }

  const byPassword = async (user: string, password: string): Promise<SignedIn> => {
    const isRight = await passwords.isRight(user, password)
    if (!isRight || !(await queries.user(user))) return refused
    const { opened, signedIn } = opening(user, 'password', everything, null)
    await ledger.append([opened])
    return signedIn
  }

  const byInvitation = async (code: string, password: string): Promise<SignedIn> => {
    const row = await queries.invitationByHash(tokenHash(code))
    if (!row || row.accepted_at !== null || row.expires_at <= clock.now()) return refused
    const { invitation, user_name: user } = row
    // Before the facts: after a crash between them the invitation still holds, and the password is chosen again.
    await passwords.set(user, password)
    const { opened, signedIn } = opening(user, 'invitation', everything, null)
    const about = { subject: `invitation:${invitation}`, actor: `user:${user}` }
    const outcome = await ledger.append(
      [
        fact(invitationAccepted, { ...about, payload: { invitation, user } }),
        fact(passwordSet, { subject: `user:${user}`, actor: about.actor, payload: { user } }),
        opened,
      ],
      { expect: { subject: about.subject, seq: await lastOf(about.subject) } },
    )
    return outcome.kind === 'outdated' ? refused : signedIn
  }

  const byPasskey = async ({ response, ceremony, party }: SignIn & { kind: 'passkey' }): Promise<SignedIn> => {
    const found = await passkeys.recognise(response, ceremony, party)
    if (!found || !(await queries.user(found.user))) return refused
    const { session, opened, signedIn } = opening(found.user, 'passkey', everything, null, found.passkey)
    const outcome = await ledger.append([found.used(session), opened], { expect: found.expect })
    return outcome.kind === 'outdated' ? refused : signedIn
  }

  const lastOf = async (subject: string): Promise<number> =>
    (await ledger.read({ subject, limit: 1, newestFirst: true }))[0]?.seq ?? 0

  const look = async (hash: string) => {
    const asked = generation
    await views.reach()
    const row = await queries.sessionByHash(hash)
    if (!row || row.ended_at !== null) return null
    if (row.token !== null && !(await isGood(row.token))) return null
    const { identity } = await whoIs(row)
    const found = { identity, expiresAt: row.expires_at }
    if (asked === generation && known.size < 1000) known.set(hash, found)
    return found
  }
  const isGood = async (token: string): Promise<boolean> => {
    const row = await queries.token(token)
    return row !== undefined && row.revoked_at === null
  }
  const whoIs = async (row: SessionRow): Promise<{ identity: Identity }> => {
    const { roleIn } = identityOf({ ...row, name: row.way }, await queries.grantsOf(row.user_name))
    return {
      identity: { user: row.user_name, actor: `user:${row.user_name}`, session: row.session, roleIn },
    }
  }

  return {
    signIn: async (what, address) => {
      const user = what.kind === 'password' ? what.user : null
      const waitMs = attempts.waitMs(address, user)
      if (waitMs !== null) return { kind: 'wait', waitMs }
      await views.reach()
      const outcome = await (() => {
        switch (what.kind) {
          case 'link':
            return byLink(what.code)
          case 'token':
            return isToken(what.token) ? byToken(tokenHash(what.token), 'token') : refused
          case 'password':
            return byPassword(what.user, what.password)
          case 'invitation':
            return byInvitation(what.code, what.password)
          case 'passkey':
            return byPasskey(what)
        }
      })()
      if (outcome.kind === 'refused') attempts.failed(address, user)
      return outcome
    },

    identify: async (secret) => {
      if (!isSession(secret)) return null
      const hash = tokenHash(secret)
      const found = known.get(hash) ?? (await look(hash))
      return found && clock.now() < found.expiresAt ? found.identity : null
    },

    list: async (user) => {
      await views.reach()
      const rows = await queries.open(clock.now())
      return rows.filter((row) => user === null || row.user_name === user).map(sessionOf)
    },

    end: async (session, by) => {
      await views.reach()
      const row = await queries.session(session)
      if (!row || (row.user_name !== by.user && !may(by, 'administrator', null))) throw noSession(session)
      if (row.ended_at !== null) return
      const payload = { session, user: row.user_name }
      await ledger.append([fact(sessionEnded, { subject: subjectOf(session), actor: by.actor, payload })])
    },

    linkFor: async (token) => {
      const code = newSession()
      const expiresAt = clock.now() + linkMs
      links.set(tokenHash(code), { token: tokenHash(token), expiresAt })
      const oldest = links.keys().next().value
      if (links.size > mostLinks && oldest !== undefined) links.delete(oldest)
      return { code, expiresAt }
    },

    invite: async (user, by) => {
      await views.reach()
      if (!(await queries.user(user))) throw noUser(user)
      const code = newSession()
      const invitation = ids('invitation')
      const expiresAt = clock.now() + invitationMs
      const payload = { invitation, user, hash: tokenHash(code), expiresAt }
      await ledger.append([fact(userInvited, { subject: `invitation:${invitation}`, actor: by, payload })])
      return { code, expiresAt }
    },

    setPassword: async ({ current, password }, by) => {
      const row = by.session === undefined ? undefined : await queries.session(by.session)
      // A token that may little must not become a password that may all.
      if (!row || row.scope_role !== everything.role || row.scope_project !== null) throw notWhole()
      if ((await passwords.has(by.user)) && (current === null || !(await passwords.isRight(by.user, current))))
        throw wrongPassword()
      await passwords.set(by.user, password)
      const payload = { user: by.user }
      await ledger.append([fact(passwordSet, { subject: `user:${by.user}`, actor: by.actor, payload })])
    },
  }
}

const refused = { kind: 'refused' } as const
const subjectOf = (session: string): string => `session:${session}`

const sessionOf = (row: SessionRow): Session => ({
  session: row.session,
  user: row.user_name,
  way: row.way,
  openedAt: row.opened_at,
  expiresAt: row.expires_at,
})

const noSession = (session: string): Problem =>
  new Problem({
    kind: 'session-not-found',
    status: 404,
    detail: `there is no session ${session}`,
    next: 'the settings of the web list those that are open',
  })

const notWhole = (): Problem =>
  new Problem({
    kind: 'forbidden',
    status: 403,
    detail: 'this session was opened by a token that may not do all that you may',
    next: 'ask an administrator for an invitation: headway user invite <user>',
  })

const wrongPassword = (): Problem =>
  new Problem({
    kind: 'wrong-password',
    status: 403,
    detail: 'the current password is not right',
    next: 'type it again, or ask an administrator for an invitation',
  })
