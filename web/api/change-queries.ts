import { queryOptions } from '@tanstack/react-query'
import type { InferResponseType } from 'hono/client'
import { inProject } from './asking.ts'
import { answer, api } from './client.ts'

/* What is asked of changes, and of what waits to be merged. */

export const changes = (project: string) =>
  queryOptions({
    queryKey: ['changes', project],
    queryFn: async () =>
      (await answer(api.changes.projects[':project'].changes.$get({ ...inProject(project), query: {} }))).changes,
  })
/** Those that are open. */
export const openChanges = (project: string) =>
  queryOptions({
    queryKey: ['changes', project, 'open'],
    queryFn: () => listed(project, 'open', 500),
  })
/** The newest ones of each repository that were merged or abandoned, by when. */
export const closedChanges = (project: string) =>
  queryOptions({
    queryKey: ['changes', project, 'closed'],
    queryFn: async () =>
      (await Promise.all([listed(project, 'merged', 200), listed(project, 'abandoned', 100)])).flat(),
  })
const listed = async (project: string, status: 'open' | 'merged' | 'abandoned', limit: number) =>
  (
    await answer(
      api.changes.projects[':project'].changes.$get({ ...inProject(project), query: { status, limit: `${limit}` } }),
    )
  ).changes
/** What is on its way to each branch, and what was put out. */
export const mergeQueues = (project: string) =>
  queryOptions({
    queryKey: ['changes', project, 'queues'],
    queryFn: async () =>
      (await answer(api.changes.projects[':project']['merge-queues'].$get(inProject(project)))).queues,
  })
export type MergeQueue = InferResponseType<
  (typeof api.changes.projects)[':project']['merge-queues']['$get'],
  200
>['queues'][number]
const ofChange = (project: string, repository: string, number: number) => ({
  param: { project, repository, number: String(number) },
})
export const change = (project: string, repository: string, number: number) =>
  queryOptions({
    queryKey: ['changes', project, repository, number],
    queryFn: () =>
      answer(
        api.changes.projects[':project'].repositories[':repository'].changes[':number'].$get(
          ofChange(project, repository, number),
        ),
      ),
  })
export type Change = InferResponseType<
  (typeof api.changes.projects)[':project']['repositories'][':repository']['changes'][':number']['$get'],
  200
>
/** All of a version, or of a single file of it. */
export const changeDiff = (project: string, repository: string, number: number, version: number, file?: string) =>
  queryOptions({
    queryKey: ['changes', project, repository, number, 'diff', version, file ?? null],
    queryFn: () =>
      answer(
        api.changes.projects[':project'].repositories[':repository'].changes[':number'].diff.$get({
          ...ofChange(project, repository, number),
          query: { version: String(version), ...(file === undefined ? {} : { file }) },
        }),
      ),
  })
