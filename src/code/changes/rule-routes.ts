import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, route } from '../../api/route.ts'
import { ProjectName, RepositoryName } from '../../names.ts'
import type { Changes } from './index.ts'
import { Rules } from './rules.ts'

const inProject = z.object({ project: ProjectName })
const ofRepository = inProject.extend({ repository: RepositoryName })
const viewer = { role: 'viewer', in: 'project' } as const
const operator = { role: 'operator', in: 'project' } as const
const body = { content: { 'application/json': { schema: Rules } } }

const routes = {
  rules: route(viewer, {
    method: 'get',
    path: '/projects/{project}/repositories/{repository}/change-rules',
    summary: 'What a change of the repository must have before it is merged',
    request: { params: ofRepository },
    responses: { 200: json(Rules, 'Those of the repository, else of the project, else the default ones.') },
  }),
  setRules: route(operator, {
    method: 'put',
    path: '/projects/{project}/repositories/{repository}/change-rules',
    summary: 'Say what a change of the repository must have',
    request: { params: ofRepository, body },
    responses: { 200: json(Rules, 'They hold from now on.') },
  }),
  projectRules: route(viewer, {
    method: 'get',
    path: '/projects/{project}/change-rules',
    summary: 'What changes must have in all repositories that have no rules of their own',
    request: { params: inProject },
    responses: { 200: json(Rules, 'Those of the project, else the default ones.') },
  }),
  setProjectRules: route(operator, {
    method: 'put',
    path: '/projects/{project}/change-rules',
    summary: 'Say what changes must have in all repositories that have no rules of their own',
    request: { params: inProject, body },
    responses: { 200: json(Rules, 'They hold from now on.') },
  }),
}

/** What changes must have before they are merged: seen by viewers, said by operators. */
export const ruleRoutes = (room: Changes) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(routes.rules, async (context) => context.json(await room.rules(context.req.valid('param')), 200))
    .openapi(routes.setRules, async (context) => {
      const rules = context.req.valid('json')
      await room.setRules(context.req.valid('param'), rules, context.get('identity'))
      return context.json(rules, 200)
    })
    .openapi(routes.projectRules, async (context) =>
      context.json(await room.rules({ ...context.req.valid('param'), repository: null }), 200),
    )
    .openapi(routes.setProjectRules, async (context) => {
      const rules = context.req.valid('json')
      await room.setRules({ ...context.req.valid('param'), repository: null }, rules, context.get('identity'))
      return context.json(rules, 200)
    })
