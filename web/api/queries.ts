import { queryOptions } from '@tanstack/react-query'
import type { InferResponseType } from 'hono/client'
import type { t } from '../texts/en.ts'
import { answer, answerText, api } from './client.ts'

/*
 * What is asked of the API, each under a key whose first word says what facts make it old (live.ts). What no fact tells of, such as
 * traffic, is asked again from time to time while somebody looks at it.
 */
const tickMs = 5_000
/** What was found before stands until what is typed is answered, but not that of another project. */
const keptIn =
  (project: string) =>
  <Data>(before: Data | undefined, query: { readonly queryKey: readonly unknown[] } | undefined): Data | undefined =>
    query?.queryKey[1] === project ? before : undefined
const inProject = (project: string) => ({ param: { project } })

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
type Place = { readonly project: string; readonly service: string; readonly environment: string }
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
/** Branches and tags, and who moved them last. */
export const refs = (project: string, repository: string) =>
  queryOptions({
    queryKey: ['repositories', project, repository, 'refs'],
    queryFn: () =>
      answer(api.code.projects[':project'].repositories[':repository'].refs.$get({ param: { project, repository } })),
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
