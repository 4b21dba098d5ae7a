import { OpenAPIHono, z } from '@hono/zod-openapi'
import { asNdjson } from '../api/ndjson.ts'
import { type ApiEnv, json, route } from '../api/route.ts'
import { ProjectName, RepositoryName } from '../names.ts'
import type { Build } from './build.ts'
import { mainBroken } from './facts.ts'
import { EnvironmentSummary } from './queries.ts'

const inProject = z.object({ project: ProjectName })
const ofRepository = inProject.extend({ repository: RepositoryName })
const ofEnvironment = inProject.extend({ environment: z.string().min(1).max(255) })
const ofRun = inProject.extend({ run: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/) })
const developer = { role: 'developer', in: 'project' } as const
const operator = { role: 'operator', in: 'project' } as const
const viewer = { role: 'viewer', in: 'project' } as const

const body = <Schema extends z.ZodType>(schema: Schema) => ({ content: { 'application/json': { schema } } })
const largestPayloadBytes = 64 * 1024

const Raised = z.object({ event: z.string() }).meta({ id: 'RaisedEvent' })

const dispatchRoute = route(developer, {
  method: 'post',
  path: '/projects/{project}/repositories/{repository}/workflows/{workflow}/dispatches',
  summary: 'Start a workflow that has workflow_dispatch',
  request: {
    params: ofRepository.extend({
      workflow: z.string().regex(/^[^/\\]{1,200}\.ya?ml$/, 'a file of .github/workflows'),
    }),
    body: body(
      z.object({
        ref: z.string().min(1).max(300).nullable().default(null).meta({ description: 'default: the default branch' }),
        inputs: z.record(z.string().max(100), z.union([z.string().max(65_535), z.boolean(), z.number()])).default({}),
      }),
    ),
  },
  responses: { 202: json(Raised, 'Its runs have this event') },
})

const Dispatchable = z
  .object({
    workflow: z.string().meta({ description: 'a file of .github/workflows' }),
    name: z.string(),
    inputs: z.array(
      z.object({
        name: z.string(),
        type: z.enum(['string', 'boolean', 'number', 'choice', 'environment']),
        isRequired: z.boolean(),
        description: z.string().nullable(),
        options: z.array(z.string()),
        default: z.union([z.string(), z.boolean(), z.number()]).nullable(),
      }),
    ),
  })
  .meta({ id: 'DispatchableWorkflow' })

const dispatchableRoute = route(viewer, {
  method: 'get',
  path: '/projects/{project}/repositories/{repository}/workflows',
  summary: 'The workflows that have workflow_dispatch, and their inputs',
  request: {
    params: ofRepository,
    query: z.object({
      ref: z.string().min(1).max(300).optional().meta({ description: 'default: the default branch' }),
    }),
  },
  responses: {
    200: json(
      z.object({
        ref: z.string(),
        workflows: z.array(Dispatchable),
        faults: z.array(z.string()).meta({ description: 'why other files cannot be read' }),
      }),
      'By their files',
    ),
  },
})

const repositoryDispatchRoute = route(developer, {
  method: 'post',
  path: '/projects/{project}/repositories/{repository}/dispatches',
  summary: 'Raise a repository_dispatch for the workflows of the default branch',
  request: {
    params: ofRepository,
    body: body(
      z.object({
        event_type: z.string().min(1).max(100),
        client_payload: z
          .record(z.string(), z.json().meta({ type: ['object', 'array', 'string', 'number', 'boolean', 'null'] }))
          .default({})
          .refine((payload) => JSON.stringify(payload).length <= largestPayloadBytes, 'a payload has at most 64 kB'),
      }),
    ),
  },
  responses: { 202: json(Raised, 'Its runs have this event') },
})

const releaseRoute = route(developer, {
  method: 'post',
  path: '/projects/{project}/repositories/{repository}/releases',
  summary: 'Say that a tag is a release, for the workflows that follow releases',
  request: {
    params: ofRepository,
    body: body(
      z.object({
        tag: z.string().min(1).max(250),
        name: z.string().max(250).default(''),
        body: z.string().max(65_535).default(''),
        isPrerelease: z.boolean().default(false),
      }),
    ),
  },
  responses: { 202: json(z.object({ events: z.array(z.string()) }), 'Created, published, and (pre-)released') },
})

const approvalRoute = route(operator, {
  method: 'post',
  path: '/projects/{project}/runs/{run}/approvals',
  summary: 'Approve or reject the use of an environment by the jobs of a run that wait for it',
  request: {
    params: ofRun,
    body: body(
      z.object({
        environment: z.string().min(1).max(255),
        isApproved: z.boolean(),
        comment: z.string().max(2000).nullable().default(null),
      }),
    ),
  },
  responses: { 200: json(z.object({ jobs: z.array(z.string()) }), 'The jobs that were answered') },
})

const followRoute = route(viewer, {
  method: 'get',
  path: '/projects/{project}/events/{event}/follow',
  summary: 'The runs of an event as they are queued, until it is concluded',
  request: { params: inProject.extend({ event: z.string().regex(/^[A-Za-z0-9_-]{1,200}$/) }) },
  responses: { 200: { description: 'NDJSON: `{"run": "..."}`, at last `{"note": "..."}` for what was left out' } },
})

const environmentsRoute = route(viewer, {
  method: 'get',
  path: '/projects/{project}/pipeline-environments',
  summary: 'The protected environments of the pipeline, and the jobs that wait for each',
  request: { params: inProject },
  responses: { 200: json(z.object({ environments: z.array(EnvironmentSummary) }), 'By name') },
})

const Protection = z.object({
  needsApproval: z.boolean(),
  allowsOwnApproval: z.boolean().default(true),
  refs: z
    .array(z.string().min(1).max(250))
    .max(100)
    .nullable()
    .default(null)
    .meta({ description: 'Patterns of the branches and tags that may use it; null: all' }),
})

const protectRoute = route(operator, {
  method: 'put',
  path: '/projects/{project}/pipeline-environments/{environment}/protection',
  summary: 'Say what a job needs that names this environment',
  request: { params: ofEnvironment, body: body(Protection) },
  responses: { 200: json(Protection, 'What holds from now on') },
})

const Broken = mainBroken.payload.meta({ id: 'BrokenMain' })
const Main = z.object({ project: z.string(), repository: z.string(), broken: Broken.nullable() }).meta({ id: 'Main' })

const brokenRoute = route(viewer, {
  method: 'get',
  path: '/projects/{project}/broken-mains',
  summary: 'The default branches that are red',
  request: { params: inProject },
  responses: { 200: json(z.object({ broken: z.array(Broken) }), 'By repository') },
})

const mainRoute = route(viewer, {
  method: 'get',
  path: '/projects/{project}/repositories/{repository}/main',
  summary: 'How the default branch stands',
  request: { params: ofRepository },
  responses: { 200: json(Main, 'What broke it, or null') },
})

/** What people ask of the pipeline besides pushing. */
export const requestRoutes = (build: Build) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(dispatchableRoute, async (context) => {
      const { ref = null } = context.req.valid('query')
      const { workflows, ...rest } = await build.requests.dispatchable(context.req.valid('param'), ref)
      return context.json({ ...rest, workflows: workflows.map((one) => ({ ...one, inputs: [...one.inputs] })) }, 200)
    })
    .openapi(dispatchRoute, async (context) => {
      const { workflow, ...key } = context.req.valid('param')
      const wanted = { workflow, ...context.req.valid('json') }
      return context.json({ event: await build.requests.dispatch(key, wanted, context.get('identity').actor) }, 202)
    })
    .openapi(repositoryDispatchRoute, async (context) => {
      const { event_type: type, client_payload: payload } = context.req.valid('json')
      const { actor } = context.get('identity')
      const key = context.req.valid('param')
      return context.json({ event: await build.requests.dispatchRepository(key, { type, payload }, actor) }, 202)
    })
    .openapi(releaseRoute, async (context) => {
      const { actor } = context.get('identity')
      const events = await build.requests.release(context.req.valid('param'), context.req.valid('json'), actor)
      return context.json({ events }, 202)
    })
    .openapi(approvalRoute, async (context) => {
      const { project, run } = context.req.valid('param')
      const { actor } = context.get('identity')
      return context.json(
        { jobs: await build.requests.decideApproval(project, run, context.req.valid('json'), actor) },
        200,
      )
    })
    .openapi(followRoute, (context) => {
      const { project, event } = context.req.valid('param')
      const lines = build.followEvent(project, event, context.req.raw.signal)
      return context.body(asNdjson(lines), 200, { 'content-type': 'application/x-ndjson' })
    })
    .openapi(environmentsRoute, async (context) =>
      context.json({ environments: await build.environments(context.req.valid('param').project) }, 200),
    )
    .openapi(protectRoute, async (context) => {
      const { project, environment } = context.req.valid('param')
      const protection = context.req.valid('json')
      await build.requests.protectEnvironment(project, environment, protection, context.get('identity').actor)
      return context.json(protection, 200)
    })
    .openapi(brokenRoute, async (context) =>
      context.json({ broken: await build.brokenMains(context.req.valid('param').project) }, 200),
    )
    .openapi(mainRoute, async (context) => {
      const { project, repository } = context.req.valid('param')
      return context.json(await build.main(project, repository), 200)
    })
