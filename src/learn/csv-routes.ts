import { OpenAPIHono, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { type ApiEnv, route } from '../api/route.ts'
import { ProjectName } from '../names.ts'
import { calmsCsv, doraCsv, flowCsv, toilCsv } from './csv.ts'
import type { Learn } from './index.ts'
import { inBuckets, inTime, ofSpan, spanOf } from './span.ts'

const ofProject = z.object({ project: ProjectName })
const csv = (description: string) => ({
  200: { description, content: { 'text/csv': { schema: z.string() } } },
})
const sent = (context: Context<ApiEnv>, table: string) =>
  context.text(table, 200, { 'content-type': 'text/csv; charset=utf-8' })

/** The answers' figures as tables for spreadsheets, asked for in the same words: the one source of what the command line and the web export. */
export const csvRoutes = (learn: Pick<Learn, 'dora' | 'flow' | 'calms' | 'toil' | 'now'>) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/insights/dora/csv',
          request: { params: ofProject, query: ofSpan.extend(inBuckets) },
          responses: csv('The five metrics, a line a bucket.'),
        },
      ),
      async (context) => {
        const { service = [], environment, bucket, ...rest } = context.req.valid('query')
        const scope = { project: context.req.valid('param').project, services: service, environment }
        const span = spanOf(rest, learn.now())
        return sent(context, doraCsv(await learn.dora({ ...scope, bucket, zone: rest.zone, span })))
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'instance' },
        {
          method: 'get',
          path: '/insights/dora/csv',
          request: { query: ofSpan.omit({ service: true }).extend(inBuckets) },
          responses: csv('The five metrics of everything, as a blend, a line a bucket.'),
        },
      ),
      async (context) => {
        const { environment, bucket, ...rest } = context.req.valid('query')
        const scope = { project: null, services: [], environment }
        const span = spanOf(rest, learn.now())
        return sent(context, doraCsv(await learn.dora({ ...scope, bucket, zone: rest.zone, span })))
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/insights/flow/csv',
          request: { params: ofProject, query: ofSpan },
          responses: csv('Where the time of changes goes, a line a stage.'),
        },
      ),
      async (context) => {
        const { service = [], environment, ...rest } = context.req.valid('query')
        const scope = { project: context.req.valid('param').project, services: service, environment }
        const span = spanOf(rest, learn.now())
        return sent(context, flowCsv(await learn.flow({ ...scope, bucket: 'year', zone: rest.zone, span })))
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/insights/calms/csv',
          request: { params: ofProject, query: ofSpan },
          responses: csv('What people said and what is measured, a line a statement and a line a measure.'),
        },
      ),
      async (context) => {
        const { service = [], environment, ...rest } = context.req.valid('query')
        const scope = { project: context.req.valid('param').project, services: service, environment }
        return sent(context, calmsCsv(await learn.calms(scope, spanOf(rest, learn.now()))))
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/insights/toil/csv',
          request: { params: ofProject, query: z.object(inTime) },
          responses: csv('What is done by hand again and again, a line each.'),
        },
      ),
      async (context) => {
        const span = spanOf(context.req.valid('query'), learn.now())
        return sent(context, toilCsv(await learn.toil(context.req.valid('param').project, span)))
      },
    )
