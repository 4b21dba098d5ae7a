import { z } from 'zod'
import { bucketNames } from './dora/calendar.ts'

const Figure = z.number().nullable()
const Distribution = z.object({ median: Figure, p90: Figure, n: z.number().int() })
const Span = z.object({ from: z.number(), until: z.number() })

const Figures = z
  .object({
    deployments: z.object({ n: z.number().int(), perDay: Figure }),
    leadTime: Distribution.extend({
      dropped: z.object({
        first: z.number().int(),
        merge: z.number().int(),
        negative: z.number().int(),
        unknown: z.number().int(),
        again: z.number().int(),
      }),
    }),
    changeFailRate: z.object({
      value: Figure,
      failed: z.number().int(),
      n: z.number().int(),
      pending: z.number().int(),
      suspected: z.number().int(),
    }),
    recovery: Distribution.extend({ open: z.number().int(), dropped: z.object({ negative: z.number().int() }) }),
    rework: z.object({ value: Figure, unplanned: z.number().int(), n: z.number().int() }),
  })
  .meta({ id: 'DoraFigures' })

const Level = z
  .object({ level: z.enum(['elite', 'high', 'medium', 'low']), year: z.number().int(), source: z.string() })
  .nullable()

/** Times are milliseconds; a figure without data is null. */
export const DoraBody = z
  .object({
    scope: z.object({ project: z.string().nullable(), services: z.array(z.string()), environment: z.string() }),
    /** More than 1: a blend. */
    services: z.number().int(),
    span: Span,
    bucket: z.enum(bucketNames),
    zone: z.string(),
    relativeError: z.number(),
    total: Figures,
    perDay: Distribution,
    levels: z.object({ leadTime: Level, deployments: Level, changeFailRate: Level, recovery: Level }),
    quickCheck: z.object({
      leadTime: Figure,
      deployments: Figure,
      changeFailRate: Figure,
      recovery: Figure,
      rework: Figure,
    }),
    buckets: z.array(z.object({ span: Span, figures: Figures })),
  })
  .meta({ id: 'Dora' })

/** What a deployment brought where: by the commit that its release was made of, where Headway has made it. */
const Version = z
  .object({
    service: z.string(),
    environment: z.string(),
    revision: z.string().nullable().describe("The digest of Headway's own release, or what another system calls it."),
    commit: z
      .string()
      .nullable()
      .describe('The commit that the release was made of; null where only `revision` is known.'),
  })
  .meta({ id: 'DeployedVersion' })
const named = { version: Version.nullable().describe('What `deployment` brought where.') }

const FailedHow = z.enum(['said', 'rollback', 'revert', 'hotfix', 'suspected']).nullable()

export const LearnedDeploymentBody = z
  .object({
    deployment: z.string(),
    project: z.string(),
    service: z.string(),
    environment: z.string(),
    source: z.string(),
    state: z.enum(['under-way', 'live', 'succeeded', 'failed', 'superseded', 'rolled-back']),
    kind: z.enum(['planned', 'hotfix', 'rollback']),
    revision: Version.shape.revision,
    commit: Version.shape.commit,
    liveAt: Figure,
    isPending: z.boolean(),
    isFailure: z.boolean(),
    how: FailedHow,
    isRework: z.boolean(),
    restoredAt: Figure,
    recoveryMs: Figure,
    lines: Figure,
    commitCount: z.number().int(),
    leadTime: Distribution,
    dropped: z.object({
      first: z.number().int(),
      merge: z.number().int(),
      negative: z.number().int(),
      unknown: z.number().int(),
      again: z.number().int(),
    }),
  })
  .meta({ id: 'LearnedDeployment' })

const incident = {
  incident: z.string(),
  project: z.string(),
  service: z.string().nullable(),
  environment: z.string().nullable(),
  title: z.string(),
  source: z.string(),
  key: z.string().nullable(),
  beganAt: z.number(),
  detectedAt: z.number(),
  acknowledgedAt: Figure,
  mitigatedAt: Figure,
  resolvedAt: Figure,
  isDismissed: z.boolean(),
  how: FailedHow,
}

/** `deployment`: what it is put down to. */
export const IncidentBody = z
  .object({ ...incident, deployment: z.string().nullable(), ...named })
  .meta({ id: 'Incident' })

/** An incident with what became of it: when each was so, when it was told, and by whom. */
export const IncidentStoryBody = IncidentBody.extend({
  story: z.array(
    z.object({
      what: z.enum([
        'impact-started',
        'detected',
        'acknowledged',
        'mitigated',
        'resolved',
        'reopened',
        'dismissed',
        'attributed',
      ]),
      at: z.number(),
      toldAt: z.number(),
      by: z.string(),
      detail: z.string().nullable(),
      deployment: z.string().nullable(),
      ...named,
    }),
  ),
}).meta({ id: 'IncidentStory' })

const Link = z.object({ deployment: z.string(), how: FailedHow, ...named })
export const DeploymentDetailBody = LearnedDeploymentBody.extend({
  commits: z.array(
    z.object({
      commit: z.string(),
      repository: z.string(),
      committedAt: Figure,
      isMerge: z.boolean(),
      leadTimeMs: Figure,
    }),
  ),
  incidents: z.array(z.object(incident)),
  mends: z.array(Link),
  mendedBy: z.array(Link),
}).meta({ id: 'LearnedDeploymentDetail' })
