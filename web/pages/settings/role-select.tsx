import type { Role } from '../../shell/role.ts'
import { t } from '../../texts/en.ts'
import { inputShape } from '../../ui/parts.tsx'

export const roles: readonly Role[] = ['viewer', 'developer', 'operator', 'administrator']
export const roleNamed = (name: string): Role => roles.find((role) => role === name) ?? 'viewer'

export const RoleSelect = () => (
  <label className="flex flex-col gap-1">
    {t.settings.role}
    <select name="role" defaultValue="developer" className={inputShape}>
      {roles.map((role) => (
        <option key={role} value={role}>
          {t.roles[role]}
        </option>
      ))}
    </select>
  </label>
)
