import { queryOptions } from '@tanstack/react-query'
import type { InferResponseType } from 'hono/client'
import { inProject, keptIn, tickMs } from './asking.ts'
import { answer, answerText, api } from './client.ts'

/* What is asked of services: what runs of them, what they have released, what their users meet. */

/** Where a service stands. */
export type Place = { readonly project: string; readonly service: string; readonly environment: string }

export type ServiceQuery = {
  readonly search?: string
  readonly state?: 'broken'
  readonly before?: string
  readonly after?: string
  /** Of services; without it as many as the server gives, a thousand. */
  readonly limit?: number
}
/** Services in each environment, in the few words of a list, by name. */
export const services = (project: string, { limit, ...query }: ServiceQuery = {}) =>
  queryOptions({
    queryKey: ['services', project, { ...query, limit }],
    queryFn: () =>
      answer(
        api.glance.projects[':project'].glance.services.$get({
          ...inProject(project),
          query: { ...query, ...(limit === undefined ? {} : { limit: `${limit}` }) },
        }),
      ),
    placeholderData: keptIn(project),
  })
export type Glance = InferResponseType<
  (typeof api.glance.projects)[':project']['glance']['services']['$get'],
  200
>['services'][number]

/** All of one service, in each environment; empty where there is none of that name. */
export const service = (project: string, name: string) =>
  queryOptions({
    queryKey: ['services', project, name],
    queryFn: () =>
      answer(api.deploy.projects[':project'].services.$get({ ...inProject(project), query: { service: name } })),
  })
export type Service = InferResponseType<(typeof api.deploy.projects)[':project']['services']['$get'], 200>[number]

export const instances = (project: string) =>
  queryOptions({
    queryKey: ['instances', project],
    queryFn: () => answer(api.deploy.projects[':project'].instances.$get({ ...inProject(project), query: {} })),
    refetchInterval: tickMs,
  })
export type Instance = InferResponseType<(typeof api.deploy.projects)[':project']['instances']['$get'], 200>[number]

export const traffic = (
  project: string,
  service: string,
  environment: string,
  rangeMs: number,
  everyMs: number = tickMs,
) =>
  queryOptions({
    queryKey: ['traffic', project, service, environment, rangeMs],
    queryFn: () =>
      answer(
        api.monitor.projects[':project'].services[':service'].traffic.$get({
          param: { project, service },
          query: { environment, from: String(Date.now() - rangeMs) },
        }),
      ),
    refetchInterval: everyMs,
  })
/** What its users met in all, without how it went. */
export const trafficTotal = (project: string, service: string, environment: string, rangeMs: number) =>
  queryOptions({
    queryKey: ['traffic', project, service, environment, rangeMs, 'total'],
    queryFn: async () =>
      (
        await answer(
          api.monitor.projects[':project'].services[':service'].traffic.$get({
            param: { project, service },
            query: { environment, from: String(Date.now() - rangeMs), detail: 'total' },
          }),
        )
      ).total,
    refetchInterval: 15_000,
  })
export type Traffic = InferResponseType<
  (typeof api.monitor.projects)[':project']['services'][':service']['traffic']['$get'],
  200
>

export const alerts = (project: string) =>
  queryOptions({
    queryKey: ['alerts', project],
    queryFn: () => answer(api.alerts.projects[':project'].alerts.$get(inProject(project))),
    refetchInterval: 30_000,
  })

export type Alert = InferResponseType<(typeof api.alerts.projects)[':project']['alerts']['$get'], 200>[number]

const ofService = (project: string, service: string) => ({ param: { project, service } })
export const releases = (project: string, service: string) =>
  queryOptions({
    queryKey: ['releases', project, service],
    queryFn: () =>
      answer(api.packages.projects[':project'].services[':service'].releases.$get(ofService(project, service))),
  })
const itsMigrations = api.migrations.projects[':project'].services[':service'].migrations
/** What releases have done to a service's database, newest first. */
export const migrations = ({ project, service, environment }: Place) =>
  queryOptions({
    queryKey: ['migrations', project, service, environment],
    queryFn: () => answer(itsMigrations.$get({ ...ofService(project, service), query: { environment, limit: '100' } })),
  })
export type Migration = InferResponseType<typeof itsMigrations.$get, 200>[number]
/** What one of them wrote; it never changes. */
export const migrationLog = ({ project, service, environment }: Place, deployment: string, attempt: number) =>
  queryOptions({
    queryKey: ['migration-log', project, service, environment, deployment, attempt],
    queryFn: () =>
      answerText(
        itsMigrations[':deployment'][':attempt'].log.$get({
          param: { project, service, deployment, attempt: String(attempt) },
          query: { environment },
        }),
      ),
    staleTime: Number.POSITIVE_INFINITY,
  })
/** What one commit of a folder has that another has not; commits never change. */
export const commits = (
  project: string,
  repository: string,
  { since, until, path }: { since: string | null; until: string; path: string },
) =>
  queryOptions({
    queryKey: ['commits', project, repository, since, until, path],
    queryFn: () =>
      answer(
        api.code.projects[':project'].repositories[':repository'].commits.$get({
          param: { project, repository },
          query: { until, path, ...(since === null ? {} : { since }) },
        }),
      ),
    staleTime: Number.POSITIVE_INFINITY,
  })
export const explanation = (project: string, service: string) =>
  queryOptions({
    queryKey: ['releases', project, service, 'explain'],
    queryFn: () =>
      answer(api.packages.projects[':project'].services[':service'].explain.$get(ofService(project, service))),
  })
