import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, route } from '../../api/route.ts'
import { ProjectName, RepositoryName } from '../../names.ts'
import { BranchName } from '../ref-names.ts'
import { ChangeBody, QueueBody, queueBodyOf, summaryOf } from './bodies.ts'
import type { Changes } from './index.ts'

const inProject = z.object({ project: ProjectName })
const ofRepository = inProject.extend({ repository: RepositoryName })
const viewer = { role: 'viewer', in: 'project' } as const

const routes = {
  queue: route(viewer, {
    method: 'get',
    path: '/projects/{project}/repositories/{repository}/queue',
    summary: 'What waits to be merged, in order',
    request: { params: ofRepository, query: z.object({ target: BranchName.default('main') }) },
    responses: { 200: json(z.object({ changes: z.array(ChangeBody) }), 'The first one lands first.') },
  }),
  queues: route(viewer, {
    method: 'get',
    path: '/projects/{project}/merge-queues',
    summary: 'What is on its way to each branch, how each stands, and what was put out',
    request: { params: inProject },
    responses: { 200: json(z.object({ queues: z.array(QueueBody) }), 'Those in which something is or was.') },
  }),
}

/** What waits to be merged. */
export const queueRoutes = (room: Changes) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(routes.queue, async (context) => {
      const found = await room.queue(context.req.valid('param'), context.req.valid('query').target)
      return context.json({ changes: found.map(summaryOf) }, 200)
    })
    .openapi(routes.queues, async (context) => {
      const found = await room.queues(context.req.valid('param').project)
      return context.json({ queues: found.map(queueBodyOf) }, 200)
    })
