import { z } from 'zod'
import type { ServiceRow } from './views.ts'

/** How a service stands: `degraded` with fewer healthy instances than wanted, `failed` when it never came up. */
export const ServiceStatus = z.enum(['live', 'deploying', 'degraded', 'failed', 'removed'])
export type ServiceStatus = z.infer<typeof ServiceStatus>

/** `outcome`: of the newest deployment, null while it is under way. */
export const statusOf = (
  row: Pick<ServiceRow, 'serving' | 'removed_at'>,
  outcome: string | null,
  healthy: number,
  replicas: number,
): ServiceStatus => {
  if (outcome === null) return 'deploying'
  if (row.serving === null) return row.removed_at === null ? 'failed' : 'removed'
  return healthy < replicas ? 'degraded' : 'live'
}
