import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, route } from '../../api/route.ts'
import { ProjectName } from '../../names.ts'
import { Problem } from '../../problem.ts'
import type { LazyResults } from './index.ts'

const ArtifactBody = z
  .object({
    artifact: z.number().int(),
    run: z.string(),
    job: z.string(),
    repository: z.string(),
    name: z.string(),
    digest: z.string(),
    sizeBytes: z.number(),
    mime: z.string(),
    storedAt: z.number(),
    expiresAt: z.number(),
  })
  .meta({ id: 'Artifact' })

const CacheBody = z
  .object({
    cache: z.number().int(),
    repository: z.string(),
    scope: z.string(),
    key: z.string(),
    version: z.string(),
    sizeBytes: z.number(),
    savedAt: z.number(),
    usedAt: z.number(),
  })
  .meta({ id: 'Cache' })

const inProject = z.object({ project: ProjectName })
const ofRun = inProject.extend({ run: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/) })
const number = z.coerce.number().int().positive()
const viewer = { role: 'viewer', in: 'project' } as const
const developer = { role: 'developer', in: 'project' } as const

const listRoute = route(viewer, {
  method: 'get',
  path: '/projects/{project}/runs/{run}/artifacts',
  summary: 'What the jobs of a run have left, those that have expired left out',
  request: { params: ofRun },
  responses: { 200: json(z.object({ artifacts: z.array(ArtifactBody) }), 'Oldest first') },
})

const contentRoute = route(viewer, {
  method: 'get',
  path: '/projects/{project}/artifacts/{artifact}/content',
  summary: 'The bytes of an artifact, as they were uploaded: mostly a zip archive',
  request: { params: inProject.extend({ artifact: number }) },
  responses: { 302: { description: 'They are at this address, which counts for some time and needs no token' } },
})

const deleteRoute = route(developer, {
  method: 'delete',
  path: '/projects/{project}/artifacts/{artifact}',
  summary: 'Delete an artifact before it expires',
  request: { params: inProject.extend({ artifact: number }) },
  responses: { 200: json(z.object({ artifact: z.number() }), 'It is gone') },
})

const cachesRoute = route(viewer, {
  method: 'get',
  path: '/projects/{project}/caches',
  summary: 'What the jobs of a project have put aside for later runs',
  request: { params: inProject },
  responses: { 200: json(z.object({ caches: z.array(CacheBody) }), 'Oldest first') },
})

const forgetRoute = route(developer, {
  method: 'delete',
  path: '/projects/{project}/caches/{cache}',
  summary: 'Forget a cache',
  request: { params: inProject.extend({ cache: number }) },
  responses: { 200: json(z.object({ cache: z.number() }), 'It is gone') },
})

const rotateRoute = route(
  { role: 'administrator', in: 'instance' },
  {
    method: 'post',
    path: '/identity-keys/rotate',
    summary: 'Sign the identities of jobs by a new key from now on',
    request: {
      query: z.object({
        forget: z
          .enum(['true', 'false'])
          .default('false')
          .meta({ description: 'Whether the older keys count no more' }),
      }),
    },
    responses: { 200: json(z.object({ key: z.string() }), 'The identifier of the new key') },
  },
)

/** What runs have left and put aside. */
export const resultsRoutes = (results: LazyResults) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(listRoute, async (context) => {
      const { project, run } = context.req.valid('param')
      const { artifacts } = await results.open()
      const found = (await artifacts.ofRun(run)).filter((one) => one.project === project)
      return context.json({ artifacts: found }, 200)
    })
    .openapi(contentRoute, async (context) => {
      const { project, artifact } = context.req.valid('param')
      const { artifacts, pathOf } = await results.open()
      const found = await artifacts.find(project, artifact)
      if (!found) throw noArtifact(project, artifact)
      return context.redirect(pathOf(found), 302)
    })
    .openapi(deleteRoute, async (context) => {
      const { project, artifact } = context.req.valid('param')
      const { artifacts } = await results.open()
      const found = await artifacts.find(project, artifact)
      if (!found) throw noArtifact(project, artifact)
      await artifacts.remove(found, 'deleted', context.get('identity').actor)
      return context.json({ artifact }, 200)
    })
    .openapi(cachesRoute, async (context) => {
      const { caches } = await results.open()
      return context.json({ caches: await caches.list(context.req.valid('param').project) }, 200)
    })
    .openapi(forgetRoute, async (context) => {
      const { project, cache } = context.req.valid('param')
      const { caches } = await results.open()
      const found = (await caches.list(project)).find((one) => one.cache === cache)
      if (!found) throw noCache(project, cache)
      await caches.remove(found, context.get('identity').actor)
      return context.json({ cache }, 200)
    })
    .openapi(rotateRoute, async (context) => {
      const { keys } = await results.open()
      const { id } = await keys.rotate({ forget: context.req.valid('query').forget === 'true' })
      return context.json({ key: id }, 200)
    })

const noArtifact = (project: string, artifact: number): Problem =>
  new Problem({
    kind: 'unknown-artifact',
    status: 404,
    detail: `there is no artifact ${artifact} in the project ${project}, or it has expired`,
    next: 'headway artifacts list <run> shows what a run has left',
  })

const noCache = (project: string, cache: number): Problem =>
  new Problem({
    kind: 'unknown-cache',
    status: 404,
    detail: `there is no cache ${cache} in the project ${project}`,
    next: 'headway caches list shows what there is',
  })
