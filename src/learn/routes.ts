import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, route } from '../api/route.ts'
import { ProjectName } from '../names.ts'
import { DeploymentDetailBody, DoraBody, LearnedDeploymentBody } from './bodies.ts'
import { noDeployment } from './incidents/orders.ts'
import type { Learn } from './index.ts'
import { inBuckets, ofSpan, spanOf } from './span.ts'

const monthMs = 30 * 86_400_000

/** What deliveries come to in figures, and the way down to what is behind them. */
export const learnRoutes = (learn: Learn) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/insights/dora',
          request: { params: z.object({ project: ProjectName }), query: ofSpan.extend(inBuckets) },
          responses: { 200: json(DoraBody, 'The five metrics of a service, or of all of a project as a blend.') },
        },
      ),
      async (context) => {
        const { service = [], environment, bucket, ...rest } = context.req.valid('query')
        const scope = { project: context.req.valid('param').project, services: service, environment }
        const answer = await learn.dora({ ...scope, bucket, zone: rest.zone, span: spanOf(rest, learn.now()) })
        return context.json(asBody(answer), 200)
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'instance' },
        {
          method: 'get',
          path: '/insights/dora',
          request: { query: ofSpan.omit({ service: true }).extend(inBuckets) },
          responses: { 200: json(DoraBody, 'The five metrics of everything, as a blend.') },
        },
      ),
      async (context) => {
        const { environment, bucket, ...rest } = context.req.valid('query')
        const scope = { project: null, services: [], environment }
        const answer = await learn.dora({ ...scope, bucket, zone: rest.zone, span: spanOf(rest, learn.now()) })
        return context.json(asBody(answer), 200)
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/insights/services',
          request: { params: z.object({ project: ProjectName }) },
          responses: {
            200: json(
              z.array(z.object({ service: z.string(), environment: z.string() })),
              'What is known to have been deployed where, here or elsewhere.',
            ),
          },
        },
      ),
      async (context) => context.json(await learn.lanes(context.req.valid('param').project), 200),
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/insights/deployments',
          request: {
            params: z.object({ project: ProjectName }),
            query: ofSpan.extend({
              behind: z.enum(['all', 'failed', 'suspected', 'open', 'rework', 'pending', 'dropped']).default('all'),
              limit: z.coerce.number().int().min(1).max(500).default(50),
            }),
          },
          responses: { 200: json(z.array(LearnedDeploymentBody), 'The deployments behind a figure, newest first.') },
        },
      ),
      async (context) => {
        const { service = [], environment, behind, limit, ...rest } = context.req.valid('query')
        const scope = { project: context.req.valid('param').project, services: service, environment }
        const found = await learn.deployments(scope, spanOf(rest, learn.now()), { behind, limit })
        return context.json(found, 200)
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/insights/deployment',
          request: {
            params: z.object({ project: ProjectName }),
            /** Its id, or the key of one made elsewhere. */
            query: z.object({ deployment: z.string().max(300) }),
          },
          responses: { 200: json(DeploymentDetailBody, 'A deployment with its commits, incidents and links.') },
        },
      ),
      async (context) => {
        const { deployment } = context.req.valid('query')
        const found = await learn.deployment(context.req.valid('param').project, deployment)
        if (!found) throw noDeployment(deployment)
        return context.json(found, 200)
      },
    )
    .openapi(
      route(
        { role: 'developer', in: 'project' },
        {
          method: 'post',
          path: '/projects/{project}/insights/corrections',
          request: {
            params: z.object({ project: ProjectName }),
            body: {
              content: {
                'application/json': {
                  schema: z.object({
                    deployment: z.string().max(300),
                    /** null: as the rules say. */
                    isFailure: z.boolean().nullable().default(null),
                    isRework: z.boolean().nullable().default(null),
                    why: z.string().min(1).max(2_000),
                  }),
                },
              },
            },
          },
          responses: { 200: json(DeploymentDetailBody, 'Says of a deployment what the rules got wrong.') },
        },
      ),
      async (context) => {
        const { project } = context.req.valid('param')
        const { deployment, ...said } = context.req.valid('json')
        await learn.orders.correct({ project, deployment }, said, context.get('identity').actor)
        const found = await learn.deployment(project, deployment)
        if (!found) throw noDeployment(deployment)
        return context.json(found, 200)
      },
    )

    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/insights/attribution-window',
          request: { params: z.object({ project: ProjectName }) },
          responses: {
            200: json(
              WindowBody,
              'How long after a deployment an incident is suspected to come from it; milliseconds.',
            ),
          },
        },
      ),
      async (context) => context.json({ windowMs: await learn.window(context.req.valid('param').project) }, 200),
    )
    .openapi(
      route(
        { role: 'operator', in: 'project' },
        {
          method: 'put',
          path: '/projects/{project}/insights/attribution-window',
          request: {
            params: z.object({ project: ProjectName }),
            body: { content: { 'application/json': { schema: WindowBody } } },
          },
          responses: {
            200: json(WindowBody, 'It holds for all incidents of the project, those that were before too.'),
          },
        },
      ),
      async (context) => {
        const { windowMs } = context.req.valid('json')
        await learn.orders.setWindow(context.req.valid('param').project, windowMs, context.get('identity').actor)
        return context.json({ windowMs }, 200)
      },
    )

/** At most thirty days: what comes later has another cause. */
const WindowBody = z.object({ windowMs: z.int().min(0).max(monthMs) })

/** For a Prometheus that scrapes `/api/v1/metrics` with a viewer's token. */
export const metricsRoutes = (learn: Pick<Learn, 'prometheus'>) =>
  new OpenAPIHono<ApiEnv>().openapi(
    route(
      { role: 'viewer', in: 'instance' },
      {
        method: 'get',
        path: '/metrics',
        responses: {
          200: {
            description: "Prometheus' text format: the five metrics of each service in production over 30 days.",
            content: { 'text/plain': { schema: z.string() } },
          },
        },
      },
    ),
    async (context) => context.text(await learn.prometheus(), 200, { 'content-type': 'text/plain; version=0.0.4' }),
  )

/** The readonly lists of an answer as the schema has them. */
const asBody = (answer: Awaited<ReturnType<Learn['dora']>>): z.infer<typeof DoraBody> => ({
  ...answer,
  scope: { ...answer.scope, services: [...answer.scope.services] },
  buckets: [...answer.buckets],
})
