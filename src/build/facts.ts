import { z } from 'zod'
import { defineFact } from '../ledger/fact.ts'
import { CommitId, Digest, ProjectName, RepositoryName } from '../names.ts'
import { actionFacts } from './actions/facts.ts'
import { resultsFacts } from './results/facts.ts'
import { runnerFacts } from './runners/facts.ts'

export { jobKeptWaiting } from './runners/facts.ts'

export const Conclusion = z.enum(['success', 'failure', 'cancelled', 'skipped'])
export type Conclusion = z.infer<typeof Conclusion>

const at = { project: ProjectName, repository: RepositoryName, ref: z.string(), commit: CommitId }
const source = { push: z.string(), ...at }

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

/**
 * Something besides a push that starts workflows; anything in the product may append it. Subject `event:<id>`, the actor is who
 * caused it. It is answered by `workflow-event.concluded`.
 */
export const workflowEventRaised = defineFact(
  'workflow-event.raised',
  1,
  z.object({
    /** From `ids('event')`. */
    event: z.string(),
    /** As GitHub calls it: pull_request, workflow_dispatch, schedule, repository_dispatch, release, workflow_run. */
    name: z.string(),
    /** The activity type: opened, synchronize, completed. */
    action: z.string().nullable(),
    project: ProjectName,
    repository: RepositoryName,
    /** `github.ref`: refs/heads/main, refs/pull/7/merge. */
    ref: z.string(),
    /** `github.sha`: what is checked out, and where the workflows are read. */
    commit: CommitId,
    /** Of a pull_request: the names of the branches. */
    baseRef: z.string().nullable(),
    headRef: z.string().nullable(),
    /** Filters of paths look at what changed from here to the commit; null: they are not looked at. */
    changedSince: CommitId.nullable(),
    /** Only this file; null: every one that is for such events. */
    workflow: z.string().nullable(),
    inputs: z.record(z.string(), z.union([z.string(), z.boolean(), z.number()])),
    /** `github.event`. Holds no secret. */
    payload: z.record(z.string(), z.unknown()),
    /** False: its runs get no secrets, and a token that only reads. */
    isTrusted: z.boolean(),
  }),
)

/** How the note begins which says that a commit's message asked for no runs. */
export const skipNote = "the commit's message says"

/** All the runs that an event started have ended; said again when one of them was run again. Same subject. */
export const workflowEventConcluded = defineFact(
  'workflow-event.concluded',
  1,
  z.object({
    event: z.string(),
    project: ProjectName,
    repository: RepositoryName,
    commit: CommitId,
    conclusion: Conclusion,
    runs: z.array(
      z.object({ run: z.string(), workflow: z.string().nullable(), name: z.string(), conclusion: Conclusion }),
    ),
    failure: Failure.nullable(),
    /** What was left out and why. */
    notes: z.array(z.string()).optional(),
  }),
)

/** A concurrency group as evaluated; names are compared without regard to case, within a repository. */
export const Concurrency = z.object({
  group: z.string(),
  cancelInProgress: z.boolean(),
  /** How many may wait: only the newest, or all. */
  queue: z.enum(['single', 'max']),
})
export type Concurrency = z.infer<typeof Concurrency>

/**
 * Subject of run facts: `run:<id>`. `workflow` is the file's path, or null for the generated one. A run is of a push or of an
 * event, the other is null.
 */
export const runQueued = defineFact(
  'run.queued',
  2,
  z.object({
    run: z.string(),
    push: z.string().nullable(),
    event: z.string().nullable(),
    /** `github.event_name` */
    eventName: z.string(),
    ...at,
    workflow: z.string().nullable(),
    name: z.string(),
    /** `github.run_number`: counts the runs of a workflow of a repository from 1; 0 in runs older than this. */
    number: z.number().int().nonnegative(),
    concurrency: Concurrency.nullable(),
    isTrusted: z.boolean(),
    /** What it is about, for people: the evaluated `run-name`, else the first line of the commit's message. */
    title: z.string().optional(),
  }),
  {
    1: (old) => ({ ...asObject(old), event: null, eventName: 'push', number: 0, concurrency: null, isTrusted: true }),
  },
)
const asObject = (value: unknown): object => (typeof value === 'object' && value !== null ? value : {})

/** It is to run again; `attempt` counts from 2. With `failed` only what did not succeed and what needs that. */
export const runRerunRequested = defineFact(
  'run.rerun-requested',
  1,
  z.object({ run: z.string(), attempt: z.number().int().min(2), jobs: z.enum(['all', 'failed']) }),
)
export const runStarted = defineFact('run.started', 1, z.object({ run: z.string(), isolation: z.string() }))
/** The keys of the jobs of the run that had to be over first; of one with a matrix the key without a row's number. Left out: none. */
const needs = z.array(z.string()).optional()
export const jobStarted = defineFact(
  'job.started',
  1,
  z.object({ run: z.string(), job: z.string(), name: z.string(), needs }),
)
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
    /** Left out where it was started, which said so. */
    name: z.string().optional(),
    /** Left out as the name is. */
    needs,
    /** The attempt that this result is taken over from, as the job did not have to run again. */
    keptFrom: z.number().int().optional(),
    /** Of the job's summary, which is in the run's directory; null where there is none. */
    summary: Digest.nullable().optional(),
    /** What it was let into, and where that is reached, as the job says. */
    environment: z.object({ name: z.string(), url: z.string().nullable() }).optional(),
  }),
)
export const runFinished = defineFact(
  'run.finished',
  1,
  z.object({ run: z.string(), conclusion: Conclusion, failure: Failure.nullable() }),
)

/** Somebody asked for it to end; also a run that is started over after a crash obeys. `why` where it was Headway itself. */
export const runCancelRequested = defineFact(
  'run.cancel-requested',
  1,
  z.object({ run: z.string(), why: z.string().optional() }),
)

export const JobWait = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('concurrency'), ...Concurrency.shape }),
  z.object({ kind: z.literal('approval'), environment: z.string() }),
])

/** A job whose needs are met cannot start yet: another of its concurrency group runs, or its environment wants an approval. */
export const jobWaiting = defineFact(
  'job.waiting',
  1,
  z.object({
    run: z.string(),
    job: z.string(),
    name: z.string(),
    needs,
    wait: JobWait,
  }),
)

/** The actor said whether a job may use its environment. */
export const jobApprovalDecided = defineFact(
  'job.approval-decided',
  1,
  z.object({
    run: z.string(),
    job: z.string(),
    environment: z.string(),
    isApproved: z.boolean(),
    comment: z.string().nullable(),
  }),
)

/**
 * All the runs of one pushed commit have ended; said again when one of them was run again. Only what concluded with success
 * becomes a release. Subject `push:<id>`.
 */
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
    /** A newer push of the ref was there when a run was run again: nothing is to be released of this one any more. */
    isSuperseded: z.boolean().optional(),
  }),
)

const inRepository = { project: ProjectName, repository: RepositoryName }

/** Which schedules a repository's default branch has from now on; recorded when they differ. Subject: the repository. */
export const schedulesSet = defineFact(
  'schedules.set',
  1,
  z.object({
    ...inRepository,
    commit: CommitId,
    /** `timezone` is an IANA name; null: UTC. */
    schedules: z.array(z.object({ workflow: z.string(), cron: z.string(), timezone: z.string().nullable() })),
  }),
)

/** Who may use an environment from now on. Subject `environment:<project>/<name>`; names are in lower case. */
export const environmentProtected = defineFact(
  'environment.protection-set',
  1,
  z.object({
    project: ProjectName,
    environment: z.string(),
    /** Each job that names it waits until somebody approves. */
    needsApproval: z.boolean(),
    /** Whether the one who caused a run may approve its jobs. */
    allowsOwnApproval: z.boolean(),
    /** Patterns of the branches and tags whose runs may use it; null: all. */
    refs: z.array(z.string()).nullable(),
  }),
)

/**
 * A push has left the default branch red, or it was red before and still is. Whoever can mend it is named, for every channel that
 * tells people. Subject: the repository.
 */
export const mainBroken = defineFact(
  'main.broken',
  1,
  z.object({
    ...inRepository,
    ref: z.string(),
    push: z.string(),
    commit: CommitId,
    /** The runs that failed. */
    runs: z.array(z.string()),
    failure: Failure.nullable(),
    /** Milliseconds since 1970; earlier than this fact where it was red before. */
    brokenSince: z.number(),
    wasBroken: z.boolean(),
    /** Who pushed, as recorded. */
    pusher: z.string(),
    author: z.object({ name: z.string(), email: z.string() }).nullable(),
    /** Of the services in the repository, as their headway.yaml names them. */
    owners: z.array(z.string()),
  }),
)

/** The default branch is no longer red. Subject: the repository. */
export const mainMended = defineFact(
  'main.mended',
  1,
  z.object({ ...inRepository, ref: z.string(), push: z.string(), commit: CommitId, brokenSince: z.number() }),
)

export const buildFacts = [
  ...actionFacts,
  workflowEventRaised,
  workflowEventConcluded,
  runQueued,
  runRerunRequested,
  runStarted,
  jobStarted,
  jobFinished,
  runFinished,
  runCancelRequested,
  jobWaiting,
  jobApprovalDecided,
  pushVerified,
  ...resultsFacts,
  ...runnerFacts,
  schedulesSet,
  environmentProtected,
  mainBroken,
  mainMended,
] as const
