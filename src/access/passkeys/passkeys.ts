import { randomBytes } from 'node:crypto'
import type { Clock, Ids } from '../../clock.ts'
import { fact, type NewFact } from '../../ledger/fact.ts'
import type { Ledger, Views } from '../../ledger/ledger.ts'
import { Problem } from '../../problem.ts'
import type { Identity } from '../access.ts'
import { may } from '../grants.ts'
import { sessionEnded } from '../sessions/facts.ts'
import type { SessionQueries } from '../sessions/view.ts'
import { newSession, tokenHash } from '../token.ts'
import { createCeremonies, patienceMs } from './ceremonies.ts'
import { passkeyAdded, passkeyRevoked, passkeyUsed } from './facts.ts'
import type { Party } from './party.ts'
import type { Registration, RegistrationOptions, SignInAnswer, SignInOptions } from './responses.ts'
import type { PasskeyQueries, PasskeyRow } from './view.ts'

/** What is known of a passkey. Times in milliseconds since 1970. */
export type Passkey = {
  readonly passkey: string
  readonly user: string
  readonly name: string
  readonly host: string
  readonly addedAt: number
  readonly usedAt: number | null
}

/** Somebody who has shown a passkey, and the fact of it: it counts only with a session, and only if nobody else was faster. */
export type Recognised = {
  readonly user: string
  readonly passkey: string
  used(session: string): NewFact
  readonly expect: { readonly subject: string; readonly seq: number }
}

export type Passkeys = {
  /** All of them, or one user's. */
  list(user: string | null): Promise<Passkey[]>
  /** What a browser needs to make one; for who is signed in by a session that may all that he may. */
  offer(by: Identity, party: Party): Promise<RegistrationOptions>
  add(name: string, response: Registration, by: Identity, party: Party): Promise<Passkey>
  /** Ends the sessions that it opened, too. */
  revoke(passkey: string, by: Identity): Promise<void>
  /** What a browser needs to sign in, and a secret that only this browser has: the answer counts with it. */
  challenge(party: Party): { options: SignInOptions; ceremony: string }
  /** Null: unknown, revoked, answered twice, or not by the device that was registered. */
  recognise(response: SignInAnswer, ceremony: string | null, party: Party): Promise<Recognised | null>
}

type Library = typeof import('@simplewebauthn/server')

/** Ed25519, ECDSA with SHA-256 on P-256, RSA PKCS #1 v1.5 with SHA-256: what devices have (COSE's numbers). */
const algorithms = [-8, -7, -257] as const

/** Loaded with the first passkey: an idle server needs none of it. */
const library = (): Promise<Library> => import('@simplewebauthn/server')

/** Passkeys (WebAuthn level 3) that are a sign-in by themselves: kept on the device, and its user shown to it by finger, face or PIN. */
export const createPasskeys = (options: {
  ledger: Ledger
  views: Views
  queries: PasskeyQueries & Pick<SessionQueries, 'session' | 'openedBy'>
  clock: Clock
  ids: Ids
}): Passkeys => {
  const { ledger, views, queries, clock, ids } = options
  const ceremonies = createCeremonies(clock)

  const wholeSession = async (by: Identity): Promise<string> => {
    const row = by.session === undefined ? undefined : await queries.session(by.session)
    // What may little must not become what may all.
    if (row?.scope_role !== 'administrator' || row.scope_project !== null) throw notWhole()
    return row.session
  }

  return {
    list: async (user) => {
      await views.reach()
      return (await queries.all()).filter((row) => user === null || row.user_name === user).map(passkeyOf)
    },

    offer: async (by, party) => {
      await views.reach()
      const { challenge } = ceremonies.begin(await wholeSession(by), party)
      const own = (await queries.all()).filter((row) => row.user_name === by.user)
      return {
        rp: { id: party.host, name: 'Headway' },
        // Another id each time: two Headways on one machine share the name localhost, and must not replace each other's.
        user: { id: randomBytes(32).toString('base64url'), name: by.user, displayName: by.user },
        challenge,
        pubKeyCredParams: algorithms.map((alg) => ({ alg, type: 'public-key' })),
        timeout: patienceMs,
        excludeCredentials: own
          .filter(({ host }) => host === party.host)
          .map(({ credential }) => ({ id: credential, type: 'public-key' })),
        authenticatorSelection: { residentKey: 'required', requireResidentKey: true, userVerification: 'required' },
        attestation: 'none',
      }
    },

    add: async (name, response, by, party) => {
      await views.reach()
      const ceremony = ceremonies.take(await wholeSession(by), party)
      if (!ceremony || (await queries.byCredential(response.id))) throw notAdded()
      const { verifyRegistrationResponse } = await library()
      const { registrationInfo } = await verifyRegistrationResponse({
        response: { ...response, clientExtensionResults: {} },
        expectedChallenge: ceremony.challenge,
        expectedOrigin: party.origin,
        expectedRPID: party.host,
        requireUserVerification: true,
        supportedAlgorithmIDs: [...algorithms],
      }).catch((cause: unknown) => {
        throw notAdded(cause)
      })
      if (!registrationInfo) throw notAdded()
      const { id: credential, publicKey, counter } = registrationInfo.credential
      const passkey = ids('passkey')
      const known = { passkey, user: by.user, name, host: party.host }
      const payload = { ...known, credential, publicKey: Buffer.from(publicKey).toString('base64url'), counter }
      await ledger.append([fact(passkeyAdded, { subject: subjectOf(passkey), actor: by.actor, payload })])
      return { ...known, addedAt: clock.now(), usedAt: null }
    },

    revoke: async (passkey, by) => {
      await views.reach()
      const row = await queries.passkey(passkey)
      if (!row || (row.user_name !== by.user && !may(by, 'administrator', null))) throw noPasskey(passkey)
      const about = { actor: by.actor, payload: { passkey, user: row.user_name } }
      const ended = (await queries.openedBy(passkey)).map(({ session, user_name: user }) =>
        fact(sessionEnded, { subject: `session:${session}`, actor: by.actor, payload: { session, user } }),
      )
      await ledger.append([fact(passkeyRevoked, { subject: subjectOf(passkey), ...about }), ...ended])
    },

    challenge: (party) => {
      const ceremony = newSession()
      const { challenge } = ceremonies.begin(tokenHash(ceremony), party)
      return { options: { rpId: party.host, challenge, timeout: patienceMs, userVerification: 'required' }, ceremony }
    },

    recognise: async (response, secret, party) => {
      const ceremony = secret === null ? null : ceremonies.take(tokenHash(secret), party)
      if (!ceremony) return null
      await views.reach()
      const row = await queries.byCredential(response.id)
      if (!row || row.host !== party.host) return null
      const counter = await counterOf(response, ceremony.challenge, party, row)
      if (counter === null) return null
      const { passkey, user_name: user } = row
      const subject = subjectOf(passkey)
      return {
        user,
        passkey,
        used: (session) =>
          fact(passkeyUsed, { subject, actor: `user:${user}`, payload: { passkey, session, counter } }),
        expect: { subject, seq: row.last_seq },
      }
    },
  }
}

/** What the device counts now; null where the answer is not good, or where it counts no further: somebody has a copy of it. */
const counterOf = async (
  response: SignInAnswer,
  expectedChallenge: string,
  party: Party,
  row: PasskeyRow,
): Promise<number | null> => {
  const { verifyAuthenticationResponse } = await library()
  const { credential: id, public_key: publicKey, counter } = row
  return verifyAuthenticationResponse({
    response: { ...response, clientExtensionResults: {} },
    expectedChallenge,
    expectedOrigin: party.origin,
    expectedRPID: party.host,
    credential: { id, publicKey: Buffer.from(publicKey, 'base64url'), counter },
    requireUserVerification: true,
  }).then(
    ({ verified, authenticationInfo }) => (verified ? authenticationInfo.newCounter : null),
    () => null, // the library rejects with what is wrong, which is nobody's business
  )
}

const subjectOf = (passkey: string): string => `passkey:${passkey}`

const passkeyOf = ({ passkey, user_name, name, host, added_at, used_at }: PasskeyRow): Passkey => ({
  passkey,
  user: user_name,
  name,
  host,
  addedAt: added_at,
  usedAt: used_at,
})

const notWhole = (): Problem =>
  new Problem({
    kind: 'forbidden',
    status: 403,
    detail: 'a passkey is made by a session of the web that may do all that its user may',
    next: 'sign in by password, or by a link of headway web',
  })

const notAdded = (cause?: unknown): Problem =>
  new Problem(
    {
      kind: 'passkey-refused',
      status: 400,
      detail: 'the answer of the device does not fit what it was asked',
      next: 'try again; a question is good for five minutes and once',
    },
    { cause },
  )

const noPasskey = (passkey: string): Problem =>
  new Problem({
    kind: 'passkey-not-found',
    status: 404,
    detail: `there is no passkey ${passkey}`,
    next: 'the settings of the web list them',
  })
