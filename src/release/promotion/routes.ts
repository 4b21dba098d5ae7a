import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, route } from '../../api/route.ts'
import { EnvironmentName, ProjectName, ServiceName } from '../../names.ts'
import { describeProblem } from '../../problem.ts'
import type { EnvironmentState } from './environments.ts'
import type { PromotionStage } from './index.ts'
import type { Asking, Promotion } from './promotion.ts'

const PromotionBody = z
  .object({
    promotion: z.string(),
    project: z.string(),
    service: z.string(),
    environment: z.string(),
    release: z.string(),
    commit: z.string(),
    /** `push`, `git`, or the environment that it comes from. */
    from: z.string(),
    push: z.string().nullable(),
    authors: z.array(z.string()),
    requestedBy: z.string(),
    requestedAt: z.number(),
    approvals: z.array(z.object({ user: z.string(), role: z.string(), at: z.number() })),
    /** Whom it waits for, until when, and why the approval of whoever asks would not count (null: it would); null: for nobody. */
    asking: z
      .object({ role: z.string(), quorum: z.number(), until: z.number(), refusal: z.string().nullable() })
      .nullable(),
    /** Why it does not go yet, and when that may change; null when it has ended. */
    held: z.object({ why: z.string(), detail: z.string(), until: z.number().nullable() }).nullable(),
    /** Null while it is open. */
    outcome: z.enum(['granted', 'rejected', 'expired', 'superseded', 'withdrawn']).nullable(),
    detail: z.string().nullable(),
    endedAt: z.number().nullable(),
    deployment: z.string().nullable(),
  })
  .meta({ id: 'Promotion' })

const EnvironmentBody = z
  .object({
    environment: z.string(),
    from: z.string(),
    policy: z.enum(['automatic', 'soak', 'approval']),
    soakMs: z.number(),
    approval: z.object({ role: z.string(), quorum: z.number(), expiresMs: z.number(), notAuthor: z.boolean() }),
    requires: z.array(z.string()),
    strategy: z.string().nullable(),
    drift: z.enum(['mend', 'report']),
    /** When deployments may begin, in a time zone; none: always. */
    windows: z.array(z.object({ days: z.array(z.string()), from: z.string(), to: z.string(), timezone: z.string() })),
    /** Freezes known beforehand. */
    freezes: z.array(z.object({ from: z.number(), until: z.number(), reason: z.string() })),
    /** The one that somebody has ordered, which can be lifted. */
    frozen: z.object({ reason: z.string(), by: z.string(), until: z.number().nullable() }).nullable(),
    /** Whether something new may be deployed there now; else why not. */
    isOpen: z.boolean(),
    /** Where files of the environments repository are broken, so that what held before holds; a line for each, null: they are not. */
    broken: z.string().nullable(),
    closed: z
      .object({ why: z.enum(['freeze', 'window']), detail: z.string(), until: z.number().nullable() })
      .nullable(),
  })
  .meta({ id: 'Environment' })

const inProject = z.object({ project: ProjectName })
const ofService = inProject.extend({ service: ServiceName })
const ofPromotion = inProject.extend({ promotion: z.string().regex(/^promotion-[0-9a-f]{1,64}$/) })
const ofEnvironment = inProject.extend({ environment: EnvironmentName })
const body = <Schema extends z.ZodType>(schema: Schema) => ({ content: { 'application/json': { schema } } })
const limit = z.coerce.number().int().min(1).max(1000).default(50)
const reason = z.string().trim().min(1).max(500)

/** Environments and what is on its way into them. */
export const promotionRoutes = (promotion: PromotionStage) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/environments',
          request: { params: inProject },
          responses: { 200: json(z.array(EnvironmentBody), 'In order of promotion.') },
        },
      ),
      async (context) => {
        const found = await promotion.environments(context.req.valid('param').project)
        return context.json(environmentBodies(promotion, found), 200)
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/promotions',
          request: {
            params: inProject,
            query: z.object({ service: ServiceName.optional(), open: z.enum(['true', 'false']).optional(), limit }),
          },
          responses: {
            200: json(z.array(PromotionBody), 'Newest first; with open=true only those that have not ended.'),
          },
        },
      ),
      async (context) => {
        const { open, ...query } = context.req.valid('query')
        const found = await promotion.list(context.req.valid('param').project, query)
        const wanted = found.filter(({ ended }) => open !== 'true' || ended === null)
        return context.json(
          wanted.map((one) => promotionBody(one, promotion.asking(one, context.get('identity')))),
          200,
        )
      },
    )
    .openapi(
      route(
        { role: 'developer', in: 'project' },
        {
          method: 'post',
          path: '/projects/{project}/services/{service}/promotions',
          request: { params: ofService, body: body(z.object({ to: EnvironmentName, release: z.string().optional() })) },
          responses: { 200: json(PromotionBody, 'The promotion, which goes as soon as the policy lets it.') },
        },
      ),
      async (context) => {
        const { to, release = null } = context.req.valid('json')
        const identity = context.get('identity')
        const asked = await promotion.promote(context.req.valid('param'), { to, release, by: identity.actor })
        return context.json(promotionBody(asked, promotion.asking(asked, identity)), 200)
      },
    )
    .openapi(
      route(
        { role: 'developer', in: 'project' },
        {
          method: 'post',
          path: '/projects/{project}/promotions/{promotion}/approvals',
          request: { params: ofPromotion },
          responses: { 200: json(PromotionBody, 'With the approval; a refused one is recorded as well.') },
        },
      ),
      async (context) => {
        const { project, promotion: id } = context.req.valid('param')
        const identity = context.get('identity')
        const approved = await promotion.approve(project, id, identity)
        return context.json(promotionBody(approved, promotion.asking(approved, identity)), 200)
      },
    )
    .openapi(
      route(
        { role: 'developer', in: 'project' },
        {
          method: 'post',
          path: '/projects/{project}/promotions/{promotion}/rejection',
          request: { params: ofPromotion, body: body(z.object({ reason })) },
          responses: { 200: json(PromotionBody, 'It goes nowhere any more.') },
        },
      ),
      async (context) => {
        const { project, promotion: id } = context.req.valid('param')
        const { actor } = context.get('identity')
        const rejected = await promotion.reject(project, id, context.req.valid('json').reason, actor)
        return context.json(promotionBody(rejected, null), 200)
      },
    )
    .openapi(
      route(
        { role: 'operator', in: 'project' },
        {
          method: 'put',
          path: '/projects/{project}/environments/{environment}/freeze',
          request: {
            params: ofEnvironment,
            body: body(z.object({ reason, until: z.number().int().nullable().default(null) })),
          },
          responses: { 200: json(z.array(EnvironmentBody), 'Nothing new of the project is deployed there.') },
        },
      ),
      async (context) => {
        const { project, environment } = context.req.valid('param')
        await promotion.freeze(project, environment, context.req.valid('json'), context.get('identity').actor)
        return context.json(environmentBodies(promotion, await promotion.environments(project)), 200)
      },
    )
    .openapi(
      route(
        { role: 'operator', in: 'project' },
        {
          method: 'delete',
          path: '/projects/{project}/environments/{environment}/freeze',
          request: { params: ofEnvironment, query: z.object({ reason: reason.default('lifted') }) },
          responses: { 200: json(z.array(EnvironmentBody), 'What was held goes on.') },
        },
      ),
      async (context) => {
        const { project, environment } = context.req.valid('param')
        const { actor } = context.get('identity')
        await promotion.unfreeze(project, environment, context.req.valid('query').reason, actor)
        return context.json(environmentBodies(promotion, await promotion.environments(project)), 200)
      },
    )

const promotionBody = (
  { id, target, ended, held, ...promotion }: Promotion,
  asking: Asking | null,
): z.infer<typeof PromotionBody> => ({
  promotion: id,
  ...target,
  release: promotion.release,
  commit: promotion.commit,
  from: promotion.from,
  push: promotion.push,
  authors: [...promotion.authors],
  requestedBy: promotion.requestedBy,
  requestedAt: promotion.askedAt,
  approvals: promotion.approvals.map((one) => ({ ...one })),
  asking,
  held,
  outcome: ended?.outcome ?? null,
  detail: ended?.detail ?? null,
  endedAt: ended?.at ?? null,
  deployment: ended?.deployment ?? null,
})

const environmentBodies = (promotion: PromotionStage, found: readonly EnvironmentState[]) => {
  const problems = promotion.broken().map(({ kind, status, detail, where, next }) => {
    const hint = /^did you mean [^?]+\?/.exec(next ?? '')?.[0]
    return describeProblem({ kind, status, detail: hint ? `${detail}, ${hint}` : detail, ...(where ? { where } : {}) })
  })
  const broken = problems.length > 0 ? problems.join('\n') : null
  return found.map((one) => environmentBody(one, broken))
}

const environmentBody = (
  { name, promote, opening, freezeOrder, ...one }: EnvironmentState,
  broken: string | null,
): z.infer<typeof EnvironmentBody> => ({
  environment: name,
  from: promote.from,
  policy: promote.policy,
  soakMs: promote.soak,
  approval: {
    role: promote.approval.role,
    quorum: promote.approval.quorum,
    expiresMs: promote.approval.expires,
    notAuthor: promote.approval.notAuthor,
  },
  requires: [...one.requires],
  strategy: one.strategy,
  drift: one.drift,
  windows: one.windows.map(({ days, ...window }) => ({ ...window, days: [...days] })),
  freezes: one.freeze.map((freeze) => ({ ...freeze })),
  broken,
  frozen: freezeOrder,
  isOpen: opening.kind === 'open',
  closed: opening.kind === 'open' ? null : { why: opening.kind, detail: opening.detail, until: opening.until },
})
