import { z } from 'zod'
import { defineFact } from '../../ledger/fact.ts'
import { ProjectName } from '../../names.ts'
import { Role } from '../role.ts'

/** How somebody signed in: with a link from the command line, a token, an invitation, a password, or a passkey. */
export const SignInWay = z.enum(['link', 'token', 'invitation', 'password', 'passkey'])
export type SignInWay = z.infer<typeof SignInWay>

/** Of who signed in nothing but the user's name; `hash` is SHA-256 of 256 random bits that only the browser has. */
export const sessionOpened = defineFact(
  'session.opened',
  1,
  z.object({
    session: z.string(),
    user: z.string(),
    hash: z.string(),
    way: SignInWay,
    /** The token that vouched for it: the session ends with it. */
    token: z.string().nullable(),
    /** The passkey that opened it: the session ends with it. */
    passkey: z.string().optional(),
    scope: z.object({ role: Role, project: ProjectName.nullable() }),
    expiresAt: z.number(),
  }),
)
export const sessionEnded = defineFact('session.ended', 1, z.object({ session: z.string(), user: z.string() }))
export const userInvited = defineFact(
  'user.invited',
  1,
  z.object({ invitation: z.string(), user: z.string(), hash: z.string(), expiresAt: z.number() }),
)
export const invitationAccepted = defineFact(
  'user.invitation-accepted',
  1,
  z.object({ invitation: z.string(), user: z.string() }),
)
export const passwordSet = defineFact('user.password-set', 1, z.object({ user: z.string() }))

export const sessionFacts = [sessionOpened, sessionEnded, userInvited, invitationAccepted, passwordSet] as const
