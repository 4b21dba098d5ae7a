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

const ServicePage = z
  .object({
    /** By name, each in all its environments; those that were removed are not there. */
    services: z.array(ServiceGlance),
    /** How many services there are of those asked for, and in how many places: a service in an environment. */
    matching: z.number().int(),
    places: z.number().int(),
    /** What to name as `before` for the page before, as `after` for the next; null where there is none. */
    previous: z.string().nullable(),
    next: z.string().nullable(),
  })
  .meta({ id: 'ServicePage' })

/** Services and deployments in the few words that a list shows, as lists of hundreds are asked for whenever a page opens. */
export const glanceRoutes = (deploy: Deploy) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(
      route(viewer, {
        method: 'get',
        path: '/projects/{project}/glance/services',
        summary: 'Services at a glance',
        request: {
          params,
          query: z.object({
            /** Part of a service's name. */
            search: z.string().max(100).optional(),
            /** broken: those places that have failed or are worse than they should be. */
            state: z.enum(['all', 'broken']).default('all'),
            before: z.string().max(100).optional(),
            after: z.string().max(100).optional(),
            /** Of services, not of places. */
            limit: z.coerce.number().int().min(1).max(1000).default(1000),
          }),
        },
        responses: { 200: json(ServicePage, 'Services of the project by name, a page at a time.') },
      }),
      async (context) => {
        const { project } = context.req.valid('param')
        const { search, state, ...page } = context.req.valid('query')
        await deploy.caughtUp()
        const instances = await deploy.instances()
        const healthy = new Set(instances.filter(({ state }) => state === 'healthy').map(({ id }) => id))
        const rows = await deploy.queries.services(project)
        const named = rows.flatMap(({ latest, serving }) => (serving === null ? [latest] : [latest, serving]))
        const known = await deploy.queries.deployments([...new Set(named)])
        const all = rows.flatMap((row) => {
          const last = known.get(row.latest)
          const serving = row.serving === null ? undefined : known.get(row.serving)
          if (!last) return []
          const wanted = serving?.instances ?? []
          const up = wanted.filter((id) => healthy.has(id)).length
          const status = statusOf(row, last.finished?.outcome ?? null, up, wanted.length)
          const isWrong = status === 'failed' || status === 'degraded'
          const isAsked = search === undefined || last.target.service.includes(search.toLowerCase())
          if (status === 'removed' || !isAsked || (state === 'broken' && !isWrong)) return []
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
        return context.json(pageOf(all, page), 200)
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

type Page = { readonly before?: string | undefined; readonly after?: string | undefined; readonly limit: number }

/** A page of whole services, before or after a name. */
const pageOf = (all: readonly z.infer<typeof ServiceGlance>[], { before, after, limit }: Page) => {
  const names = [...new Set(all.map(({ service }) => service))].sort()
  const end = before === undefined ? names.length : names.filter((name) => name < before).length
  const begin =
    after === undefined
      ? Math.max(0, before === undefined ? 0 : end - limit)
      : names.filter((name) => name <= after).length
  const shown = names.slice(begin, Math.min(end, begin + limit))
  const isShown = new Set(shown)
  const services = all
    .filter(({ service }) => isShown.has(service))
    .toSorted((one, other) => (one.service < other.service ? -1 : one.service > other.service ? 1 : 0))
  const last = shown.at(-1)
  return {
    services,
    matching: names.length,
    places: all.length,
    previous: begin > 0 ? (shown[0] ?? null) : null,
    next: last !== undefined && last !== names.at(-1) ? last : null,
  }
}
