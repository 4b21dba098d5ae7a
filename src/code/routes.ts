import { OpenAPIHono, z } from '@hono/zod-openapi'
import { asNdjson } from '../api/ndjson.ts'
import { type ApiEnv, json, route } from '../api/route.ts'
import { CommitId, ProjectName, RepositoryName } from '../names.ts'
import { Problem } from '../problem.ts'
import type { Code } from './index.ts'
import { DirectPush } from './protection.ts'
import { BranchName } from './ref-names.ts'

const Protection = z.object({
  branches: z.array(BranchName).max(100),
  allowForce: z.boolean(),
  /** The least role that pushes to them; `nobody`: they take changes only. Left out: as it is. */
  push: DirectPush.optional(),
})

const Repository = z
  .object({
    project: z.string(),
    repository: z.string(),
    createdAt: z.number(),
    pushedAt: z.number().nullable(),
    protection: z.object({ branches: z.array(z.string()), allowForce: z.boolean(), push: DirectPush }),
  })
  .meta({ id: 'Repository' })

const Ref = z
  .object({ ref: z.string(), object: z.string(), push: z.string(), actor: z.string(), updatedAt: z.number() })
  .meta({ id: 'Ref' })

const inProject = z.object({ project: ProjectName })
const ofRepository = inProject.extend({ repository: RepositoryName })

const Push = z
  .object({
    push: z.string(),
    repository: z.string(),
    ref: z.string(),
    commit: z.string(),
    actor: z.string(),
    at: z.number(),
  })
  .meta({ id: 'Push' })

const pushesRoute = route(
  { role: 'viewer', in: 'project' },
  {
    method: 'get',
    path: '/projects/{project}/pushes',
    summary: 'The newest pushes',
    request: {
      params: inProject,
      query: z.object({
        repository: RepositoryName.optional(),
        commit: z
          .string()
          .regex(/^[0-9a-f]{4,64}$/, 'a commit, or at least its first four digits')
          .optional(),
        limit: z.coerce.number().int().min(1).max(100).default(20),
      }),
    },
    responses: { 200: json(z.object({ pushes: z.array(Push) }), 'One for each ref that moved, newest first.') },
  },
)

const storyRoute = route(
  { role: 'viewer', in: 'project' },
  {
    method: 'get',
    path: '/projects/{project}/pushes/{push}/story',
    summary: 'How a push fares, told as to who pushed, until it has ended',
    request: { params: inProject.extend({ push: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/) }) },
    responses: {
      // Said without a content type, as the library's types know no streams.
      200: {
        description: 'NDJSON: lines `{"text": "..."}`, at last `{"end": "succeeded"}`, `"failed"` or `"unknown"`',
      },
    },
  },
)

const Commit = z
  .object({
    commit: z.string(),
    title: z.string(),
    author: z.string(),
    committedAt: z.number().nullable(),
    isMerge: z.boolean(),
  })
  .meta({ id: 'Commit' })

const commitsRoute = route(
  { role: 'viewer', in: 'project' },
  {
    method: 'get',
    path: '/projects/{project}/repositories/{repository}/commits',
    summary: 'What one commit has and another has not',
    request: {
      params: ofRepository,
      query: z.object({
        until: CommitId,
        /** Left out: all that led to `until`. */
        since: CommitId.optional(),
        /** Only what touches this folder. */
        path: z
          .string()
          .min(1)
          .max(500)
          .regex(/^[^\0]+$/)
          .default('.'),
        limit: z.coerce.number().int().min(1).max(500).default(100),
      }),
    },
    responses: { 200: json(z.object({ commits: z.array(Commit), areMore: z.boolean() }), 'The newest first.') },
  },
)

/** Repositories, their refs, and what of them is protected. Code itself goes over Git. */
export const codeRoutes = (code: Code) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(
      route('somebody', {
        method: 'get',
        path: '/projects',
        summary: 'The projects that one may see',
        responses: { 200: json(z.array(z.string()), 'Those with a repository, by name.') },
      }),
      async (context) => {
        const { roleIn } = context.get('identity')
        return context.json(
          (await code.projects()).filter((project) => roleIn(project) !== null),
          200,
        )
      },
    )
    .openapi(pushesRoute, async (context) =>
      context.json({ pushes: await code.pushes(context.req.valid('param').project, context.req.valid('query')) }, 200),
    )
    .openapi(commitsRoute, async (context) => {
      const { since = null, ...range } = context.req.valid('query')
      const key = context.req.valid('param')
      const found = await code.commitsBetween(key, { ...range, since })
      if (!found)
        throw new Problem({
          kind: 'commit-not-found',
          status: 404,
          detail: `${key.repository} does not hold ${since === null ? range.until : `${since} and ${range.until}`}`,
        })
      return context.json({ commits: [...found.commits], areMore: found.areMore }, 200)
    })
    .openapi(storyRoute, async (context) => {
      const { project, push } = context.req.valid('param')
      const story = await code.story(project, push, context.req.raw.signal)
      if (!story)
        throw new Problem({
          kind: 'unknown-push',
          status: 404,
          detail: `there is no push ${push} in the project ${project}`,
          next: 'headway watch without a name tells the newest one',
        })
      return context.body(asNdjson(story), 200, { 'content-type': 'application/x-ndjson' })
    })
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/repositories',
          request: { params: inProject },
          responses: { 200: json(z.array(Repository), 'The repositories of the project.') },
        },
      ),
      async (context) => {
        const found = await code.repositories(context.req.valid('param').project)
        return context.json(
          found.map((one) => ({ ...one, protection: { ...one.protection, branches: [...one.protection.branches] } })),
          200,
        )
      },
    )
    .openapi(
      route(
        { role: 'developer', in: 'project' },
        {
          method: 'put',
          path: '/projects/{project}/repositories/{repository}',
          request: { params: ofRepository },
          responses: { 200: json(z.object({ repository: z.string() }), 'It is there, made now or before.') },
        },
      ),
      async (context) => {
        const key = context.req.valid('param')
        await code.create(key, context.get('identity').actor)
        return context.json({ repository: key.repository }, 200)
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/repositories/{repository}/refs',
          request: { params: ofRepository },
          responses: { 200: json(z.array(Ref), 'Branches and tags, and who moved them last.') },
        },
      ),
      async (context) => context.json(await code.refs(context.req.valid('param')), 200),
    )
    .openapi(
      route(
        { role: 'operator', in: 'project' },
        {
          method: 'put',
          path: '/projects/{project}/repositories/{repository}/protection',
          request: { params: ofRepository, body: { content: { 'application/json': { schema: Protection } } } },
          responses: { 200: json(Protection, 'What is protected from now on.') },
        },
      ),
      async (context) => {
        const { actor } = context.get('identity')
        const protection = await code.protect(context.req.valid('param'), context.req.valid('json'), actor)
        return context.json({ ...protection, branches: [...protection.branches] }, 200)
      },
    )
