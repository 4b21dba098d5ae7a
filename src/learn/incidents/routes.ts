import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, route } from '../../api/route.ts'
import { EnvironmentName, ProjectName, ServiceName } from '../../names.ts'
import { IncidentBody, IncidentStoryBody } from '../bodies.ts'
import type { Learn } from '../index.ts'
import { noIncident } from './orders.ts'

const ofIncident = z.object({ project: ProjectName, incident: z.string().max(300) })
const Moment = z.number().int().nonnegative().nullable().default(null)
const body = <Schema extends z.ZodType>(schema: Schema) => ({ content: { 'application/json': { schema } } })
const done = json(z.object({ incident: z.string() }), 'The incident.')

/** Incidents: opened by hand here, and by Headway itself; how far they have come; what they are put down to. */
export const incidentRoutes = (learn: Pick<Learn, 'incidents' | 'incident' | 'incidentStory' | 'orders'>) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/incidents',
          request: {
            params: z.object({ project: ProjectName }),
            query: z.object({
              service: ServiceName.optional(),
              state: z.enum(['open', 'all']).default('all'),
              limit: z.coerce.number().int().min(1).max(500).default(50),
            }),
          },
          responses: { 200: json(z.array(IncidentBody), 'Incidents, newest first.') },
        },
      ),
      async (context) => {
        const { service, state, limit } = context.req.valid('query')
        const { project } = context.req.valid('param')
        return context.json(await learn.incidents({ project, service, isOpen: state === 'open' }, limit), 200)
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/incidents/{incident}',
          request: { params: ofIncident },
          responses: { 200: json(IncidentStoryBody, 'An incident and what became of it.') },
        },
      ),
      async (context) => {
        const { project, incident } = context.req.valid('param')
        const found = await learn.incident(project, incident)
        if (!found) throw noIncident(incident)
        return context.json({ ...found, story: [...(await learn.incidentStory(project, incident))] }, 200)
      },
    )
    .openapi(
      route(
        { role: 'developer', in: 'project' },
        {
          method: 'post',
          path: '/projects/{project}/incidents',
          request: {
            params: z.object({ project: ProjectName }),
            body: body(
              z.object({
                title: z.string().min(1).max(500),
                service: ServiceName.nullable().default(null),
                environment: EnvironmentName.nullable().default(null),
                /** Milliseconds since 1970; null: not known. */
                impactStartedAt: Moment,
                /** null: now. */
                detectedAt: Moment,
                /** The deployment that caused it, if that is known. */
                causedBy: z.string().max(300).nullable().default(null),
              }),
            ),
          },
          responses: { 201: done },
        },
      ),
      async (context) => {
        const told = { ...context.req.valid('json'), project: context.req.valid('param').project }
        return context.json({ incident: await learn.orders.open(told, context.get('identity').actor) }, 201)
      },
    )
    .openapi(
      route(
        { role: 'developer', in: 'project' },
        {
          method: 'post',
          path: '/projects/{project}/incidents/{incident}/progress',
          request: {
            params: ofIncident,
            body: body(z.object({ what: z.enum(['acknowledge', 'mitigate', 'resolve', 'reopen']), at: Moment })),
          },
          responses: { 200: done },
        },
      ),
      async (context) => {
        const { what, at } = context.req.valid('json')
        const about = context.req.valid('param')
        await learn.orders.progress(what, { ...about, at }, context.get('identity').actor)
        return context.json({ incident: about.incident }, 200)
      },
    )
    .openapi(
      route(
        { role: 'developer', in: 'project' },
        {
          method: 'post',
          path: '/projects/{project}/incidents/{incident}/cause',
          request: {
            params: ofIncident,
            body: body(
              z.object({
                /** null: no deployment caused it. */
                deployment: z.string().max(300).nullable(),
                why: z.string().max(500).default('as somebody says'),
              }),
            ),
          },
          responses: { 200: done },
        },
      ),
      async (context) => {
        const about = context.req.valid('param')
        await learn.orders.attribute(about, context.req.valid('json'), context.get('identity').actor)
        return context.json({ incident: about.incident }, 200)
      },
    )
    .openapi(
      route(
        { role: 'developer', in: 'project' },
        {
          method: 'post',
          path: '/projects/{project}/incidents/{incident}/dismissal',
          request: { params: ofIncident, body: body(z.object({ why: z.string().min(1).max(2_000) })) },
          responses: { 200: done },
        },
      ),
      async (context) => {
        const { project, incident } = context.req.valid('param')
        await learn.orders.dismiss(project, incident, context.req.valid('json').why, context.get('identity').actor)
        return context.json({ incident }, 200)
      },
    )
