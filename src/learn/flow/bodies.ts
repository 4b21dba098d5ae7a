import { z } from 'zod'
import { bucketNames } from '../dora/calendar.ts'
import { moments, stageNames } from './stages.ts'

const Figure = z.number().nullable()
const Distribution = z.object({ median: Figure, p90: Figure, n: z.int() })
const Span = z.object({ from: z.number(), until: z.number() })
const Stage = z.enum(stageNames)
const list = <Item extends z.ZodType>(of: Item) => z.array(of).readonly()

const Stream = z
  .object({
    changes: z.int(),
    total: Distribution,
    stages: list(
      Distribution.extend({ stage: Stage, isWaiting: z.boolean(), sumMs: z.number(), perWeekMs: z.number() }),
    ),
    activeMs: z.number(),
    waitingMs: z.number(),
    efficiency: Figure,
    unordered: z.int(),
  })
  .meta({ id: 'FlowStream' })
const Batch = z.object({ commits: Distribution, lines: Distribution })

/** Times are milliseconds; a figure without data is null. */
export const FlowBody = z
  .object({
    scope: z.object({ project: z.string().nullable(), services: list(z.string()), environment: z.string() }),
    services: z.int(),
    span: Span,
    bucket: z.enum(bucketNames),
    zone: z.string(),
    now: Stream,
    /** The span of the same length before. */
    before: Stream,
    bottleneck: z.object({ stage: Stage, perWeekMs: z.number(), share: z.number() }).nullable(),
    bottleneckBefore: Figure,
    changed: z.object({ stage: Stage, before: z.number(), now: z.number() }).nullable(),
    batch: Batch,
    batchBefore: Batch,
    progress: z.object({
      open: z.int(),
      merged: z.int(),
      ages: Distribution,
      oldest: list(
        z.object({
          change: z.string(),
          repository: z.string(),
          number: z.int().nullable(),
          openedAt: z.number(),
          ageMs: z.number(),
          isReviewed: z.boolean(),
          isApproved: z.boolean(),
        }),
      ),
    }),
    rhythm: z.object({
      n: z.int(),
      /** Seven weekdays from Monday, each with its 24 hours. */
      byHour: list(list(z.int())),
      automatic: z.object({ value: Figure, automatic: z.int(), known: z.int() }),
      rollbacks: z.object({ machine: z.int(), hand: z.int(), unknown: z.int() }),
    }),
    buckets: list(
      z.object({
        span: Span,
        changes: z.int(),
        total: Distribution,
        activeMs: z.number(),
        waitingMs: z.number(),
        open: z.int(),
        batchCommits: Figure,
      }),
    ),
  })
  .meta({ id: 'Flow' })

export const DeliveredBody = z
  .object({
    change: z.string(),
    repository: z.string(),
    /** Null: it was pushed at once, or comes from elsewhere. */
    number: z.int().nullable(),
    kind: z.enum(['change', 'push']),
    service: z.string(),
    deployment: z.string(),
    liveAt: z.number(),
    totalMs: Figure,
    stages: list(z.object({ stage: Stage, from: z.number(), until: z.number() })),
    unordered: list(z.enum(moments)),
  })
  .meta({ id: 'DeliveredChange' })
