import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, route } from '../api/route.ts'
import { ProjectName } from '../names.ts'
import { Problem } from '../problem.ts'
import type { Build, LogLine } from './index.ts'
import { RunDetails, RunSummary } from './queries.ts'

const project = z.object({ project: ProjectName })
const runName = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/)
const ofRun = project.extend({ run: runName })
const ofJob = ofRun.extend({ job: z.string().regex(/^[A-Za-z_][A-Za-z0-9_-]{0,99}(\.\d{1,3})?$/) })
const developer = { role: 'developer', in: 'project' } as const
const viewer = { role: 'viewer', in: 'project' } as const

const listRoute = route(viewer, {
  method: 'get',
  path: '/projects/{project}/runs',
  summary: 'The newest runs of a project',
  request: {
    params: project,
    query: z.object({ repository: z.string().optional(), limit: z.coerce.number().int().min(1).max(200).default(30) }),
  },
  responses: { 200: json(z.object({ runs: z.array(RunSummary) }), 'Newest first') },
})

const showRoute = route(viewer, {
  method: 'get',
  path: '/projects/{project}/runs/{run}',
  summary: 'One run with its jobs and their steps',
  request: { params: ofRun },
  responses: { 200: json(RunDetails, 'The run') },
})

const cancelRoute = route(developer, {
  method: 'post',
  path: '/projects/{project}/runs/{run}/cancel',
  summary: 'Ask a run to end',
  request: { params: ofRun },
  responses: { 202: json(z.object({ outcome: z.enum(['cancelling', 'finished']) }), 'What it does now') },
})

const logRoute = route(viewer, {
  method: 'get',
  path: '/projects/{project}/runs/{run}/jobs/{job}/log',
  summary: "A job's log, secrets hidden; one JSON object a line",
  request: { params: ofJob, query: z.object({ follow: z.enum(['true', 'false']).default('false') }) },
  responses: {
    // Said without a content type, as the library's types know no streams.
    200: {
      description: 'NDJSON: lines `{"at": <milliseconds>, "text": "..."}`; with follow=true until the job has ended',
    },
  },
})

/** What can be seen of runs and told to them. */
export const buildRoutes = (build: Build) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(listRoute, async (context) => {
      const { repository, limit } = context.req.valid('query')
      return context.json({ runs: await build.runs(context.req.valid('param').project, { repository, limit }) }, 200)
    })
    .openapi(showRoute, async (context) => {
      const { project, run } = context.req.valid('param')
      return context.json(await known(build, project, run), 200)
    })
    .openapi(cancelRoute, async (context) => {
      const { project, run } = context.req.valid('param')
      const outcome = await build.cancel(project, run, context.get('identity').actor)
      if (outcome === 'unknown') throw unknownRun(project, run)
      return context.json({ outcome }, 202)
    })
    .openapi(logRoute, async (context) => {
      const { project, run, job } = context.req.valid('param')
      await known(build, project, run)
      const follow = context.req.valid('query').follow === 'true'
      const lines = build.followLog(run, job, { follow, signal: context.req.raw.signal })
      return context.body(asStream(lines), 200, { 'content-type': 'application/x-ndjson' })
    })

const asStream = (lines: AsyncIterable<LogLine>): ReadableStream<Uint8Array> => {
  const encode = async function* () {
    for await (const line of lines) yield Buffer.from(`${JSON.stringify(line)}\n`)
  }
  return ReadableStream.from(encode())
}

const known = async (build: Build, project: ProjectName, run: string): Promise<RunDetails> => {
  const details = await build.run(project, run)
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
