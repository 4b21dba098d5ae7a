import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, route } from '../../api/route.ts'
import { ProjectName } from '../../names.ts'
import type { Learn } from '../index.ts'
import { inBuckets, ofSpan, spanOf } from '../span.ts'
import { DeliveredBody, FlowBody } from './bodies.ts'
import type { Delivered } from './ways.ts'

/** Where the time of changes goes, and the changes behind it. */
export const flowRoutes = (learn: Pick<Learn, 'flow' | 'delivered' | 'now'>) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/insights/flow',
          request: { params: z.object({ project: ProjectName }), query: ofSpan.extend(inBuckets) },
          responses: {
            200: json(FlowBody, 'The stages of changes that went live, the bottleneck, batches, what is under way.'),
          },
        },
      ),
      async (context) => {
        const { service = [], environment, bucket, ...rest } = context.req.valid('query')
        const scope = { project: context.req.valid('param').project, services: service, environment }
        const answer = await learn.flow({ ...scope, bucket, zone: rest.zone, span: spanOf(rest, learn.now()) })
        return context.json(answer, 200)
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/insights/flow/changes',
          request: {
            params: z.object({ project: ProjectName }),
            query: ofSpan.extend({ limit: z.coerce.number().int().min(1).max(500).default(50) }),
          },
          responses: {
            200: json(z.array(DeliveredBody), 'The changes that went live, newest first, with their stages.'),
          },
        },
      ),
      async (context) => {
        const { service = [], environment, limit, ...rest } = context.req.valid('query')
        const scope = { project: context.req.valid('param').project, services: service, environment }
        const found = await learn.delivered(scope, spanOf(rest, learn.now()), limit)
        return context.json(found.map(deliveredBody), 200)
      },
    )

const deliveredBody = ({ moments: _, way, ...about }: Delivered): z.infer<typeof DeliveredBody> => ({
  ...about,
  totalMs: way.totalMs,
  stages: way.stages,
  unordered: way.unordered,
})
