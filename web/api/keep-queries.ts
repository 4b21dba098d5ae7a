import { queryOptions } from '@tanstack/react-query'
import type { InferResponseType } from 'hono/client'
import { answer, api } from './client.ts'

/* What is kept: the rules of repositories, databases, caches, backups. */

/** What a change of the repository must have (null: of all without rules of their own) before it is merged. */
export const changeRules = (project: string, repository: string | null) =>
  queryOptions({
    queryKey: ['repositories', project, 'rules', repository],
    queryFn: () =>
      repository === null
        ? answer(api.changes.projects[':project']['change-rules'].$get({ param: { project } }))
        : answer(
            api.changes.projects[':project'].repositories[':repository']['change-rules'].$get({
              param: { project, repository },
            }),
          ),
  })
export type ChangeRules = InferResponseType<(typeof api.changes.projects)[':project']['change-rules']['$get'], 200>

export type Repository = InferResponseType<(typeof api.code.projects)[':project']['repositories']['$get'], 200>[number]

export const databases = (project: string) =>
  queryOptions({
    queryKey: ['databases', project],
    queryFn: () => answer(api.operate.projects[':project'].databases.$get({ param: { project } })),
  })
export type Database = InferResponseType<(typeof api.operate.projects)[':project']['databases']['$get'], 200>[number]

export const databaseBackups = () =>
  queryOptions({
    queryKey: ['databases', 'backups'],
    queryFn: () => answer(api.operate['database-backups'].$get()),
  })

export const caches = (project: string) =>
  queryOptions({
    queryKey: ['caches', project],
    queryFn: async () =>
      (await answer(api.results.projects[':project'].caches.$get({ param: { project } }))).caches.toReversed(),
  })
export type Cache = InferResponseType<
  (typeof api.results.projects)[':project']['caches']['$get'],
  200
>['caches'][number]
