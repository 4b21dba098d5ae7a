import { OpenAPIHono, z } from '@hono/zod-openapi'
import { stream } from 'hono/streaming'
import { LogQuery } from '../agent/protocol.ts'
import { type ApiEnv, json, route } from '../api/route.ts'
import { defaultEnvironment, EnvironmentName, ProjectName, ServiceName } from '../names.ts'
import type { Monitor } from './index.ts'

const counts = z.object({
  requests: z.number().int(),
  /** Share of 5xx and of what the edge had to answer itself; null without requests. */
  errorRate: z.number().nullable(),
  classes: z.object({
    c1: z.number(),
    c2: z.number(),
    c3: z.number(),
    c4: z.number(),
    c5: z.number(),
    failed: z.number(),
  }),
  p50Ms: z.number().nullable(),
  p95Ms: z.number().nullable(),
  p99Ms: z.number().nullable(),
})

const TrafficBody = z
  .object({
    service: z.string(),
    environment: z.string(),
    from: z.number(),
    until: z.number(),
    total: counts,
    versions: z.array(counts.extend({ version: z.string() })),
    minutes: z.array(counts.extend({ minute: z.number(), version: z.string() })),
  })
  .meta({ id: 'Traffic' })

const ofService = z.object({ project: ProjectName, service: ServiceName })
const hourMs = 3_600_000

/** Traffic and logs of a service. */
export const monitorRoutes = (monitor: Monitor) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/services/{service}/traffic',
          request: {
            params: ofService,
            query: z.object({
              environment: EnvironmentName.default(defaultEnvironment),
              /** Milliseconds since 1970; default: an hour ago, until now. At most 30 days are kept. */
              from: z.coerce.number().optional(),
              until: z.coerce.number().optional(),
              /** total: neither by version nor by minute. */
              detail: z.enum(['all', 'total']).default('all'),
            }),
          },
          responses: {
            200: json(TrafficBody, 'Requests, errors and latency: in all, by version, by minute and version.'),
          },
        },
      ),
      async (context) => {
        const { project, service } = context.req.valid('param')
        const { environment, detail, ...asked } = context.req.valid('query')
        await monitor.collect().catch(() => false) // without the agent, what was collected before still counts
        const until = asked.until ?? monitor.now() + 1
        const range = { from: asked.from ?? until - hourMs, until }
        const target = { project, service, environment }
        const [total, versions, minutes] = await Promise.all([
          monitor.total(target, range),
          detail === 'all' ? monitor.byVersion(target, range) : [],
          detail === 'all' ? monitor.byMinute(target, range) : [],
        ])
        return context.json({ service, environment, ...range, total, versions, minutes }, 200)
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/services/{service}/logs',
          request: { params: ofService, query: LogQuery.omit({ project: true, service: true }) },
          responses: {
            200: {
              description:
                'application/x-ndjson: a LogLine ({ at, instance, stream, text }) a line, oldest first; with follow=true it stays open.',
            },
          },
        },
      ),
      (context) => {
        const query = { ...context.req.valid('param'), ...context.req.valid('query') }
        context.header('content-type', 'application/x-ndjson')
        return stream(context, async (out) => {
          const gone = new AbortController()
          out.onAbort(() => gone.abort())
          try {
            for await (const line of monitor.logs(query, gone.signal)) await out.write(`${JSON.stringify(line)}\n`)
          } catch (error) {
            if (!gone.signal.aborted) throw error
          }
        })
      },
    )
