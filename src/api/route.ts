import { createRoute, z } from '@hono/zod-openapi'
import type { Identity } from '../access/access.ts'
import type { Role } from '../access/facts.ts'

/** What every handler sees: who asks, already checked against the route's `needs`. */
export type ApiEnv = { Variables: { identity: Identity } }

/**
 * Who may call a route. With `in: 'project'` the role is needed in the project named by the path parameter `{project}`; with
 * `in: 'instance'` it is needed for the whole instance. `'anyone'` is for health and the API's own description only.
 */
export type Needs = { readonly role: Role; readonly in: 'project' | 'instance' } | 'anyone'

const needsOf = new Map<string, Needs>()

/** A route of the API: its schema and who may call it. Paths are below `/api/v1`. The guard refuses routes that were not made here. */
export const route = <const Config extends Parameters<typeof createRoute>[0]>(needs: Needs, config: Config) => {
  needsOf.set(`${config.method} ${config.path}`, needs)
  return createRoute<Config['path'], Config>({
    ...config,
    ...(needs === 'anyone'
      ? {}
      : { security: [{ bearer: [] }], description: `Needs the role ${needs.role} in the ${needs.in}.` }),
  })
}

/** All routes with what they need, for the guard and for the test that tries every role on every one. */
export const guardedRoutes = (): ReadonlyMap<string, Needs> => needsOf

/** A JSON answer of this shape. */
export const json = <Schema extends z.ZodType>(schema: Schema, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})

/** RFC 9457. Sent as `application/problem+json`. */
export const ProblemBody = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    where: z.object({ file: z.string(), line: z.number(), column: z.number(), path: z.string() }).partial().optional(),
    next: z.string().optional(),
  })
  .openapi('Problem')
