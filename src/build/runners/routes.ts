import { buffer } from 'node:stream/consumers'
import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, route } from '../../api/route.ts'
import { ProjectName } from '../../names.ts'
import { Problem } from '../../problem.ts'
import { readReference } from '../actions/reference.ts'
import { normalLabels } from './labels.ts'
import type { Pool } from './pool.ts'
import { ExchangeAnswer, ExchangeRequest, RunnerBody, WaitingJob } from './protocol.ts'
import { Label, RunnerName } from './registry.ts'

const administrator = { role: 'administrator', in: 'instance' } as const
const body = <Schema extends z.ZodType>(schema: Schema) => ({ content: { 'application/json': { schema } } })
const ofRunner = z.object({ runner: z.string().regex(/^[A-Za-z0-9._-]{1,80}$/) })
const labels = z.array(Label).max(50)

const listRoute = route(
  { role: 'viewer', in: 'instance' },
  {
    method: 'get',
    path: '/runners',
    summary: 'Who runs jobs, and the jobs that nobody runs yet',
    responses: {
      200: json(
        z.object({ runners: z.array(RunnerBody), waiting: z.array(WaitingJob) }),
        "The server's own runner first",
      ),
    },
  },
)

const createRunnerRoute = route(administrator, {
  method: 'post',
  path: '/runners',
  summary: 'Let another machine run jobs',
  description: 'The token is in the answer and nowhere else; `headway runner --token-file` takes it.',
  request: {
    body: body(
      z.object({
        name: RunnerName,
        /** The only labels that it may claim; null: any. */
        labels: labels.nullable().default(null),
        /** The only project whose jobs it gets; null: all. */
        project: ProjectName.nullable().default(null),
      }),
    ),
  },
  responses: {
    201: json(z.object({ runner: z.string(), name: z.string(), secret: z.string() }), 'The runner and its token'),
  },
})

const revokeRoute = route(administrator, {
  method: 'delete',
  path: '/runners/{runner}',
  summary: 'Let a machine run no more jobs',
  request: { params: ofRunner },
  responses: { 200: json(z.object({ done: z.literal(true) }), 'Its token counts no more; what it runs it must end.') },
})

const labelRoute = route(administrator, {
  method: 'put',
  path: '/runners/local/labels',
  summary: "Give the server's own runner these labels besides those that it always has",
  request: { body: body(z.object({ labels })) },
  responses: { 200: json(z.object({ done: z.literal(true) }), 'From now on') },
})

const exchangeRoute = route('runner', {
  method: 'post',
  path: '/runner/exchange',
  summary: 'What a runner on another machine has to say, and what it is told',
  description:
    'Held until there is news. A runner has one of these at a time; every one renews the leases of its jobs.',
  request: { body: body(ExchangeRequest) },
  responses: { 200: json(ExchangeAnswer, 'What it is to do') },
})

const actionRoute = route('runner', {
  method: 'post',
  path: '/runner/jobs/{fence}/action',
  summary: 'The files of an action for a job that the runner has',
  request: {
    params: z.object({ fence: z.coerce.number().int() }),
    body: body(z.object({ owner: z.string().max(100), repository: z.string().max(100), ref: z.string().max(250) })),
  },
  responses: {
    // Said without a content type, as the library's types know no streams.
    200: { description: 'A tar of its repository at that version; the header x-action-key names that for good' },
  },
})

/** Runners: for administrators, and for the runners themselves. */
export const runnerRoutes = (pool: Pool) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(listRoute, async (context) => {
      const [runners, waiting] = await Promise.all([pool.runners(), pool.waiting()])
      return context.json({ runners, waiting }, 200)
    })
    .openapi(createRunnerRoute, async (context) => {
      const wanted = context.req.valid('json')
      const asked = { ...wanted, labels: wanted.labels && normalLabels(wanted.labels) }
      const { runner, secret } = await pool.registry.register(asked, context.get('identity').actor)
      return context.json({ runner: runner.runner, name: runner.name, secret }, 201)
    })
    .openapi(labelRoute, async (context) => {
      await pool.labelLocal(normalLabels(context.req.valid('json').labels), context.get('identity').actor)
      return context.json({ done: true } as const, 200)
    })
    .openapi(revokeRoute, async (context) => {
      await pool.registry.revoke(context.req.valid('param').runner, context.get('identity').actor)
      return context.json({ done: true } as const, 200)
    })
    .openapi(exchangeRoute, async (context) => {
      const { runner } = context.get('identity')
      if (runner === undefined) throw notARunner()
      return context.json(await pool.exchange(runner, context.req.valid('json'), context.req.raw.signal), 200)
    })
    .openapi(actionRoute, async (context) => {
      const { runner } = context.get('identity')
      if (runner === undefined) throw notARunner()
      const { owner, repository, ref } = context.req.valid('json')
      const reading = readReference(`${owner}/${repository}@${ref}`)
      if (reading.kind === 'refused') throw unknownAction(reading.detail)
      if (reading.reference.kind !== 'remote') throw unknownAction('only actions in repositories can be had')
      const finding = await pool.findAction(runner, context.req.valid('param').fence, reading.reference)
      if (!finding) throw unknownAction('the runner does not have this job')
      if (finding.kind === 'missing') throw unknownAction(finding.detail)
      const { tar, done } = finding.files.archive()
      if (!tar.stdout) throw new Error('the archive of an action could not be started')
      const bytes = await buffer(tar.stdout)
      await done
      return context.body(new Uint8Array(bytes), 200, {
        'content-type': 'application/x-tar',
        'x-action-key': finding.files.key,
      })
    })

const unknownAction = (detail: string): Problem => new Problem({ kind: 'action-missing', status: 404, detail })

const notARunner = (): Problem =>
  new Problem({ kind: 'forbidden', status: 403, detail: 'only a runner may say this, with its own token' })
