import { z } from 'zod'
import { Annotation, Conclusion, Failure } from '../facts.ts'
import type { JobOrder } from '../jobs/job.ts'
import type { JobResult } from '../jobs/result.ts'

/** A job's end as a runner reports it. */
export const ResultBody: z.ZodType<JobResult> = z.object({
  conclusion: Conclusion,
  outputs: z.record(z.string(), z.string()),
  steps: z.array(
    z.object({
      name: z.string(),
      outcome: Conclusion,
      conclusion: Conclusion,
      exitCode: z.number().int().nullable(),
      durationMs: z.number(),
    }),
  ),
  failure: Failure.nullable(),
  annotations: z.array(Annotation).max(50),
  summary: z.string().max(1024 * 1024),
  reports: z.array(
    z.object({
      path: z.string(),
      format: z.enum(['junit', 'tap', 'go-test', 'lcov', 'cobertura', 'k6']),
      text: z.string(),
    }),
  ),
  environmentUrl: z.string().nullable(),
})

/** What a runner says of a job that it was given. */
export const HeldJob = z.object({
  /** The lease's fencing token. */
  fence: z.number().int(),
  /** More of its log, whole lines, from this byte on. */
  log: z.object({ offset: z.number().int().min(0), text: z.string() }).nullable(),
  /** How it ended; only once all of its log has been taken. */
  result: ResultBody.nullable(),
  /** It will not go on at this runner, for this reason: nothing of it runs there any more. */
  interrupted: z.string().nullable(),
})
export type HeldJob = z.infer<typeof HeldJob>

/** What a runner sends, again and again, never two at once. */
export const ExchangeRequest = z
  .object({
    /** One life of the runner's process. */
    session: z.string().regex(/^[A-Za-z0-9-]{1,80}$/),
    /** Counts up from 1 within the session. */
    turn: z.number().int().min(1),
    /** The program's version; the server's own is asked for, as a job is sent as that has it in memory. */
    version: z.string(),
    labels: z.array(z.string()).max(50),
    /** How many jobs it runs at the same time, and how many more it would take now. */
    parallel: z.number().int().min(1).max(1024),
    free: z.number().int().min(0).max(1024),
    /** Every job that it has and was not told to forget or stop. */
    jobs: z.array(HeldJob).max(1024),
    /** It has more to say at once: the server does not wait for news. */
    isHurried: z.boolean(),
    /** It ends, having nothing more to say. */
    isFarewell: z.boolean(),
  })
  .meta({ id: 'RunnerExchange' })
export type ExchangeRequest = z.infer<typeof ExchangeRequest>

/** A job as it is sent: plain data, as one program made it and the same one reads it at the other end. */
const OrderBody = z
  .custom<JobOrder>(
    (value) =>
      z.object({ key: z.string(), name: z.string(), job: z.object({}), source: z.object({}) }).safeParse(value).success,
  )
  .meta({ type: 'object' })

export const AssignedJob = z.object({
  fence: z.number().int(),
  order: OrderBody,
  /** The name by which the runner is registered. */
  runner: z.string(),
  /** What the server would have given the job's actions, and its token. */
  variables: z.record(z.string(), z.string()),
  token: z.string(),
  /** How the server calls itself in them. */
  serverUrl: z.string(),
})
export type AssignedJob = z.infer<typeof AssignedJob>

export const ExchangeAnswer = z
  .object({
    /** How long a lease lasts from when this exchange's request was sent, and how long before its end a job is to be killed. */
    leaseMs: z.number(),
    killMarginMs: z.number(),
    assigned: z.array(AssignedJob),
    jobs: z.array(
      z.object({
        fence: z.number().int(),
        verdict: z.enum(['goes on', 'cancel', 'stop', 'forget']),
        /** Whether it is recorded as begun: only then may its first step be started. */
        isBegun: z.boolean(),
        /** How many bytes of its log the server has. */
        logBytes: z.number().int(),
      }),
    ),
  })
  .meta({ id: 'RunnerExchangeAnswer' })
export type ExchangeAnswer = z.infer<typeof ExchangeAnswer>

/** A runner on another machine and what is known of it. Times in milliseconds since 1970. */
export const RunnerBody = z
  .object({
    runner: z.string(),
    name: z.string(),
    /** Those that jobs are matched with; null: it has not been heard since Headway was started. */
    labels: z.array(z.string()).nullable(),
    project: z.string().nullable(),
    state: z.enum(['online', 'offline', 'revoked']),
    /** How many jobs it has, and how many it would run at the same time. */
    jobs: z.number().int(),
    parallel: z.number().int(),
    seenAt: z.number().nullable(),
    registeredAt: z.number().nullable(),
  })
  .meta({ id: 'Runner' })
export type RunnerBody = z.infer<typeof RunnerBody>

/** A job that has no runner yet. */
export const WaitingJob = z.object({
  run: z.string(),
  job: z.string(),
  name: z.string(),
  labels: z.array(z.string()),
  since: z.number(),
  /** Why it waits, for people. */
  why: z.string(),
  /** Nothing that runs now would ever take it. */
  isStuck: z.boolean(),
})
export type WaitingJob = z.infer<typeof WaitingJob>
