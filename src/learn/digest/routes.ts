import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, route } from '../../api/route.ts'
import { ProjectName } from '../../names.ts'
import { DigestSchedule } from '../facts.ts'
import type { Learn } from '../index.ts'

const ofProject = z.object({ project: ProjectName })
const ScheduleBody = z.object({ schedule: DigestSchedule.nullable() }).meta({ id: 'DigestSchedule' })
const weekMs = 7 * 86_400_000

/** What a week came to, as Markdown; and when it is written by itself. */
export const digestRoutes = (learn: Pick<Learn, 'digest' | 'digests' | 'now'>) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/insights/digest',
          request: {
            params: ofProject,
            query: z.object({
              /** The last week where nothing is said. */
              until: z.coerce.number().int().nonnegative().optional(),
              zone: z.string().max(60).default('UTC'),
            }),
          },
          responses: {
            200: json(
              z.object({ from: z.number(), until: z.number(), markdown: z.string() }).meta({ id: 'Digest' }),
              'The seven days until then.',
            ),
          },
        },
      ),
      async (context) => {
        const { until, zone } = context.req.valid('query')
        const end = until ?? learn.now() + 1
        const span = { from: Math.max(0, end - weekMs), until: end }
        const markdown = await learn.digest(context.req.valid('param').project, span, zone)
        return context.json({ ...span, markdown }, 200)
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/insights/digest-schedule',
          request: { params: ofProject },
          responses: { 200: json(ScheduleBody, 'When it is written every week; null: never.') },
        },
      ),
      async (context) => {
        const { project } = context.req.valid('param')
        return context.json({ schedule: await (await learn.digests()).schedule(project) }, 200)
      },
    )
    .openapi(
      route(
        { role: 'operator', in: 'project' },
        {
          method: 'put',
          path: '/projects/{project}/insights/digest-schedule',
          request: { params: ofProject, body: { content: { 'application/json': { schema: ScheduleBody } } } },
          responses: { 200: json(ScheduleBody, 'From the next such moment on, once a week.') },
        },
      ),
      async (context) => {
        const { schedule } = context.req.valid('json')
        const digests = await learn.digests()
        await digests.setSchedule(context.req.valid('param').project, schedule, context.get('identity').actor)
        return context.json({ schedule }, 200)
      },
    )
