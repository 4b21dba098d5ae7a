import { z } from '@hono/zod-openapi'
import { defineFact } from '../ledger/fact.ts'
import { CommitId, Digest, ProjectName, RepositoryName } from '../names.ts'

export const Conclusion = z.enum(['success', 'failure', 'cancelled', 'skipped'])
export type Conclusion = z.infer<typeof Conclusion>

const source = { push: z.string(), project: ProjectName, repository: RepositoryName, ref: z.string(), commit: CommitId }

/** What a person needs to see of a failure without opening the log. */
export const Failure = z.object({
  job: z.string().nullable(),
  step: z.string().nullable(),
  command: z.string().nullable(),
  exitCode: z.number().int().nullable(),
  detail: z.string(),
  lastLines: z.array(z.string()),
  where: z
    .object({ file: z.string().optional(), line: z.number().optional(), column: z.number().optional() })
    .nullable(),
})
export type Failure = z.infer<typeof Failure>

/** Something that a step or a problem matcher said about a place in the code, or about the job. Lines and columns count from 1. */
export const Annotation = z.object({
  level: z.enum(['notice', 'warning', 'failure']),
  message: z.string(),
  title: z.string().nullable(),
  /** From the repository's root. */
  file: z.string().nullable(),
  line: z.number().int().nullable(),
  endLine: z.number().int().nullable(),
  column: z.number().int().nullable(),
  endColumn: z.number().int().nullable(),
  step: z.string(),
})
export type Annotation = z.infer<typeof Annotation>

/** Subject of run facts: `run:<id>`. `workflow` is the file's path, or null for the generated one. */
export const runQueued = defineFact(
  'run.queued',
  1,
  z.object({ run: z.string(), ...source, workflow: z.string().nullable(), name: z.string() }),
)
export const runStarted = defineFact('run.started', 1, z.object({ run: z.string(), isolation: z.string() }))
export const jobStarted = defineFact('job.started', 1, z.object({ run: z.string(), job: z.string(), name: z.string() }))
export const jobFinished = defineFact(
  'job.finished',
  1,
  z.object({
    run: z.string(),
    job: z.string(),
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
    /** Why it did not succeed; also there when `continue-on-error` made a success of it. */
    failure: Failure.nullable().optional(),
    /** At most 50. */
    annotations: z.array(Annotation).optional(),
    /** Of the job's summary, which is in the run's directory; null where there is none. */
    summary: Digest.nullable().optional(),
  }),
)
export const runFinished = defineFact(
  'run.finished',
  1,
  z.object({ run: z.string(), conclusion: Conclusion, failure: Failure.nullable() }),
)

/** Somebody asked for it to end; also a run that is started over after a crash obeys. */
export const runCancelRequested = defineFact('run.cancel-requested', 1, z.object({ run: z.string() }))

/** All the runs of one pushed commit have ended. Only what concluded with success becomes a release. Subject `push:<id>`. */
export const pushVerified = defineFact(
  'push.verified',
  1,
  z.object({
    ...source,
    conclusion: Conclusion,
    runs: z.array(z.string()),
    failure: Failure.nullable(),
    /** What was left out and why: workflows that this push does not start. */
    notes: z.array(z.string()).optional(),
  }),
)

export const buildFacts = [
  runQueued,
  runStarted,
  jobStarted,
  jobFinished,
  runFinished,
  runCancelRequested,
  pushVerified,
] as const
