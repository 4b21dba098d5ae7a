import { z } from 'zod'
import { defineFact } from '../../ledger/fact.ts'
import { ProjectName } from '../../names.ts'

/**
 * An administrator let another machine run jobs. `hash` is the SHA-256 of its token; `labels`: the only ones that it may claim (null:
 * any); `project`: the only one whose jobs it gets (null: all). Subject `runner:<id>`.
 */
export const runnerRegistered = defineFact(
  'runner.registered',
  1,
  z.object({
    runner: z.string(),
    name: z.string(),
    hash: z.string(),
    labels: z.array(z.string()).nullable(),
    project: ProjectName.nullable(),
  }),
)
export const runnerRevoked = defineFact('runner.revoked', 1, z.object({ runner: z.string() }))

/** The labels that an administrator gives the server's own runner, besides those that it always has. Subject `runner:local`. */
export const runnerLabelled = defineFact(
  'runner.labelled',
  1,
  z.object({ runner: z.literal('local'), labels: z.array(z.string()) }),
)

/**
 * A job was given to a runner on another machine. The fact's own sequence number is the fencing token of the lease: of two leases of a
 * job the later has the larger one. `session` is the life of the runner's process that it was given to, `turn` the exchange in whose
 * answer it stands; `logBytes` is how long the job's log was before. Subject `run:<id>`, as of all facts about jobs.
 */
export const jobAssigned = defineFact(
  'job.assigned',
  1,
  z.object({
    run: z.string(),
    job: z.string(),
    runner: z.string(),
    name: z.string(),
    session: z.string(),
    turn: z.number().int(),
    logBytes: z.number().int(),
    /** Of the run. */
    attempt: z.number().int(),
  }),
)

/** A lease ended without a result: what comes under its fencing token from now on is refused. */
export const jobReturned = defineFact(
  'job.returned',
  1,
  z.object({
    run: z.string(),
    job: z.string(),
    fence: z.number().int(),
    why: z.string(),
    /** Whether a runner may have begun it; what never arrived at one counts as no start. */
    isStart: z.boolean(),
  }),
)

/** A job waits for what is not there, for this reason; told once for each reason. */
export const jobKeptWaiting = defineFact(
  'job.kept-waiting',
  1,
  z.object({ run: z.string(), job: z.string(), name: z.string(), labels: z.array(z.string()), why: z.string() }),
)

export const runnerFacts = [
  runnerRegistered,
  runnerRevoked,
  runnerLabelled,
  jobAssigned,
  jobReturned,
  jobKeptWaiting,
] as const
