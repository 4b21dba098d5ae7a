import { OpenAPIHono, z } from '@hono/zod-openapi'
import { asNdjson, asText } from '../api/ndjson.ts'
import { type ApiEnv, json, route } from '../api/route.ts'
import { ProjectName, RepositoryName } from '../names.ts'
import { Problem } from '../problem.ts'
import type { Build } from './build.ts'
import { RunDetails } from './details.ts'
import { RunGlance } from './run-glance.ts'
import { RunPage, RunState } from './run-pages.ts'

const project = z.object({ project: ProjectName })
const runName = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/)
const ofRun = project.extend({ run: runName })
const ofJob = ofRun.extend({
  // Ids of jobs, numbers of rows, and the callers before them: `build.2`, `release.3.sign`.
  job: z
    .string()
    .max(250)
    .regex(/^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$/),
})
const attempt = z.coerce.number().int().min(1).max(1000).optional()
const developer = { role: 'developer', in: 'project' } as const
const viewer = { role: 'viewer', in: 'project' } as const

const listRoute = route(viewer, {
  method: 'get',
  path: '/projects/{project}/runs',
  summary: 'Runs of a project, newest first, a page at a time',
  request: {
    params: project,
    query: z.object({
      repository: RepositoryName.optional(),
      push: z.string().max(100).optional(),
      event: z.string().max(200).optional(),
      commit: z
        .string()
        .regex(/^[0-9a-f]{4,64}$/, 'a commit, or at least its first four digits')
        .optional(),
      state: RunState.optional(),
      search: z
        .string()
        .max(200)
        .optional()
        .meta({ description: 'words that each stand in its title, repository, ref, commit or workflow' }),
      before: runName.optional().meta({ description: 'a run: those that were queued before it' }),
      after: runName.optional().meta({ description: 'a run: those that were queued after it, the next ones' }),
      limit: z.coerce.number().int().min(1).max(200).default(30),
    }),
  },
  responses: { 200: json(RunPage, 'A page of them, and what to name for the newer and the older ones') },
})

const glanceRoute = route(viewer, {
  method: 'get',
  path: '/projects/{project}/glance/runs',
  summary: 'Runs at a glance',
  request: {
    params: project,
    query: z.object({
      since: z.coerce
        .number()
        .int()
        .nonnegative()
        .meta({ description: 'how long those took that ended since, in milliseconds since 1970' }),
    }),
  },
  responses: { 200: json(RunGlance, 'How many are under way, and how long they wait and take') },
})

const showRoute = route(viewer, {
  method: 'get',
  path: '/projects/{project}/runs/{run}',
  summary: 'One run with its jobs and their steps, of the newest attempt or another',
  request: { params: ofRun, query: z.object({ attempt }) },
  responses: { 200: json(RunDetails, 'The run') },
})

const cancelRoute = route(developer, {
  method: 'post',
  path: '/projects/{project}/runs/{run}/cancel',
  summary: 'Ask a run to end',
  request: { params: ofRun },
  responses: { 202: json(z.object({ outcome: z.enum(['cancelling', 'finished']) }), 'What it does now') },
})

const rerunRoute = route(developer, {
  method: 'post',
  path: '/projects/{project}/runs/{run}/rerun',
  summary: 'Run a run that has ended once more',
  request: {
    params: ofRun,
    query: z.object({
      jobs: z
        .enum(['all', 'failed'])
        .default('all')
        .meta({ description: 'failed: what did not succeed, and what needs it' }),
    }),
  },
  responses: { 202: json(z.object({ attempt: z.number() }), 'Which attempt this is') },
})

const logRoute = route(viewer, {
  method: 'get',
  path: '/projects/{project}/runs/{run}/jobs/{job}/log',
  summary: "A job's log, secrets hidden; one JSON object a line, or as text to be kept",
  request: {
    params: ofJob,
    query: z.object({
      follow: z.enum(['true', 'false']).default('false'),
      attempt,
      as: z.enum(['lines', 'text']).default('lines'),
    }),
  },
  responses: {
    // Said without a content type, as the library's types know no streams.
    200: {
      description:
        'NDJSON: lines `{"at": <milliseconds>, "text": "..."}`; with follow=true until the job has ended; with as=text only the text',
    },
  },
})

const summaryRoute = route(viewer, {
  method: 'get',
  path: '/projects/{project}/runs/{run}/jobs/{job}/summary',
  summary: 'What a job wrote into GITHUB_STEP_SUMMARY, in Markdown, secrets hidden',
  request: { params: ofJob, query: z.object({ attempt }) },
  responses: { 200: json(z.object({ summary: z.string() }), 'Empty where it wrote nothing') },
})

const followRoute = route(viewer, {
  method: 'get',
  path: '/projects/{project}/runs/{run}/follow',
  summary: 'A run whenever something of it has changed, until it has ended',
  request: { params: ofRun },
  responses: { 200: { description: 'NDJSON: the run with its jobs, as of GET on the run' } },
})

/** What can be seen of runs and told to them. */
export const buildRoutes = (build: Build) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(listRoute, async (context) => {
      return context.json(await build.runPage(context.req.valid('param').project, context.req.valid('query')), 200)
    })
    .openapi(glanceRoute, async (context) => {
      const { since } = context.req.valid('query')
      return context.json(await build.runGlance(context.req.valid('param').project, since), 200)
    })
    .openapi(showRoute, async (context) => {
      const { project, run } = context.req.valid('param')
      return context.json(await known(build, project, run, context.req.valid('query').attempt), 200)
    })
    .openapi(followRoute, async (context) => {
      const { project, run } = context.req.valid('param')
      await known(build, project, run)
      const changes = build.follow(project, run, context.req.raw.signal)
      return context.body(asNdjson(changes), 200, { 'content-type': 'application/x-ndjson' })
    })
    .openapi(cancelRoute, async (context) => {
      const { project, run } = context.req.valid('param')
      const outcome = await build.cancel(project, run, context.get('identity').actor)
      if (outcome === 'unknown') throw unknownRun(project, run)
      return context.json({ outcome }, 202)
    })
    .openapi(rerunRoute, async (context) => {
      const { project, run } = context.req.valid('param')
      const outcome = await build.rerun(project, run, context.req.valid('query').jobs, context.get('identity').actor)
      if (outcome.kind === 'unknown') throw unknownRun(project, run)
      if (outcome.kind === 'unfinished') throw unfinishedRun(run)
      return context.json({ attempt: outcome.attempt }, 202)
    })
    .openapi(summaryRoute, async (context) => {
      const { project, run, job } = context.req.valid('param')
      const { attempt } = context.req.valid('query')
      const { jobs } = await known(build, project, run, attempt)
      const ranIn = jobs.find((one) => one.job === job)?.attempt ?? attempt ?? 1
      return context.json({ summary: await build.summary(run, job, ranIn) }, 200)
    })
    .openapi(logRoute, async (context) => {
      const { project, run, job } = context.req.valid('param')
      const { follow, attempt, as } = context.req.valid('query')
      const { jobs } = await known(build, project, run, attempt)
      const ranIn = jobs.find((one) => one.job === job)?.attempt ?? attempt ?? 1
      const options = { follow: follow === 'true', attempt: ranIn, signal: context.req.raw.signal }
      const lines = build.followLog(run, job, options)
      return as === 'text'
        ? context.body(asText(lines), 200, {
            'content-type': 'text/plain; charset=utf-8',
            'content-disposition': `attachment; filename="${run}-${job}.log"`,
          })
        : context.body(asNdjson(lines), 200, { 'content-type': 'application/x-ndjson' })
    })

const known = async (build: Build, project: ProjectName, run: string, attempt?: number): Promise<RunDetails> => {
  const details = await build.run(project, run, attempt)
  if (!details) throw unknownRun(project, run)
  return details
}

const unknownRun = (project: string, run: string): Problem =>
  new Problem({
    kind: 'unknown-run',
    status: 404,
    detail: `there is no run ${run} in the project ${project}`,
    next: 'headway runs lists those that there are',
  })

const unfinishedRun = (run: string): Problem =>
  new Problem({
    kind: 'unfinished-run',
    status: 409,
    detail: `${run} has not ended yet, so that it cannot be run again`,
    next: `headway watch ${run} waits for its end, headway cancel ${run} asks for it`,
  })
