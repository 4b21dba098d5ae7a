import { z } from 'zod'
import { defineFact } from '../../ledger/fact.ts'

/** Of a passkey the ledger has what anybody may know: the private half never leaves the user's device. */
export const passkeyAdded = defineFact(
  'passkey.added',
  1,
  z.object({
    passkey: z.string(),
    user: z.string(),
    /** As its user calls it. */
    name: z.string(),
    /** WebAuthn's name of it, base64url. */
    credential: z.string(),
    /** COSE, base64url. */
    publicKey: z.string(),
    counter: z.number().int(),
    /** The host name that it holds for. */
    host: z.string(),
  }),
)
/** Recorded with the session that it opened; a counter that does not grow tells of a copy of the device. */
export const passkeyUsed = defineFact(
  'passkey.used',
  1,
  z.object({ passkey: z.string(), session: z.string(), counter: z.number().int() }),
)
export const passkeyRevoked = defineFact('passkey.revoked', 1, z.object({ passkey: z.string(), user: z.string() }))

export const passkeyFacts = [passkeyAdded, passkeyUsed, passkeyRevoked] as const
