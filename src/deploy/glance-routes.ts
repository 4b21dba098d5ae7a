import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, route } from '../api/route.ts'
import { EnvironmentName, ProjectName, ServiceName } from '../names.ts'
import { outcomes } from './facts.ts'
import type { Deploy } from './index.ts'
import { ServiceStatus, statusOf } from './status.ts'

const ServiceGlance = z
  .object({
    service: ServiceName,
    environment: EnvironmentName,
    status: ServiceStatus,
    /** The first eight digits; null while no version has the traffic. */
    commit: z.string().nullable(),
    healthy: z.number().int(),
    replicas: z.number().int(),
    /** When its newest deployment was asked for, and when that ended; null while it is under way. */
    requestedAt: z.number(),
    finishedAt: z.number().nullable(),
    /** What went wrong, where it is not as it should be. */
    detail: z.string().nullable(),
  })
  .meta({ id: 'ServiceGlance' })

const DeploymentGlance = z
  .object({
    deployment: z.string(),
    service: ServiceName,
    environment: EnvironmentName,
    commit: z.string(),
    reason: z.enum(['push', 'promotion', 'rollback', 'manual', 'configuration', 'git', 'preview']),
    requestedAt: z.number(),
    finishedAt: z.number().nullable(),
    outcome: z.enum(outcomes).nullable(),
  })
  .meta({ id: 'DeploymentGlance' })

const viewer = { role: 'viewer', in: 'project' } as const
const params = z.object({ project: ProjectName })
const shownDigits = 8

/** Services and deployments in the few words that a list shows, as lists of hundreds are asked for whenever a page opens. */
export const glanceRoutes = (deploy: Deploy) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(
      route(viewer, {
        method: 'get',
        path: '/projects/{project}/glance/services',
        summary: 'Services at a glance',
        request: { params },
        responses: { 200: json(z.array(ServiceGlance), 'Every service of the project, in each environment.') },
      }),
      async (context) => {
        const { project } = context.req.valid('param')
        await deploy.caughtUp()
        const instances = await deploy.instances()
        const healthy = new Set(instances.filter(({ state }) => state === 'healthy').map(({ id }) => id))
        const rows = await deploy.queries.services(project)
        const named = rows.flatMap(({ latest, serving }) => (serving === null ? [latest] : [latest, serving]))
        const known = await deploy.queries.deployments([...new Set(named)])
        const body = rows.flatMap((row) => {
          const last = known.get(row.latest)
          const serving = row.serving === null ? undefined : known.get(row.serving)
          if (!last) return []
          const wanted = serving?.instances ?? []
          const up = wanted.filter((id) => healthy.has(id)).length
          const status = statusOf(row, last.finished?.outcome ?? null, up, wanted.length)
          const isWrong = status === 'failed' || status === 'degraded'
          return {
            service: last.target.service,
            environment: last.target.environment,
            status,
            commit: serving?.commit.slice(0, shownDigits) ?? null,
            healthy: up,
            replicas: wanted.length,
            requestedAt: last.requestedAt,
            finishedAt: last.finished?.at ?? null,
            detail: (isWrong && last.finished?.detail) || null,
          }
        })
        return context.json(body, 200)
      },
    )
    .openapi(
      route(viewer, {
        method: 'get',
        path: '/projects/{project}/glance/deployments',
        summary: 'Deployments at a glance',
        request: {
          params,
          query: z.object({
            /** Only those that were asked for since, in milliseconds since 1970. */
            since: z.coerce.number().int().nonnegative().optional(),
            limit: z.coerce.number().int().min(1).max(1000).default(200),
          }),
        },
        responses: { 200: json(z.array(DeploymentGlance), 'Newest first.') },
      }),
      async (context) => {
        const { project } = context.req.valid('param')
        await deploy.caughtUp()
        const history = await deploy.queries.history({ project, ...context.req.valid('query') })
        const body = history.map(({ deployment: { id, target, commit, reason, requestedAt, finished } }) => ({
          ...{ deployment: id, service: target.service, environment: target.environment },
          ...{ commit: commit.slice(0, shownDigits), reason, requestedAt },
          ...{ finishedAt: finished?.at ?? null, outcome: finished?.outcome ?? null },
        }))
        return context.json(body, 200)
      },
    )
