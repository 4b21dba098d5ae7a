import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, route } from '../../api/route.ts'
import { ProjectName } from '../../names.ts'
import { fewestAnswers, StatementSum } from '../facts.ts'
import type { Learn } from '../index.ts'
import { statements } from './statements.ts'

const ofProject = z.object({ project: ProjectName })
const body = <Schema extends z.ZodType>(schema: Schema) => ({ content: { 'application/json': { schema } } })

export const SurveyResultBody = z
  .object({
    mean: z.number().nullable(),
    statements: z.array(z.object({ statement: z.string(), sum: StatementSum })).readonly(),
  })
  .meta({ id: 'SurveyResult' })
const SurveyBody = z
  .object({
    survey: z.string(),
    state: z.enum(['open', 'closed']),
    openedAt: z.number(),
    closesAt: z.number(),
    closedAt: z.number().nullable(),
    links: z.int(),
    /** null below five. */
    answers: z.int().nullable(),
    /** null while it is open, and where fewer than five answered. */
    result: SurveyResultBody.nullable(),
  })
  .meta({ id: 'Survey' })
const Link = z.string().regex(/^[\w-]{43}$/, 'that is no link of a survey')

/** Asking people how they work together, and telling it; and, for who has a link, the questions and his answer. */
export const surveyRoutes = (learn: Pick<Learn, 'surveys'>) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/surveys',
          request: { params: ofProject },
          responses: { 200: json(z.array(SurveyBody), 'Newest first. What people said is told when it is over.') },
        },
      ),
      async (context) => {
        const surveys = await learn.surveys()
        return context.json(await surveys.list(context.req.valid('param').project), 200)
      },
    )
    .openapi(
      route(
        { role: 'operator', in: 'project' },
        {
          method: 'post',
          path: '/projects/{project}/surveys',
          request: {
            params: ofProject,
            body: body(
              z.object({
                /** One for each who is asked. */
                links: z.int().min(fewestAnswers, `fewer than ${fewestAnswers} answers are never told`).max(1_000),
                days: z.int().min(1).max(90).default(14),
              }),
            ),
          },
          responses: {
            201: json(
              z.object({ survey: z.string(), closesAt: z.number(), links: z.array(z.string()) }),
              'The links, this once: give each to one person, to whom does not matter. Each counts once.',
            ),
          },
        },
      ),
      async (context) => {
        const surveys = await learn.surveys()
        const { actor } = context.get('identity')
        context.header('cache-control', 'no-store')
        return context.json(
          await surveys.open(context.req.valid('param').project, context.req.valid('json'), actor),
          201,
        )
      },
    )
    .openapi(
      route(
        { role: 'operator', in: 'project' },
        {
          method: 'post',
          path: '/projects/{project}/surveys/{survey}/close',
          request: { params: ofProject.extend({ survey: z.string().max(100) }) },
          responses: { 200: json(SurveyBody, 'It is over; with fewer than five answers nothing of it is ever told.') },
        },
      ),
      async (context) => {
        const { project, survey } = context.req.valid('param')
        const surveys = await learn.surveys()
        return context.json(await surveys.close(project, survey, context.get('identity').actor), 200)
      },
    )
    .openapi(
      route('anyone', {
        method: 'post',
        path: '/surveys/questions',
        summary: 'What a survey asks',
        description: 'For who has a link of it: the part of its address after the `#`.',
        request: { body: body(z.object({ link: Link })) },
        responses: {
          200: json(
            z.object({ project: z.string(), closesAt: z.number(), statements: z.array(z.string()) }),
            'The statements, each to be answered from 1 (strongly disagree) to 7 (strongly agree).',
          ),
        },
      }),
      async (context) => {
        const asked = await (await learn.surveys()).ask(context.req.valid('json').link)
        return context.json({ ...asked, statements: [...statements] }, 200)
      },
    )
    .openapi(
      route('anyone', {
        method: 'post',
        path: '/surveys/answers',
        summary: 'Answer a survey',
        description:
          'Anonymous: neither the link, nor who sends it, nor when, nor what this one person said is kept; only the sums of all are.',
        request: {
          body: body(
            z.object({
              link: Link,
              /** In the order of the statements; null: rather not. */
              answers: z
                .array(z.int().min(1).max(7).nullable())
                .length(statements.length)
                .refine((all) => all.some((one) => one !== null), 'answer at least one statement'),
            }),
          ),
        },
        responses: { 200: json(z.object({ done: z.literal(true) }), 'It counts; the link counts no more.') },
      }),
      async (context) => {
        const { link, answers } = context.req.valid('json')
        await (await learn.surveys()).answer(link, answers)
        return context.json({ done: true } as const, 200)
      },
    )
