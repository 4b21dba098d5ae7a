import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { Asking } from '../access/sessions/cookie.ts'
import { guardFor, type Needs } from './guard.ts'

export type { ApiEnv, Needs } from './guard.ts'

const needsOf = new Map<string, Needs>()

/** A route of the API: its schema and who may call it. Paths are below `/api/v1`. Routes that were not made here are refused. */
export const route = <const Config extends Parameters<typeof createRoute>[0]>(needs: Needs, config: Config) => {
  needsOf.set(`${config.method} ${config.path}`, needs)
  return createRoute<Config['path'], Config>({
    ...config,
    ...(needs === 'anyone'
      ? {}
      : needs === 'signature'
        ? { description: describeNeeds(needs, config.description) }
        : { security: [{ bearer: [] }], description: describeNeeds(needs, config.description) }),
    // A body that may be left out is not looked at when its content type is missing, and would reach the handler unread.
    ...(config.request?.body
      ? { request: { ...config.request, body: { required: true, ...config.request.body } } }
      : {}),
    middleware: guardFor(needs),
  })
}

const describeNeeds = (needs: Exclude<Needs, 'anyone'>, description: string | undefined): string =>
  [
    description,
    needs === 'somebody'
      ? 'Needs any valid token.'
      : needs === 'runner'
        ? "Needs a runner's token."
        : needs === 'signature'
          ? 'Needs no token but the signature of its body.'
          : `Needs the role ${needs.role} in the ${needs.in}.`,
  ]
    .filter((sentence) => sentence !== undefined)
    .join(' ')

/** All routes with what they need, for the guard and for the test that tries every role on every one. */
export const guardedRoutes = (): ReadonlyMap<string, Needs> => needsOf

/** What a request says of where it comes from. */
export const askingOf = ({ req }: Context): Asking => ({
  method: req.method,
  host: req.header('host'),
  origin: req.header('origin'),
  fetchSite: req.header('sec-fetch-site'),
  cookie: req.header('cookie'),
})

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
  .meta({ id: 'Problem' })
