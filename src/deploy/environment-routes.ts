import { OpenAPIHono, z } from '@hono/zod-openapi'
import { Role } from '../access/facts.ts'
import { type ApiEnv, json, route } from '../api/route.ts'
import { Strategy } from '../golden/release.ts'
import { EnvironmentName, ProjectName } from '../names.ts'
import { DeploymentWindow, PlannedFreeze } from './environment-file.ts'
import type { Deploy } from './index.ts'

const Defined = z.object({ environment: z.string(), environments: z.array(z.string()) })
const span = z.string().regex(/^[0-9]{1,6}[smhd]$/, 'expected a time such as 90s, 30m, 24h or 7d')
const Wish = z.strictObject({
  from: z.union([z.literal('push'), EnvironmentName]).optional(),
  policy: z.enum(['automatic', 'soak', 'approval']).optional(),
  soak: span.optional(),
  role: Role.optional(),
  quorum: z.number().int().min(1).max(20).optional(),
  expires: span.optional(),
  notAuthor: z.boolean().optional(),
  strategy: Strategy.optional(),
  drift: z.enum(['mend', 'report']).optional(),
  before: EnvironmentName.optional(),
  /** All of them; none: at any time. */
  windows: z.array(z.strictObject(DeploymentWindow.unwrap().shape)).max(50).optional(),
  /** All that are planned, by moments such as 2026-12-24T00:00:00Z. */
  freezes: z.array(PlannedFreeze).max(100).optional(),
})
const Parity = z
  .object({
    left: z.string(),
    right: z.string(),
    services: z.array(
      z.object({
        service: z.string(),
        differences: z.array(z.object({ key: z.string(), left: z.string().nullable(), right: z.string().nullable() })),
      }),
    ),
  })
  .meta({ id: 'Parity' })
const named = z.object({ environment: EnvironmentName })

/** How environments are made and changed, and what differs between two of them. */
export const environmentRoutes = (deploy: Deploy) => {
  const names = (): string[] => deploy.environments().map(({ name }) => name)
  return new OpenAPIHono<ApiEnv>()
    .openapi(
      route(
        { role: 'administrator', in: 'instance' },
        {
          method: 'put',
          path: '/environments/{environment}',
          request: { params: named, body: { content: { 'application/json': { schema: Wish } } } },
          responses: {
            200: json(Defined, 'Committed to the environments repository; what is not said stays as it is.'),
          },
        },
      ),
      async (context) => {
        const { environment } = context.req.valid('param')
        await deploy.environmentOrders.define(environment, context.req.valid('json'), context.get('identity').actor)
        return context.json({ environment, environments: names() }, 200)
      },
    )
    .openapi(
      route(
        { role: 'administrator', in: 'instance' },
        {
          method: 'delete',
          path: '/environments/{environment}',
          request: { params: named },
          responses: { 200: json(Defined, 'Gone; nothing stood there.') },
        },
      ),
      async (context) => {
        const { environment } = context.req.valid('param')
        await deploy.environmentOrders.remove(environment, context.get('identity').actor)
        return context.json({ environment, environments: names() }, 200)
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/environments/{environment}/differences',
          request: { params: named.extend({ project: ProjectName }), query: z.object({ from: EnvironmentName }) },
          responses: { 200: json(Parity, 'What differs for each service: `left` is the one named `from`.') },
        },
      ),
      async (context) => {
        const { project, environment: right } = context.req.valid('param')
        const { from: left } = context.req.valid('query')
        const services = await deploy.parity(project, left, right)
        return context.json({ left, right, services }, 200)
      },
    )
}
