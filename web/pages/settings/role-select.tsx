import type { Role } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { Select } from '../../ui/form.tsx'

export const roles: readonly Role[] = ['viewer', 'developer', 'operator', 'administrator']
export const roleNamed = (name: string): Role => roles.find((role) => role === name) ?? 'viewer'

/** `most`: the highest that may be given; whoever gives roles has all of them. */
export const RoleSelect = ({ most = 'administrator' }: { most?: Role }) => (
  <Select
    name="role"
    label={t.settings.role}
    value={most === 'viewer' ? most : 'developer'}
    options={roles.slice(0, roles.indexOf(most) + 1)}
    names={t.roles}
  />
)
