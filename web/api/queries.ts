import { queryOptions } from '@tanstack/react-query'
import type { InferResponseType } from 'hono/client'
import { inProject } from './asking.ts'
import { answer, api } from './client.ts'

/*
 * What is asked of the API, each under a key whose first word says what facts make it old (live.ts). What no fact tells of, such as
 * traffic, is asked again from time to time while somebody looks at it.
 */

export const whoAmI = (project?: string) =>
  queryOptions({
    queryKey: ['me', project ?? null],
    queryFn: () => answer(api.access.me.$get({ query: project === undefined ? {} : { project } })),
    retry: false,
  })

export const projects = () => queryOptions({ queryKey: ['projects'], queryFn: () => answer(api.code.projects.$get()) })

export const repositories = (project: string) =>
  queryOptions({
    queryKey: ['repositories', project],
    queryFn: () => answer(api.code.projects[':project'].repositories.$get(inProject(project))),
  })

/** Branches and tags, and who moved them last. */
export const refs = (project: string, repository: string) =>
  queryOptions({
    queryKey: ['repositories', project, repository, 'refs'],
    queryFn: () =>
      answer(api.code.projects[':project'].repositories[':repository'].refs.$get({ param: { project, repository } })),
  })
export const sessions = (isAll: boolean) =>
  queryOptions({
    queryKey: ['sessions', isAll],
    queryFn: () => answer(api.session.sessions.$get({ query: isAll ? { all: 'true' } : {} })),
  })
export type Session = InferResponseType<typeof api.session.sessions.$get, 200>[number]
export const passkeys = () =>
  queryOptions({ queryKey: ['passkeys'], queryFn: () => answer(api.passkeys.passkeys.$get({ query: {} })) })
export const users = () => queryOptions({ queryKey: ['users'], queryFn: () => answer(api.access.users.$get()) })
export type User = InferResponseType<typeof api.access.users.$get, 200>[number]
export const tokens = (isAll: boolean) =>
  queryOptions({
    queryKey: ['tokens', isAll],
    queryFn: () => answer(api.access.tokens.$get({ query: isAll ? { all: 'true' } : {} })),
  })
export const runners = () =>
  queryOptions({ queryKey: ['runners'], queryFn: () => answer(api.runners.runners.$get()), refetchInterval: 15_000 })
export type Runners = InferResponseType<typeof api.runners.runners.$get, 200>

export const settings = (project: string) =>
  queryOptions({
    queryKey: ['settings', project],
    queryFn: () => answer(api.access.projects[':project'].settings.$get(inProject(project))),
  })
export type Setting = InferResponseType<(typeof api.access.projects)[':project']['settings']['$get'], 200>[number]
export const actions = () => queryOptions({ queryKey: ['actions'], queryFn: () => answer(api.actions.actions.$get()) })
type Actions = InferResponseType<typeof api.actions.actions.$get, 200>
export type MirroredAction = Actions['actions'][number]
export type Upstream = Actions['upstream']

export type FactQuery = { readonly types?: string; readonly subject?: string; readonly after?: number }
export const facts = ({ types, subject, after }: FactQuery) =>
  queryOptions({
    queryKey: ['ledger', types ?? null, subject ?? null, after ?? null],
    queryFn: () =>
      answer(
        api.ledger.ledger.$get({
          query: {
            order: 'newest',
            limit: '100',
            ...(types ? { types } : {}),
            ...(subject ? { subject } : {}),
            ...(after === undefined ? {} : { after: String(after) }),
          },
        }),
      ),
  })
