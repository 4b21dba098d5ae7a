import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, route } from '../../api/route.ts'
import { ProjectName, ServiceName } from '../../names.ts'
import type { Learn } from '../index.ts'
import { inTime, spanOf } from '../span.ts'

const ofProject = z.object({ project: ProjectName })
const body = <Schema extends z.ZodType>(schema: Schema) => ({ content: { 'application/json': { schema } } })
const list = <Item extends z.ZodType>(of: Item) => z.array(of).readonly()
const Figure = z.number().nullable()

const ToilBody = z
  .object({
    project: z.string(),
    span: z.object({ from: z.number(), until: z.number() }),
    minutes: z.number(),
    entries: z.int(),
    hoursPerWeek: Figure,
    share: Figure,
    line: z.number(),
    candidates: list(
      z.object({ what: z.string(), source: z.enum(['logged', 'ledger']), times: z.int(), minutes: Figure }),
    ),
    pagesPerWeek: z.number(),
    log: list(
      z.object({
        toil: z.string(),
        service: z.string().nullable(),
        what: z.string(),
        minutes: z.number(),
        at: z.number(),
      }),
    ),
  })
  .meta({ id: 'Toil' })
const BusFactorBody = z
  .object({ repository: z.string(), factor: z.int().nullable(), authors: z.int(), commits: z.int() })
  .meta({ id: 'BusFactor' })

/** Work by hand that a machine could do: what people tell, and what the ledger has seen; how many a repository depends on. */
export const toilRoutes = (learn: Pick<Learn, 'toil' | 'toilOrders' | 'busFactors' | 'now'>) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/insights/toil',
          request: { params: ofProject, query: z.object(inTime) },
          responses: { 200: json(ToilBody, 'Work by hand, its share of the time there is, what to automate first.') },
        },
      ),
      async (context) => {
        const span = spanOf(context.req.valid('query'), learn.now())
        return context.json(await learn.toil(context.req.valid('param').project, span), 200)
      },
    )
    .openapi(
      route(
        { role: 'developer', in: 'project' },
        {
          method: 'post',
          path: '/projects/{project}/insights/toil',
          request: {
            params: ofProject,
            body: body(
              z.object({
                what: z.string().trim().min(1).max(200),
                minutes: z.number().positive().max(10_000),
                service: ServiceName.nullable().default(null),
                /** Milliseconds since 1970; null: now. */
                at: z.int().nonnegative().nullable().default(null),
              }),
            ),
          },
          responses: { 201: json(z.object({ toil: z.string() }), 'The name of the entry.') },
        },
      ),
      async (context) => {
        const told = { project: context.req.valid('param').project, ...context.req.valid('json') }
        const orders = await learn.toilOrders()
        return context.json({ toil: await orders.add(told, context.get('identity').actor) }, 201)
      },
    )
    .openapi(
      route(
        { role: 'developer', in: 'project' },
        {
          method: 'delete',
          path: '/projects/{project}/insights/toil/{toil}',
          request: { params: ofProject.extend({ toil: z.string().max(100) }) },
          responses: { 200: json(z.object({ toil: z.string() }), 'It is counted no more.') },
        },
      ),
      async (context) => {
        const { project, toil } = context.req.valid('param')
        await (await learn.toilOrders()).remove(project, toil, context.get('identity').actor)
        return context.json({ toil }, 200)
      },
    )
    .openapi(
      route(
        { role: 'operator', in: 'project' },
        {
          method: 'put',
          path: '/projects/{project}/insights/toil-capacity',
          request: {
            params: ofProject,
            body: body(z.object({ hoursPerWeek: z.number().positive().max(100_000) })),
          },
          responses: { 200: json(z.object({ hoursPerWeek: z.number() }), 'What toil is a share of from now on.') },
        },
      ),
      async (context) => {
        const { hoursPerWeek } = context.req.valid('json')
        const orders = await learn.toilOrders()
        await orders.setCapacity(context.req.valid('param').project, hoursPerWeek, context.get('identity').actor)
        return context.json({ hoursPerWeek }, 200)
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/insights/bus-factor',
          request: { params: ofProject },
          responses: {
            200: json(
              list(BusFactorBody),
              'The fewest who have written more than half of the last year, by repository.',
            ),
          },
        },
      ),
      async (context) => context.json(await learn.busFactors(context.req.valid('param').project), 200),
    )
