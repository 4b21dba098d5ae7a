import { queryOptions } from '@tanstack/react-query'
import type { InferResponseType } from 'hono/client'
import { inProject } from './asking.ts'
import { answer, api } from './client.ts'

/* What is asked of deployments, and of the environments that they go through. */

export const deployments = (project: string, limit = 200, service?: string) =>
  queryOptions({
    queryKey: ['deployments', project, limit, service ?? null],
    queryFn: () =>
      answer(
        api.deploy.projects[':project'].deployments.$get({
          ...inProject(project),
          query: { limit: String(limit), ...(service === undefined ? {} : { service }) },
        }),
      ),
  })
export type Deployment = InferResponseType<(typeof api.deploy.projects)[':project']['deployments']['$get'], 200>[number]

/** Those of the last day, in the few words that a mark on a line of time needs. */
export const todaysDeployments = (project: string) =>
  queryOptions({
    queryKey: ['deployments', project, 'today'],
    queryFn: () =>
      answer(
        api.glance.projects[':project'].glance.deployments.$get({
          ...inProject(project),
          query: { since: String(Date.now() - 86_400_000), limit: '1000' },
        }),
      ),
  })
export type DeploymentGlance = InferResponseType<
  (typeof api.glance.projects)[':project']['glance']['deployments']['$get'],
  200
>[number]

export const rollouts = (project: string, state: 'open' | 'all' = 'all') =>
  queryOptions({
    queryKey: ['rollouts', project, { state }],
    queryFn: () => answer(api.rollout.projects[':project'].rollouts.$get({ ...inProject(project), query: { state } })),
  })
export type Rollout = InferResponseType<(typeof api.rollout.projects)[':project']['rollouts']['$get'], 200>[number]

const ofRollout = (project: string, rollout: string) => ({ param: { project, rollout } })
export const rollout = (project: string, name: string) =>
  queryOptions({
    queryKey: ['rollouts', project, name],
    queryFn: () => answer(api.rollout.projects[':project'].rollouts[':rollout'].$get(ofRollout(project, name))),
  })
export const rolloutStory = (project: string, name: string) =>
  queryOptions({
    queryKey: ['rollouts', project, name, 'story'],
    queryFn: () => answer(api.rollout.projects[':project'].rollouts[':rollout'].story.$get(ofRollout(project, name))),
  })
export const rolloutWhy = (project: string, name: string, isLive: boolean) =>
  queryOptions({
    queryKey: ['rollouts', project, name, 'why'],
    queryFn: () =>
      answer(
        api.release.projects[':project'].rollouts[':rollout'].why.$get({ ...ofRollout(project, name), query: {} }),
      ),
    refetchInterval: isLive ? 2_000 : false,
  })
export type Why = InferResponseType<
  (typeof api.release.projects)[':project']['rollouts'][':rollout']['why']['$get'],
  200
>

export const environments = (project: string) =>
  queryOptions({
    queryKey: ['environments', project],
    queryFn: () => answer(api.promotion.projects[':project'].environments.$get(inProject(project))),
  })
export type Environment = InferResponseType<
  (typeof api.promotion.projects)[':project']['environments']['$get'],
  200
>[number]
export const differences = (project: string, from: string, environment: string) =>
  queryOptions({
    queryKey: ['environments', project, 'differences', from, environment],
    queryFn: () =>
      answer(
        api.environments.projects[':project'].environments[':environment'].differences.$get({
          param: { project, environment },
          query: { from },
        }),
      ),
  })
export const promotions = (project: string) =>
  queryOptions({
    queryKey: ['promotions', project],
    queryFn: () => answer(api.promotion.projects[':project'].promotions.$get({ ...inProject(project), query: {} })),
  })
/** Those of one service, those that have ended as well. */
export const promotionsOf = (project: string, service: string) =>
  queryOptions({
    queryKey: ['promotions', project, service],
    queryFn: () =>
      answer(api.promotion.projects[':project'].promotions.$get({ ...inProject(project), query: { service } })),
  })
export type Promotion = InferResponseType<
  (typeof api.promotion.projects)[':project']['promotions']['$get'],
  200
>[number]
/** What jobs need that name an environment, and those that wait for it. */
export const protectedEnvironments = (project: string) =>
  queryOptions({
    queryKey: ['protected', project],
    queryFn: () => answer(api.requests.projects[':project']['pipeline-environments'].$get(inProject(project))),
  })
export type ProtectedEnvironment = InferResponseType<
  (typeof api.requests.projects)[':project']['pipeline-environments']['$get'],
  200
>['environments'][number]
