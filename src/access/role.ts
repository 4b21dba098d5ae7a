import { z } from 'zod'

/** In rising order: each may do what those before it may. */
export const Role = z.enum(['viewer', 'developer', 'operator', 'administrator'])
export type Role = z.infer<typeof Role>
