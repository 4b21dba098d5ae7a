import { queryOptions } from '@tanstack/react-query'
import type { InferResponseType } from 'hono/client'
import type { t } from '../texts/en.ts'
import { inProject, keptIn } from './asking.ts'
import { answer, api } from './client.ts'

/* What is asked of runs, their tests, and what can be started. */

export type RunState = keyof typeof t.runs.states
export type RunQuery = {
  readonly search?: string
  readonly state?: RunState
  readonly before?: string
  readonly after?: string
}
/** A page of runs, newest first. */
export const runs = (project: string, query: RunQuery = {}, limit = 100) =>
  queryOptions({
    queryKey: ['runs', project, { ...query, limit }],
    queryFn: () =>
      answer(
        api.build.projects[':project'].runs.$get({
          ...inProject(project),
          query: { ...query, limit: String(limit) },
        }),
      ),
    placeholderData: keptIn(project),
  })
/** How many are under way, and how long those of the last day waited and took. */
export const runGlance = (project: string) =>
  queryOptions({
    queryKey: ['runs', project, 'glance'],
    queryFn: () =>
      answer(
        api.build.projects[':project'].glance.runs.$get({
          ...inProject(project),
          query: { since: String(Date.now() - 86_400_000) },
        }),
      ),
  })
export type RunGlance = InferResponseType<(typeof api.build.projects)[':project']['glance']['runs']['$get'], 200>
const ofRun = (project: string, run: string) => ({ param: { project, run } })
export const run = (project: string, name: string, attempt?: number) =>
  queryOptions({
    queryKey: ['runs', project, name, attempt ?? null],
    queryFn: () =>
      answer(
        api.build.projects[':project'].runs[':run'].$get({
          ...ofRun(project, name),
          query: attempt === undefined ? {} : { attempt: String(attempt) },
        }),
      ),
  })
export type Run = InferResponseType<(typeof api.build.projects)[':project']['runs'][':run']['$get'], 200>
export const artifacts = (project: string, name: string) =>
  queryOptions({
    queryKey: ['runs', project, name, 'artifacts'],
    queryFn: () => answer(api.results.projects[':project'].runs[':run'].artifacts.$get(ofRun(project, name))),
  })
export const runTests = (project: string, name: string) =>
  queryOptions({
    queryKey: ['tests', project, name],
    queryFn: () =>
      answer(api.tests.projects[':project'].runs[':run'].tests.$get({ ...ofRun(project, name), query: {} })),
  })
export type RunTests = InferResponseType<(typeof api.tests.projects)[':project']['runs'][':run']['tests']['$get'], 200>
export type TestFilter = keyof typeof t.tests.filters
/** The cases of a repository as they were last reported, what needs attention first. */
export const repositoryTests = (project: string, repository: string, state: TestFilter, search: string) =>
  queryOptions({
    queryKey: ['tests', project, { repository, state, search }],
    queryFn: () =>
      answer(
        api.tests.projects[':project'].repositories[':repository'].tests.$get({
          param: { project, repository },
          query: { state, limit: '500', ...(search === '' ? {} : { search: search.slice(0, 200) }) },
        }),
      ),
    placeholderData: keptIn(project),
  })
export type RepositoryTests = InferResponseType<
  (typeof api.tests.projects)[':project']['repositories'][':repository']['tests']['$get'],
  200
>
/** How one case of a repository went, newest first. */
export const testHistory = (project: string, repository: string, id: string) =>
  queryOptions({
    queryKey: ['tests', project, repository, id],
    queryFn: () =>
      answer(
        api.tests.projects[':project'].repositories[':repository'].tests[':case'].$get({
          param: { project, repository, case: id },
        }),
      ),
  })
export const jobSummary = (project: string, name: string, job: string, attempt: number) =>
  queryOptions({
    queryKey: ['runs', project, name, 'summary', job, attempt],
    queryFn: async () =>
      (
        await answer(
          api.build.projects[':project'].runs[':run'].jobs[':job'].summary.$get({
            param: { project, run: name, job },
            query: { attempt: String(attempt) },
          }),
        )
      ).summary,
  })
export const brokenMains = (project: string) =>
  queryOptions({
    queryKey: ['broken', project],
    queryFn: () => answer(api.requests.projects[':project']['broken-mains'].$get(inProject(project))),
  })

/** What can be started by hand on a branch or tag (empty: the default branch), and what it wants to know. */
export const dispatchable = (project: string, repository: string, ref: string) =>
  queryOptions({
    queryKey: ['repositories', project, repository, 'dispatchable', ref],
    queryFn: () =>
      answer(
        api.requests.projects[':project'].repositories[':repository'].workflows.$get({
          param: { project, repository },
          query: ref === '' ? {} : { ref },
        }),
      ),
    placeholderData: keptIn(project),
  })
export type Dispatchable = InferResponseType<
  (typeof api.requests.projects)[':project']['repositories'][':repository']['workflows']['$get'],
  200
>['workflows'][number]
