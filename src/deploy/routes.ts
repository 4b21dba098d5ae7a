import { OpenAPIHono, z } from '@hono/zod-openapi'
import { Instance } from '../agent/protocol.ts'
import { type ApiEnv, json, route } from '../api/route.ts'
import { EnvironmentName, ProjectName, ServiceName } from '../names.ts'
import { Problem } from '../problem.ts'
import { outcomes } from './facts.ts'
import type { Deploy } from './index.ts'
import { standingOf } from './phase.ts'
import type { Deployment } from './rollout.ts'
import { ServiceStatus, statusOf } from './status.ts'
import { type ServiceRow, targetOfRow } from './views.ts'

const DeploymentBody = z
  .object({
    deployment: z.string(),
    project: z.string(),
    service: z.string(),
    environment: z.string(),
    release: z.string(),
    commit: z.string(),
    reason: z.enum(['push', 'promotion', 'rollback', 'manual', 'configuration', 'git', 'preview']),
    push: z.string().nullable(),
    requestedAt: z.number(),
    shiftedAt: z.number().nullable(),
    finishedAt: z.number().nullable(),
    /** Null while it is under way. */
    outcome: z.enum(outcomes).nullable(),
    url: z.string().nullable(),
    detail: z.string().nullable(),
    evidence: z
      .object({ instance: z.string().nullable(), probe: z.string().nullable(), lastLines: z.array(z.string()) })
      .nullable(),
    next: z.string().nullable(),
    /** As insights have it: the median time from a commit to production, of the commits that it brought; null without any. */
    leadTimeMs: z.number().nullable(),
  })
  .meta({ id: 'Deployment' })
type DeploymentBody = z.infer<typeof DeploymentBody>

const InstanceBody = z
  .object({
    id: z.string(),
    project: z.string(),
    service: z.string(),
    environment: z.string(),
    release: z.string(),
    commit: z.string(),
    ...Instance.omit({ id: true, owner: true }).shape,
  })
  .meta({ id: 'Instance' })
type InstanceBody = z.infer<typeof InstanceBody>

const ServiceBody = z
  .object({
    project: z.string(),
    service: z.string(),
    environment: z.string(),
    status: ServiceStatus,
    /** How what is on its way stands: `canary at 10 %`; null where nothing is, or nothing of it has traffic. */
    rollout: z.string().nullable(),
    url: z.string().nullable(),
    release: z.string().nullable(),
    commit: z.string().nullable(),
    healthy: z.number().int(),
    replicas: z.number().int(),
    lastDeployment: DeploymentBody,
  })
  .meta({ id: 'Service' })
type ServiceBody = z.infer<typeof ServiceBody>

const ServiceDetail = ServiceBody.extend({ instances: z.array(InstanceBody) }).meta({ id: 'ServiceDetail' })

const inProject = z.object({ project: ProjectName })
const ofService = z.object({ project: ProjectName, service: ServiceName })
/** With `wait` the answer comes when the deployment has ended, or is judged or watched with traffic; else at once. */
const wait = z.boolean().default(false)
const body = <Schema extends z.ZodType>(schema: Schema) => ({ content: { 'application/json': { schema } } })
const limit = z.coerce.number().int().min(1).max(1000).default(50)

/** The median time from a commit to production, of what each deployment brought; none for what has not been measured. */
export type LeadTimes = (deployments: readonly string[]) => Promise<ReadonlyMap<string, number>>

/** Services, their deployments and instances. */
export const deployRoutes = (deploy: Deploy, leadTimes: LeadTimes = async () => new Map()) => {
  const bodyOf = async (id: string): Promise<DeploymentBody> => {
    const found = await deploy.queries.deploymentWithPush(id)
    if (!found) throw noDeployment(id)
    return deploymentBody(found.deployment, await leadTimes([id]))
  }
  const ended = async (id: string, waits: boolean, signal: AbortSignal): Promise<DeploymentBody> => {
    await (waits ? deploy.begun(id, signal) : deploy.caughtUp())
    return bodyOf(id)
  }

  const serviceBody = async (row: ServiceRow, instances: readonly InstanceBody[]): Promise<ServiceBody> => {
    const target = targetOfRow(row)
    const last = await bodyOf(row.latest)
    const latest = await deploy.queries.deployment(row.latest)
    const serving = row.serving ? await deploy.queries.deployment(row.serving) : null
    const healthy = instances.filter(
      ({ id, state }) => state === 'healthy' && serving?.instances?.includes(id) === true,
    ).length
    const replicas = serving?.instances?.length ?? 0
    return {
      project: target.project,
      service: target.service,
      environment: target.environment,
      status: statusOf(row, last.outcome, healthy, replicas),
      rollout: latest && standingOf(latest),
      url: serving ? await deploy.urlOf(target) : null,
      release: serving?.release ?? null,
      commit: serving?.commit ?? null,
      healthy,
      replicas,
      lastDeployment: last,
    }
  }

  const instancesOf = async (project: ProjectName): Promise<InstanceBody[]> =>
    (await deploy.instances()).map(instanceBody).filter((instance) => instance.project === project)

  return new OpenAPIHono<ApiEnv>()
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/services',
          request: { params: inProject, query: z.object({ service: ServiceName.optional() }) },
          responses: { 200: json(z.array(ServiceBody), 'Every service of the project, in each environment.') },
        },
      ),
      async (context) => {
        const { project } = context.req.valid('param')
        await deploy.caughtUp()
        const { service } = context.req.valid('query')
        const instances = await instancesOf(project)
        const all = await deploy.queries.services(project)
        const rows = service === undefined ? all : all.filter((row) => row.service === service)
        return context.json(await Promise.all(rows.map((row) => serviceBody(row, instances))), 200)
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/services/{service}',
          request: { params: ofService },
          responses: { 200: json(z.array(ServiceDetail), 'The service in each environment, with its instances.') },
        },
      ),
      async (context) => {
        const { project, service } = context.req.valid('param')
        await deploy.caughtUp()
        const rows = (await deploy.queries.services(project)).filter((row) => row.service === service)
        if (rows.length === 0) throw noService(project, service)
        const instances = await instancesOf(project)
        const details = rows.map(async (row) => ({
          ...(await serviceBody(row, instances)),
          instances: instances.filter((one) => one.service === service && one.environment === row.environment),
        }))
        return context.json(await Promise.all(details), 200)
      },
    )
    .openapi(
      route(
        { role: 'operator', in: 'project' },
        {
          method: 'delete',
          path: '/projects/{project}/services/{service}',
          request: { params: ofService },
          responses: {
            200: json(z.object({ removed: z.string() }), 'Gone from every environment; its database stays.'),
          },
        },
      ),
      async (context) => {
        const key = context.req.valid('param')
        await deploy.remove(key, context.get('identity').actor)
        return context.json({ removed: `${key.project}/${key.service}` }, 200)
      },
    )
    .openapi(
      route(
        { role: 'developer', in: 'project' },
        {
          method: 'post',
          path: '/projects/{project}/services/{service}/rollback',
          request: {
            params: ofService,
            body: body(z.object({ to: z.string().optional(), environment: EnvironmentName.optional(), wait })),
          },
          responses: { 200: json(DeploymentBody, 'The deployment that brings the earlier release back.') },
        },
      ),
      async (context) => {
        const { to, environment, wait: waits } = context.req.valid('json')
        const { actor } = context.get('identity')
        const id = await deploy.rollback(context.req.valid('param'), { to, environment, actor })
        return context.json(await ended(id, waits, context.req.raw.signal), 200)
      },
    )
    .openapi(
      route(
        { role: 'developer', in: 'project' },
        {
          method: 'post',
          path: '/projects/{project}/services/{service}/deploy',
          request: {
            params: ofService,
            body: body(z.object({ release: z.string().optional(), environment: EnvironmentName.optional(), wait })),
          },
          responses: {
            200: json(
              DeploymentBody,
              'The deployment of the release, or of what runs, with its settings as they are now.',
            ),
          },
        },
      ),
      async (context) => {
        const { release, environment, wait: waits } = context.req.valid('json')
        const { actor } = context.get('identity')
        const id = await deploy.deploy(context.req.valid('param'), { release, environment, actor })
        return context.json(await ended(id, waits, context.req.raw.signal), 200)
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/deployments',
          request: { params: inProject, query: z.object({ service: ServiceName.optional(), limit }) },
          responses: { 200: json(z.array(DeploymentBody), 'Newest first.') },
        },
      ),
      async (context) => {
        const { project } = context.req.valid('param')
        await deploy.caughtUp()
        const history = await deploy.queries.history({ project, ...context.req.valid('query') })
        const measured = await leadTimes(history.map(({ deployment }) => deployment.id))
        return context.json(
          history.map(({ deployment }) => deploymentBody(deployment, measured)),
          200,
        )
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/deployments/{deployment}',
          request: { params: inProject.extend({ deployment: z.string() }) },
          responses: { 200: json(DeploymentBody, 'One deployment.') },
        },
      ),
      async (context) => {
        const { project, deployment } = context.req.valid('param')
        await deploy.caughtUp()
        const found = await bodyOf(deployment)
        if (found.project !== project) throw noDeployment(deployment)
        return context.json(found, 200)
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/instances',
          request: { params: inProject, query: z.object({ service: ServiceName.optional() }) },
          responses: { 200: json(z.array(InstanceBody), 'What runs now, by service.') },
        },
      ),
      async (context) => {
        const { service } = context.req.valid('query')
        const instances = await instancesOf(context.req.valid('param').project)
        const wanted = instances.filter((one) => service === undefined || one.service === service)
        return context.json(
          wanted.sort((left, right) => (left.id < right.id ? -1 : 1)),
          200,
        )
      },
    )
}

const deploymentBody = (deployment: Deployment, measured: ReadonlyMap<string, number>): DeploymentBody => {
  const { id, target, release, commit, reason, push, requestedAt, shiftedAt, finished } = deployment
  return {
    deployment: id,
    ...target,
    release,
    commit,
    reason,
    push,
    requestedAt,
    shiftedAt,
    finishedAt: finished?.at ?? null,
    outcome: finished?.outcome ?? null,
    url: finished?.url ?? null,
    detail: finished?.detail ?? null,
    evidence: finished?.evidence ? { ...finished.evidence, lastLines: [...finished.evidence.lastLines] } : null,
    next: finished?.next ?? null,
    leadTimeMs: measured.get(id) ?? null,
  }
}

const instanceBody = ({ owner, ...instance }: Instance): InstanceBody => ({
  project: owner.project,
  service: owner.service,
  environment: owner.environment,
  release: owner.release,
  commit: owner.commit,
  ...instance,
})

const noDeployment = (deployment: string): Problem =>
  new Problem({
    kind: 'deployment-not-found',
    status: 404,
    detail: `there is no deployment ${deployment}`,
    next: 'headway deployments lists them',
  })

const noService = (project: string, service: string): Problem =>
  new Problem({
    kind: 'service-not-found',
    status: 404,
    detail: `there is no service ${project}/${service}`,
    next: 'headway status lists the services',
  })
