import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, route } from '../api/route.ts'
import { ProjectName, RepositoryName } from '../names.ts'
import { Problem } from '../problem.ts'
import type { TestStage } from './index.ts'
import { CaseFilter, CaseHistory, RepositoryTests, RunTests } from './queries.ts'

const viewer = { role: 'viewer', in: 'project' } as const
const ofRun = z.object({ project: ProjectName, run: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/) })
const ofRepository = z.object({ project: ProjectName, repository: RepositoryName })
const caseQuery = z.object({
  state: CaseFilter.default('all'),
  search: z.string().max(200).optional(),
  limit: z.coerce.number().int().min(1).max(2000).default(100),
})

const runRoute = route(viewer, {
  method: 'get',
  path: '/projects/{project}/runs/{run}/tests',
  summary: 'What the test reports of a run hold: its cases beside the default branch, coverage, and the quality gate',
  request: { params: ofRun, query: caseQuery },
  responses: { 200: json(RunTests, 'What needs attention first; nothing where it has left none') },
})

const repositoryRoute = route(viewer, {
  method: 'get',
  path: '/projects/{project}/repositories/{repository}/tests',
  summary: 'The test cases of a repository as they were last reported, and how their numbers and durations went',
  request: { params: ofRepository, query: caseQuery },
  responses: { 200: json(RepositoryTests, 'What needs attention first') },
})

const historyRoute = route(viewer, {
  method: 'get',
  path: '/projects/{project}/repositories/{repository}/tests/{case}',
  summary: 'The history of one test case',
  request: { params: ofRepository.extend({ case: z.string().regex(/^[0-9a-f]{20}$/) }) },
  responses: { 200: json(CaseHistory, 'Newest first') },
})

/** What can be seen of tests. */
export const testRoutes = ({ queries }: Pick<TestStage, 'queries'>) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(runRoute, async (context) => {
      const { project, run } = context.req.valid('param')
      const tests = await queries.ofRun(project, run, context.req.valid('query'))
      return context.json(tests ?? { reports: [], cases: [], matching: 0, quality: null }, 200)
    })
    .openapi(repositoryRoute, async (context) => {
      const { project, repository } = context.req.valid('param')
      return context.json(await queries.ofRepository(project, repository, context.req.valid('query')), 200)
    })
    .openapi(historyRoute, async (context) => {
      const { project, repository, case: id } = context.req.valid('param')
      const history = await queries.history(project, repository, id)
      if (history) return context.json(history, 200)
      throw new Problem({
        kind: 'unknown-test-case',
        status: 404,
        detail: `there is no test case ${id} in the history of ${project}/${repository}`,
        next: 'headway tests lists those that there are',
      })
    })
