import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, route } from '../../api/route.ts'
import { ProjectName } from '../../names.ts'
import type { Learn } from '../index.ts'
import { ofSpan, spanOf } from '../span.ts'
import { SurveyResultBody } from '../survey/routes.ts'
import { measureNames, measureUnits } from './measures.ts'

const Figure = z.number().nullable()
const CultureBody = z
  .object({ survey: z.string(), closedAt: z.number(), answers: z.int(), result: SurveyResultBody })
  .nullable()
const MeasuresBody = z
  .array(
    z.object({
      name: z.enum(measureNames),
      unit: z.enum(measureUnits),
      value: Figure,
      n: z.int(),
      before: Figure,
      why: z.string().nullable(),
    }),
  )
  .readonly()
const CalmsBody = z
  .object({
    scope: z.object({ project: z.string().nullable(), services: z.array(z.string()), environment: z.string() }),
    span: z.object({ from: z.number(), until: z.number() }),
    culture: z.object({
      last: CultureBody,
      before: CultureBody,
      isOpen: z.boolean(),
      why: z.string().nullable(),
    }),
    automation: MeasuresBody,
    lean: MeasuresBody,
    measurement: MeasuresBody,
    sharing: MeasuresBody,
  })
  .meta({ id: 'Calms' })

/** How a team works: measured where it can be, asked where it must be. */
export const calmsRoutes = (learn: Pick<Learn, 'calms' | 'now'>) =>
  new OpenAPIHono<ApiEnv>().openapi(
    route(
      { role: 'viewer', in: 'project' },
      {
        method: 'get',
        path: '/projects/{project}/insights/calms',
        request: { params: z.object({ project: ProjectName }), query: ofSpan },
        responses: {
          200: json(CalmsBody, 'Culture, automation, lean, measurement, sharing; of nobody in particular.'),
        },
      },
    ),
    async (context) => {
      const { service = [], environment, ...rest } = context.req.valid('query')
      const { project } = context.req.valid('param')
      const answer = await learn.calms({ project, services: service, environment }, spanOf(rest, learn.now()))
      return context.json({ ...answer, scope: { ...answer.scope, services: [...answer.scope.services] } }, 200)
    },
  )
