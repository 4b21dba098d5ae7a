import type { ProjectName } from '../names.ts'
import { atLeast, type Identity } from './access.ts'
import { Role } from './facts.ts'
import type { AccessQueries, GrantRow, TokenRow } from './views.ts'

/** The user's grants cut down by the token's scope: who is asking. */
export const identityOf = (
  token: Pick<TokenRow, 'user_name' | 'name' | 'scope_role' | 'scope_project'>,
  grants: readonly GrantRow[],
): Identity => {
  const cap = Role.parse(token.scope_role)
  const granted = new Map(grants.map((grant) => [grant.project, Role.parse(grant.role)]))
  return {
    user: token.user_name,
    actor: `token:${token.user_name}/${token.name}`,
    roleIn: (project) => {
      if (token.scope_project !== null && token.scope_project !== project) return null
      return lower(cap, higher(granted.get('') ?? null, project === null ? null : (granted.get(project) ?? null)))
    },
  }
}

/** The role of a user in a project by these grants, whatever token speaks for the user. */
export const roleOf = (grants: readonly GrantRow[], project: ProjectName): Role | null => {
  const granted = new Map(grants.map((grant) => [grant.project, Role.parse(grant.role)]))
  return higher(granted.get('') ?? null, granted.get(project) ?? null)
}

/** Whether this identity may do what `role` may there. */
export const may = (identity: Identity, role: Role, project: ProjectName | null): boolean =>
  atLeast(identity.roleIn(project), role)

/**
 * The role of somebody as recorded (`user:alice`, `token:alice/ci`) in a project, or in the whole instance: for what they caused, long
 * after they asked. A token counts until it is revoked.
 */
export const roleOfActor = async (
  actor: string,
  queries: Pick<AccessQueries, 'grantsOf' | 'tokensNamed'>,
  project: ProjectName | null = null,
): Promise<Role | null> => {
  const [, kind, user = '', name = ''] = /^(user|token):([^/]+)(?:\/(.+))?$/.exec(actor) ?? []
  const grants = await queries.grantsOf(user)
  const own = grants.filter((grant) => grant.project === '' || grant.project === project)
  if (kind === 'user')
    return own.map(({ role }) => Role.parse(role)).reduce<Role | null>((one, other) => higher(one, other), null)
  const roles = (await queries.tokensNamed(user, name)).map((token) => identityOf(token, grants).roleIn(project))
  return roles.find((role) => role !== null) ?? null
}

const higher = (one: Role | null, other: Role | null): Role | null =>
  other !== null && atLeast(one, other) ? one : (other ?? one)
const lower = (cap: Role, role: Role | null): Role | null => (role !== null && atLeast(role, cap) ? cap : role)
