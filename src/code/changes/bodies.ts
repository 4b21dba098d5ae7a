import { z } from '@hono/zod-openapi'
import { Conclusion, Failure } from '../../build/facts.ts'
import type { Change } from './change.ts'
import { CommentPlace } from './facts.ts'
import type { ChangeDetails } from './index.ts'
import type { Queue } from './queues.ts'
import { MergeMethod, Rules } from './rules.ts'

const time = z.number()
const CheckBody = z.object({
  run: z.string(),
  /** Null: the whole run. */
  job: z.string().nullable(),
  name: z.string(),
  status: z.enum(['queued', 'running', 'finished']),
  conclusion: Conclusion.nullable(),
  startedAt: time.nullable(),
  finishedAt: time.nullable(),
})

/** As it is listed; times in milliseconds since 1970. */
export const ChangeBody = z
  .object({
    project: z.string(),
    repository: z.string(),
    number: z.number().int(),
    status: z.enum(['open', 'merged', 'abandoned']),
    /** Null where it was erased. */
    title: z.string().nullable(),
    body: z.string().nullable(),
    branch: z.string(),
    target: z.string(),
    author: z.string(),
    version: z.number().int(),
    head: z.string(),
    openedAt: time,
    updatedAt: time,
    isQueued: z.boolean(),
    /** How its newest test has gone; null while it runs, or before there is one. */
    conclusion: Conclusion.nullable(),
    /** Why it left the queue, or was abandoned. */
    note: z.string().nullable(),
  })
  .meta({ id: 'Change' })

const VersionBody = z.object({
  version: z.number().int(),
  head: z.string(),
  base: z.string().nullable(),
  user: z.string().nullable(),
  at: time,
})

export const ChangeDetailsBody = ChangeBody.extend({
  url: z.string(),
  versions: z.array(VersionBody),
  approvals: z.array(z.object({ user: z.string(), version: z.number().int(), at: time })),
  /** Those whose approval counts. */
  approvers: z.array(z.string()),
  /** The newest test of what would be merged. */
  test: z
    .object({
      event: z.string(),
      version: z.number().int(),
      base: z.string(),
      candidate: z.string(),
      method: MergeMethod,
      purpose: z.enum(['change', 'queue']),
      checks: z.array(CheckBody),
      conclusion: Conclusion.nullable(),
      failure: Failure.nullable(),
      notes: z.array(z.string()),
    })
    .nullable(),
  conflict: z.object({ base: z.string(), files: z.array(z.string()), detail: z.string() }).nullable(),
  /** What stands between it and its merge. */
  blockers: z.array(z.object({ kind: z.string(), detail: z.string() })),
  /** Who wants it merged as soon as nothing stands in the way. */
  wish: z.object({ user: z.string(), version: z.number().int(), mends: z.boolean(), at: time }).nullable(),
  /** Its place in the queue, from 1. */
  place: z.number().int().nullable(),
  merged: z
    .object({
      before: z.string().nullable(),
      after: z.string(),
      method: z.enum([...MergeMethod.options, 'push']),
      user: z.string().nullable(),
      at: time,
    })
    .nullable(),
  reverts: z.object({ before: z.string(), after: z.string(), number: z.number().int().nullable() }).nullable(),
  rules: Rules,
  comments: z.array(
    z.object({
      comment: z.string(),
      user: z.string(),
      version: z.number().int(),
      at: time,
      body: z.string(),
      place: CommentPlace.nullable(),
    }),
  ),
}).meta({ id: 'ChangeDetails' })

export const DifferenceBody = z
  .object({
    files: z.array(
      z.object({
        path: z.string(),
        previous: z.string().nullable(),
        status: z.enum(['added', 'deleted', 'modified', 'renamed', 'type changed']),
        additions: z.number().int().nullable(),
        deletions: z.number().int().nullable(),
      }),
    ),
    areMore: z.boolean(),
    /** Null where it is larger than 1 MiB: ask for single files. */
    text: z.string().nullable(),
  })
  .meta({ id: 'Difference' })

export const QueueBody = z
  .object({
    repository: z.string(),
    target: z.string(),
    /** Nothing lands until the branch is green again. */
    isHeld: z.boolean(),
    /** The first one lands first; `by` and `since`: who asked for the merge, and when. */
    queued: z.array(
      ChangeBody.extend({
        by: z.string().nullable(),
        since: time.nullable(),
        /**
         * `making` its merge result, `testing` it, `ready` (those before it land first), `landing`, `failed` (behind one that has not
         * passed yet), `conflict` (with what lands before it), `leaving`, `waiting` for its turn to be tested.
         */
        standing: z.object({
          kind: z.enum(['making', 'testing', 'ready', 'landing', 'failed', 'conflict', 'leaving', 'waiting']),
          detail: z.string().nullable(),
        }),
        /** The runs that test it there. */
        checks: z.array(CheckBody),
      }),
    ),
    /** Asked to be merged, and kept from the queue by something. */
    asked: z.array(ChangeBody.extend({ blockers: z.array(z.object({ kind: z.string(), detail: z.string() })) })),
    /** Open ones that were put out or taken out; `note` says why. */
    left: z.array(ChangeBody),
  })
  .meta({ id: 'MergeQueue' })

export const summaryOf = (change: Change): z.infer<typeof ChangeBody> =>
  ChangeBody.parse({ ...change, isQueued: change.queuedSeq !== null, conclusion: change.test?.conclusion ?? null })

export const queueBodyOf = ({ queued, asked, left, ...rest }: Queue): z.infer<typeof QueueBody> => ({
  ...rest,
  queued: queued.map((change) => ({
    ...summaryOf(change),
    by: change.wish?.user ?? null,
    since: change.wish?.at ?? null,
    standing: change.standing,
    checks: change.test?.purpose === 'queue' ? change.test.checks.map((check) => CheckBody.parse(check)) : [],
  })),
  asked: asked.map((change) => ({ ...summaryOf(change), blockers: [...change.blockers] })),
  left: left.map(summaryOf),
})

/** What a reader gets of it; the schema leaves out what is Headway's own. */
export const bodyOf = (change: ChangeDetails): z.infer<typeof ChangeDetailsBody> =>
  ChangeDetailsBody.parse({
    ...change,
    isQueued: change.queuedSeq !== null,
    conclusion: change.test?.conclusion ?? null,
  })
