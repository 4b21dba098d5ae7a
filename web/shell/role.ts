import { useQuery } from '@tanstack/react-query'
import { whoAmI } from '../api/queries.ts'

export type Role = 'viewer' | 'developer' | 'operator' | 'administrator'
const order: readonly Role[] = ['viewer', 'developer', 'operator', 'administrator']

/** Whether one may do here what needs this role: what would be refused is not shown. Without a project: in the whole instance. */
export const useMay = (role: Role, project?: string): boolean => {
  const { data } = useQuery(whoAmI(project))
  return data?.role != null && order.indexOf(data.role) >= order.indexOf(role)
}
