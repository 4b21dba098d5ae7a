import { z } from 'zod'
import { defineFact } from '../ledger/fact.ts'
import { EnvironmentName, ProjectName, ServiceName } from '../names.ts'
import { passkeyFacts } from './passkeys/facts.ts'
import { Role } from './role.ts'
import { sessionFacts } from './sessions/facts.ts'

export { Role } from './role.ts'

/** `project: null` is the whole instance. */
const grant = z.object({ role: Role, project: ProjectName.nullable() })

export const userCreated = defineFact('user.created', 1, z.object({ user: z.string() }))
export const roleGranted = defineFact('role.granted', 1, z.object({ user: z.string(), ...grant.shape }))
export const roleRevoked = defineFact('role.revoked', 1, z.object({ user: z.string(), ...grant.shape }))
/** The token itself is never recorded; `hash` is SHA-256 of 256 random bits, which no search can invert. */
export const tokenIssued = defineFact(
  'token.issued',
  1,
  z.object({
    token: z.string(),
    user: z.string(),
    name: z.string(),
    hash: z.string(),
    scope: grant,
    expiresAt: z.number().nullable(),
  }),
)
export const tokenRevoked = defineFact('token.revoked', 1, z.object({ token: z.string() }))

/** Where a secret or variable holds: a project, one of its services (null: all), one environment (null: all). */
export const SettingScope = z.object({
  project: ProjectName,
  service: ServiceName.nullable(),
  environment: EnvironmentName.nullable(),
})
export type SettingScope = z.infer<typeof SettingScope>

/** Names and scopes only; sealed values stand in a table beside the ledger. */
export const secretSet = defineFact(
  'secret.set',
  1,
  z.object({ name: z.string(), scope: SettingScope, kind: z.enum(['secret', 'variable']) }),
)
export const secretRemoved = defineFact(
  'secret.removed',
  1,
  z.object({ name: z.string(), scope: SettingScope, kind: z.enum(['secret', 'variable']) }),
)

export const accessFacts = [
  userCreated,
  roleGranted,
  roleRevoked,
  tokenIssued,
  tokenRevoked,
  secretSet,
  secretRemoved,
  ...sessionFacts,
  ...passkeyFacts,
] as const
