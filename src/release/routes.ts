import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type ApiEnv, json, route } from '../api/route.ts'
import { JudgeNumbers, JudgePlan, Verdict } from '../deploy/judging.ts'
import { Digest, ProjectName } from '../names.ts'
import { Problem } from '../problem.ts'
import { EvidenceDocument } from './document.ts'
import type { Release } from './index.ts'

const judgement = { verdict: Verdict, reason: z.string(), numbers: JudgeNumbers }
const counted = z.object({ requests: z.number(), errors: z.number() })

const Shown = z.object({
  requests: z.number(),
  errors: z.number(),
  restarts: z.number(),
  /** The share of errors lies between these, with 97.5 % confidence however often one looks. */
  errorRate: z.object({ from: z.number(), until: z.number() }),
  /** Null where no upper bound is known. */
  latency: z.array(z.object({ quantile: z.number(), fromMs: z.number(), untilMs: z.number().nullable() })),
})

const WhyBody = z
  .object({
    rollout: z.string(),
    project: z.string(),
    service: z.string(),
    environment: z.string(),
    plan: JudgePlan,
    verdicts: z.array(
      z.object({
        ...judgement,
        seq: z.number(),
        at: z.number(),
        step: z.number(),
        evidence: z.string().nullable(),
        recomputed: z.object({
          /** `agrees`: to the last digit. `gone`: the evidence is not kept any more, or was altered. `none`: there was none. */
          kind: z.enum(['agrees', 'differs', 'gone', 'none']),
          judgement: z.object(judgement).nullable(),
        }),
      }),
    ),
    /** `alpha`: of the chance to stop a release that is no worse, the part that this judging has. */
    now: z.object({ ...judgement, alpha: z.number(), baseline: Shown, canary: Shown }).nullable(),
    /** Latency where it is judged by itself, beside fresh instances of the old version. */
    latency: z.object({ ...judgement, alpha: z.number() }).nullable(),
    /** Sums since the judging began; `lnE` is the natural logarithm of the evidence against the new version. */
    series: z.array(z.object({ at: z.number(), baseline: counted, canary: counted, lnE: z.number() })),
  })
  .meta({ id: 'Why' })

const EvidenceBody = EvidenceDocument.meta({ id: 'Evidence' })
const rollout = z.string().min(1).max(200)

/** Why rollouts went as they did. */
export const releaseRoutes = (release: Release) =>
  new OpenAPIHono<ApiEnv>()
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/rollouts/{rollout}/why',
          request: {
            params: z.object({ project: ProjectName, rollout }),
            query: z.object({ points: z.coerce.number().int().min(2).max(5000).default(300) }),
          },
          responses: { 200: json(WhyBody, 'Each verdict with its numbers, recomputed from its evidence.') },
        },
      ),
      async (context) => {
        const { project, rollout: name } = context.req.valid('param')
        const why = await release.explain(name, context.req.valid('query').points)
        if (why?.project !== project) throw noRollout(name)
        return context.json(WhyBody.parse(why), 200)
      },
    )
    .openapi(
      route(
        { role: 'viewer', in: 'project' },
        {
          method: 'get',
          path: '/projects/{project}/rollouts/{rollout}/evidence/{digest}',
          request: { params: z.object({ project: ProjectName, rollout, digest: Digest }) },
          responses: { 200: json(EvidenceBody, 'What a verdict was made from, batch by batch.') },
        },
      ),
      async (context) => {
        const { project, rollout: name, digest } = context.req.valid('param')
        const evidence = (await release.projectOf(name)) === project ? await release.evidence(name, digest) : null
        if (!evidence) throw noEvidence(name, digest)
        return context.json(evidence, 200)
      },
    )

const noRollout = (name: string): Problem =>
  new Problem({
    kind: 'rollout-not-found',
    status: 404,
    detail: `there is no rollout ${name}`,
    next: 'headway deployments --json lists deployments; a rollout has the name of its deployment',
  })

const noEvidence = (name: string, digest: string): Problem =>
  new Problem({
    kind: 'evidence-not-found',
    status: 404,
    detail: `no evidence ${digest} of the rollout ${name} is kept; it is kept for 400 days`,
    next: `headway rollout why ${name} names what its verdicts were made from`,
  })
