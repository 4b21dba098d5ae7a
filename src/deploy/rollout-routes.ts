import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, route } from '../api/route.ts'
import { ReleaseStep, Strategy } from '../golden/release.ts'
import { EnvironmentName, ProjectName, ServiceName } from '../names.ts'
import { Problem } from '../problem.ts'
import { outcomes } from './facts.ts'
import type { Deploy } from './index.ts'
import { JudgeNumbers, Verdict } from './judging.ts'
import { Phase, phaseOf } from './phase.ts'
import type { Deployment } from './rollout.ts'
import { canaryPercent } from './traffic.ts'

const Order = z.object({ at: z.number(), by: z.string(), reason: z.string() })

const RolloutBody = z
  .object({
    deployment: z.string(),
    project: z.string(),
    service: z.string(),
    environment: z.string(),
    release: z.string(),
    commit: z.string(),
    strategy: Strategy,
    /** The weights that it goes through, with the least and the most time of each. */
    steps: z.array(ReleaseStep),
    /** Counted from 0; null before the first has healthy instances. */
    step: z.number().int().nullable(),
    stepStartedAt: z.number().nullable(),
    /** What the new version has of the traffic now. */
    weightPercent: z.number(),
    /** `starting`, `step`, `watch` (all traffic, watched), `undoing`, `ended`. */
    phase: Phase,
    isJudged: z.boolean(),
    watch: z.object({ timeMs: z.number(), holdbackPercent: z.number() }),
    /** The deployment and the release whose place it takes; null for the first of a service. */
    baseline: z.object({ deployment: z.string(), release: z.string() }).nullable(),
    /** What the judge said last at the end of a step. */
    judged: z
      .object({
        at: z.number(),
        step: z.number().int(),
        verdict: Verdict,
        reason: z.string(),
        numbers: JudgeNumbers,
        evidence: z.string().nullable(),
      })
      .nullable(),
    paused: Order.nullable(),
    aborted: Order.nullable(),
    requestedAt: z.number(),
    shiftedAt: z.number().nullable(),
    finishedAt: z.number().nullable(),
    /** Null while it is under way. */
    outcome: z.enum(outcomes).nullable(),
    detail: z.string().nullable(),
  })
  .meta({ id: 'Rollout' })
const StoryBody = z.object({ at: z.number(), seq: z.number().int(), text: z.string() }).meta({ id: 'RolloutEvent' })
type RolloutBody = z.infer<typeof RolloutBody>

const named = z.object({ project: ProjectName, rollout: z.string().min(1).max(200) })
const orderBody = {
  content: {
    'application/json': {
      schema: z.object({
        reason: z.string().trim().max(500).optional(),
        /** Where, when the service is named instead of the deployment. */
        environment: EnvironmentName.optional(),
      }),
    },
  },
}

/** Rollouts: how they stand, and what people can ask of one under way. */
export const rolloutRoutes = (deploy: Deploy) => {
  const bodyOf = async (id: string): Promise<RolloutBody> => {
    await deploy.caughtUp()
    const deployment = await deploy.queries.deployment(id)
    if (!deployment) throw noRollout(id)
    return rolloutBody(deployment)
  }

  const routes = new OpenAPIHono<ApiEnv>()
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/rollouts',
          request: {
            params: z.object({ project: ProjectName }),
            query: z.object({
              service: ServiceName.optional(),
              /** `open`: those under way. */
              state: z.enum(['open', 'all']).default('all'),
              limit: z.coerce.number().int().min(1).max(1000).default(50),
            }),
          },
          responses: { 200: json(z.array(RolloutBody), 'Newest first.') },
        },
      ),
      async (context) => {
        const { project } = context.req.valid('param')
        await deploy.caughtUp()
        const { state, ...query } = context.req.valid('query')
        const history = await deploy.queries.history({ project, ...query, isOpen: state === 'open' })
        return context.json(
          history.map(({ deployment }) => rolloutBody(deployment)),
          200,
        )
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/rollouts/{rollout}',
          request: { params: named },
          responses: { 200: json(RolloutBody, 'The rollout of one deployment.') },
        },
      ),
      async (context) => {
        const { project, rollout } = context.req.valid('param')
        const found = await bodyOf(rollout)
        if (found.project !== project) throw noRollout(rollout)
        return context.json(found, 200)
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/rollouts/{rollout}/story',
          request: { params: named },
          responses: { 200: json(z.array(StoryBody), 'What happened to it and why, in words, oldest first.') },
        },
      ),
      async (context) => {
        const { project, rollout } = context.req.valid('param')
        const found = await bodyOf(rollout)
        if (found.project !== project) throw noRollout(rollout)
        return context.json(await deploy.story(rollout), 200)
      },
    )
  const order = (kind: 'pause' | 'resume' | 'promote' | 'abort', description: string) =>
    routes.openapi(
      route(
        { role: 'developer', in: 'project' },
        {
          method: 'post',
          path: `/projects/{project}/rollouts/{rollout}/${kind}`,
          request: { params: named, body: orderBody },
          responses: { 200: json(RolloutBody, description) },
        },
      ),
      async (context) => {
        const { project, rollout } = context.req.valid('param')
        const { actor } = context.get('identity')
        const id = await deploy.order(kind, { project, name: rollout }, { ...context.req.valid('json'), actor })
        return context.json(await bodyOf(id), 200)
      },
    )
  order('pause', 'It stays at its weight; what fails is undone all the same.')
  order('resume', 'Its step begins anew.')
  order('promote', 'Its step is over: it goes to the next.')
  order('abort', 'The version of before gets all traffic back.')
  return routes
}

const rolloutBody = (deployment: Deployment): RolloutBody => {
  const { id, target, release, commit, rollout, step, requestedAt, shiftedAt, finished } = deployment
  return {
    deployment: id,
    ...target,
    release,
    commit,
    strategy: rollout?.strategy ?? 'rolling',
    steps: [...(rollout?.steps ?? [])],
    step: step?.index ?? null,
    stepStartedAt: step?.at ?? null,
    weightPercent: deployment.finished?.outcome === 'succeeded' ? 100 : canaryPercent(deployment),
    phase: phaseOf(deployment),
    isJudged: rollout?.isJudged ?? false,
    watch: rollout?.watch ?? { timeMs: 0, holdbackPercent: 0 },
    baseline: rollout?.baseline ?? null,
    judged: deployment.judged,
    paused: deployment.paused,
    aborted: deployment.aborted,
    requestedAt,
    shiftedAt,
    finishedAt: finished?.at ?? null,
    outcome: finished?.outcome ?? null,
    detail: finished?.detail ?? null,
  }
}

const noRollout = (rollout: string): Problem =>
  new Problem({
    kind: 'rollout-not-found',
    status: 404,
    detail: `there is no rollout ${rollout}`,
    next: 'headway deployments lists them',
  })
