import type { Role } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { inputShape } from '../../ui/parts.tsx'

export const roles: readonly Role[] = ['viewer', 'developer', 'operator', 'administrator']
export const roleNamed = (name: string): Role => roles.find((role) => role === name) ?? 'viewer'

/** `most`: the highest that may be given; whoever gives roles has all of them. */
export const RoleSelect = ({ most = 'administrator' }: { most?: Role }) => (
  <label className="flex flex-col gap-1">
    {t.settings.role}
    <select name="role" defaultValue={most === 'viewer' ? most : 'developer'} className={inputShape}>
      {roles.slice(0, roles.indexOf(most) + 1).map((role) => (
        <option key={role} value={role}>
          {t.roles[role]}
        </option>
      ))}
    </select>
  </label>
)
