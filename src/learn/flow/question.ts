import type { Kysely } from 'kysely'
import { type BucketName, bucketsOf, type Span } from '../dora/calendar.ts'
import { type Distribution, distributionOf } from '../dora/quantile.ts'
import { lanesOf, placeIn, type Scope } from '../dora/question.ts'
import type { DoraTables } from '../tables.ts'
import { countOpen, openBetween, type Progress, progressAt } from './progress.ts'
import { type Rhythm, rhythmOf } from './rhythm.ts'
import { type Bottleneck, bottleneckOf, type Changed, changedMost, type Stream, streamOf } from './value-stream.ts'
import { type Delivered, deliveredIn } from './ways.ts'

export type FlowQuestion = Scope & { readonly span: Span; readonly bucket: BucketName; readonly zone: string }

/** How much a deployment brings; of those of which it is known. */
export type Batch = { readonly commits: Distribution; readonly lines: Distribution }

export type FlowAnswer = {
  readonly scope: Scope
  /** How many services it blends; 1: none. */
  readonly services: number
  readonly span: Span
  readonly bucket: BucketName
  readonly zone: string
  /** What went live in the span. */
  readonly now: Stream
  /** The same for the span of the same length before it. */
  readonly before: Stream
  readonly bottleneck: Bottleneck | null
  /** What the same stage cost a week before; null where there is no bottleneck. */
  readonly bottleneckBefore: number | null
  readonly changed: Changed | null
  readonly batch: Batch
  readonly batchBefore: Batch
  /** At the end of the span, or now where that is earlier. */
  readonly progress: Progress
  readonly rhythm: Rhythm
  readonly buckets: readonly FlowBucket[]
}

export type FlowBucket = {
  readonly span: Span
  readonly changes: number
  readonly total: Distribution
  readonly activeMs: number
  readonly waitingMs: number
  /** Open at its end. */
  readonly open: number
  readonly batchCommits: number | null
}

/** Where the time of changes goes, for what the views hold now. */
export const answerFlow = async (db: Kysely<DoraTables>, question: FlowQuestion, now: number): Promise<FlowAnswer> => {
  const { project, services, environment, span, bucket, zone } = question
  const spans = bucketsOf(span, bucket, zone)
  const lanes = await lanesOf(db, question)
  const earlier = { from: Math.max(0, 2 * span.from - span.until), until: span.from }
  const at = Math.min(span.until, now)
  const moments = spans.map(({ until }) => Math.min(until, now))
  const [delivered, deliveredBefore, batches, proposed, rhythm] = await Promise.all([
    deliveredIn(db, lanes, span),
    deliveredIn(db, lanes, earlier),
    batchesIn(db, lanes, { from: earlier.from, until: span.until }),
    openBetween(db, project, { from: moments[0] ?? at, until: at }),
    rhythmOf(db, lanes, span, zone),
  ])
  const stream = streamOf(waysOf(delivered), span)
  const before = streamOf(waysOf(deliveredBefore), earlier)
  const bottleneck = bottleneckOf(stream)
  const was = before.stages.find(({ stage }) => stage === bottleneck?.stage)
  const open = countOpen(proposed, moments)
  const deliveredBy = grouped(delivered, spans, ({ liveAt }) => liveAt)
  const deployedBy = grouped(
    batches.filter(({ live_at }) => isIn(live_at ?? -1, span)),
    spans,
    ({ live_at }) => live_at ?? 0,
  )
  return {
    scope: { project, services: [...services], environment },
    services: lanes.length,
    ...{ span, bucket, zone, now: stream, before, bottleneck },
    bottleneckBefore: bottleneck === null ? null : (was?.perWeekMs ?? 0),
    changed: changedMost(before, stream),
    batch: batchOf(batches, span),
    batchBefore: batchOf(batches, earlier),
    progress: await progressAt(db, question, proposed, at),
    rhythm,
    buckets: spans.map((one, place) => {
      const own = streamOf(waysOf(deliveredBy[place] ?? []), one)
      return {
        ...{ span: one, changes: own.changes, total: own.total, activeMs: own.activeMs, waitingMs: own.waitingMs },
        ...{ open: open[place] ?? 0, batchCommits: batchOf(deployedBy[place] ?? [], one).commits.median },
      }
    }),
  }
}

const waysOf = (delivered: readonly Delivered[]) => delivered.map(({ way }) => way)
const isIn = (at: number, { from, until }: Span): boolean => from <= at && at < until

const grouped = <One>(all: readonly One[], spans: readonly Span[], momentOf: (one: One) => number): One[][] => {
  const groups: One[][] = spans.map(() => [])
  for (const one of all) groups[placeIn(spans, momentOf(one))]?.push(one)
  return groups
}

type Deployed = { readonly live_at: number | null; readonly commits: number; readonly lines: number | null }

/** What the deployments of a span have brought, to measure batches by. */
export const batchesIn = async (
  db: Kysely<DoraTables>,
  lanes: readonly number[],
  { from, until }: Span,
): Promise<Deployed[]> =>
  lanes.length === 0
    ? []
    : db
        .selectFrom('learn_deployments')
        .select(['live_at', 'commits', 'lines'])
        .where('lane', 'in', [...lanes])
        .where('counted', '=', 1)
        .where('live_at', '>=', from)
        .where('live_at', '<', until)
        .execute()

/** A deployment of which no commits are known (the first, a configuration, one from elsewhere) has no size. */
export const batchOf = (deployed: readonly Deployed[], span: Span): Batch => {
  const own = deployed.filter(({ live_at }) => isIn(live_at ?? -1, span))
  return {
    commits: distributionOf(own.flatMap(({ commits }) => (commits > 0 ? [commits] : []))),
    lines: distributionOf(own.flatMap(({ lines }) => (lines === null ? [] : [lines]))),
  }
}
