import type { z } from 'zod'
import { fact, isFact, type NewFact, type RecordedFact } from '../ledger/fact.ts'
import { cancelledBy } from './ended-because.ts'
import {
  type Conclusion,
  type Failure,
  jobFinished,
  jobStarted,
  jobWaiting,
  runCancelRequested,
  runFinished,
  runQueued,
  runRerunRequested,
  runStarted,
} from './facts.ts'
import { failureFor } from './failure.ts'

/** How often a job that a crash of the server interrupted is started over before it counts as failed. */
export const maximumStarts = 3

/** A whole run may be started over more often, as each time other jobs may be the ones that were interrupted. */
export const maximumRunStarts = 10

export type Queued = z.infer<typeof runQueued.payload>
export type Finished = z.infer<typeof jobFinished.payload>

/** A run as its facts tell it. */
export type RunState = {
  /** Of the newest fact about it. */
  readonly seq: number
  readonly queued: Queued
  readonly status: 'queued' | 'running' | 'finished'
  /** How often it was started: once, and once more after each crash. */
  readonly starts: number
  readonly isCancelRequested: boolean
  /** Why Headway itself asked for the end. */
  readonly cancelledBecause: string | null
  readonly jobs: ReadonlyMap<string, JobState>
  /** Counts from 1. */
  readonly attempt: number
  /** Who asked for this attempt; null in the first one. */
  readonly rerunBy: string | null
  /** What the attempt before left, where only what did not succeed runs again; null: everything runs. */
  readonly earlier: ReadonlyMap<string, Kept> | null
}
export type JobState = {
  readonly starts: number
  /** As its last start said; its end does not say it again. */
  readonly about: Pick<Finished, 'name' | 'needs'>
  readonly finished: Finished | null
  /** What it has waited for, or waits for. */
  readonly waits: readonly Wait[]
}
export type Wait = z.infer<typeof jobWaiting.payload>['wait']
/** A result and the attempt that it is of. */
type Kept = { readonly finished: Finished; readonly attempt: number }

/** The state after one more fact about the run; undefined until it is queued. */
export const evolve = (state: RunState | undefined, recorded: RecordedFact): RunState | undefined => {
  const next = after(state, recorded)
  return next && { ...next, seq: recorded.seq }
}

const after = (state: RunState | undefined, recorded: RecordedFact): RunState | undefined => {
  if (isFact(runQueued, recorded))
    return { seq: recorded.seq, queued: recorded.payload, ...newAttempt, attempt: 1, rerunBy: null, earlier: null }
  if (!state) return undefined
  if (isFact(runRerunRequested, recorded)) {
    const { attempt, jobs } = recorded.payload
    const earlier = jobs === 'failed' ? keptOf(state) : null
    return { ...state, ...newAttempt, attempt, rerunBy: recorded.actor, earlier }
  }
  if (isFact(runStarted, recorded)) return { ...state, status: 'running', starts: state.starts + 1 }
  if (isFact(runCancelRequested, recorded))
    return { ...state, isCancelRequested: true, cancelledBecause: recorded.payload.why ?? cancelledBy(recorded.actor) }
  if (isFact(runFinished, recorded)) return { ...state, status: 'finished' }
  if (isFact(jobWaiting, recorded)) {
    const job = state.jobs.get(recorded.payload.job) ?? noJob
    return withJob(state, recorded.payload.job, { ...job, waits: [...job.waits, recorded.payload.wait] })
  }
  if (isFact(jobStarted, recorded)) {
    const job = state.jobs.get(recorded.payload.job) ?? noJob
    const { run: _, job: key, ...about } = recorded.payload
    return withJob(state, key, { ...job, starts: job.starts + 1, about })
  }
  if (isFact(jobFinished, recorded)) {
    const job = state.jobs.get(recorded.payload.job) ?? noJob
    return withJob(state, recorded.payload.job, { ...job, finished: recorded.payload })
  }
  return state
}

const newAttempt = {
  status: 'queued' as const,
  starts: 0,
  isCancelRequested: false,
  cancelledBecause: null,
  jobs: new Map<string, JobState>(),
}
const noJob: JobState = { starts: 0, about: {}, finished: null, waits: [] }

const keptOf = ({ jobs, attempt }: RunState): ReadonlyMap<string, Kept> =>
  new Map(
    [...jobs].flatMap(([key, { about, finished }]): [string, Kept][] =>
      finished ? [[key, { finished: { ...about, ...finished }, attempt: finished.keptFrom ?? attempt }]] : [],
    ),
  )

const withJob = (state: RunState, key: string, job: JobState): RunState => ({
  ...state,
  jobs: new Map(state.jobs).set(key, job),
})

/** `needs`: the keys of the jobs that it waited for; left out where there are none. */
type JobInRun = { readonly job: string; readonly name: string; readonly needs?: string[] }

/** What happens to a run. */
export type RunInput =
  | { readonly kind: 'begin'; readonly isolation: string }
  /** It is needed, but must not start before something else has happened. */
  | ({ readonly kind: 'job-waits'; readonly wait: Wait } & JobInRun)
  /** It need not run again: the result of an earlier attempt stands. */
  | { readonly kind: 'job-kept'; readonly job: string }
  | ({ readonly kind: 'job-begins' } & JobInRun)
  /** `also` is recorded together with it: what the job's reports say. */
  | { readonly kind: 'job-ended'; readonly result: Omit<Finished, 'run'>; readonly also?: readonly NewFact[] }
  /** No job is left to run; or none could be, for this reason. */
  | { readonly kind: 'settled'; readonly refusal: Failure | null }
  | { readonly kind: 'cancel'; readonly actor: string; readonly why?: string }
  | { readonly kind: 'rerun'; readonly actor: string; readonly jobs: 'all' | 'failed' }

/** What is to be recorded when that happens; nothing where it is settled already. */
export const decide = (state: RunState, input: RunInput): NewFact[] => {
  const { run } = state.queued
  const about = { subject: `run:${run}`, actor: 'system:build' }
  if (input.kind === 'rerun') {
    if (state.status !== 'finished') return []
    const payload = { run, attempt: state.attempt + 1, jobs: input.jobs }
    return [fact(runRerunRequested, { ...about, actor: input.actor, payload })]
  }
  if (state.status === 'finished') return []
  switch (input.kind) {
    case 'begin':
      if (state.starts >= maximumRunStarts) return [fact(runFinished, { ...about, payload: { run, ...givenUp } })]
      return [fact(runStarted, { ...about, payload: { run, isolation: input.isolation } })]
    case 'job-begins': {
      const job = state.jobs.get(input.job)
      if (job?.finished) return []
      if ((job?.starts ?? 0) >= maximumStarts)
        return [fact(jobFinished, { ...about, payload: interrupted(run, input) })]
      return [fact(jobStarted, { ...about, payload: { run, ...aboutJob(input) } })]
    }
    case 'job-waits': {
      const job = state.jobs.get(input.job)
      const isKnown = job?.waits.some((wait) => JSON.stringify(wait) === JSON.stringify(input.wait))
      if (job?.finished || isKnown) return []
      return [fact(jobWaiting, { ...about, payload: { run, ...aboutJob(input), wait: input.wait } })]
    }
    case 'job-kept': {
      const kept = state.earlier?.get(input.job)
      if (!kept || state.jobs.get(input.job)?.finished) return []
      return [fact(jobFinished, { ...about, payload: { ...kept.finished, keptFrom: kept.attempt } })]
    }
    case 'job-ended':
      if (state.jobs.get(input.result.job)?.finished) return []
      return [fact(jobFinished, { ...about, payload: { run, ...input.result } }), ...(input.also ?? [])]
    case 'settled':
      return [fact(runFinished, { ...about, payload: { run, ...outcomeOf(state, input.refusal) } })]
    case 'cancel':
      if (state.isCancelRequested) return []
      return [
        fact(runCancelRequested, {
          ...about,
          actor: input.actor,
          payload: { run, ...(input.why === undefined ? {} : { why: input.why }) },
        }),
      ]
  }
}

const outcomeOf = (
  { jobs, isCancelRequested, cancelledBecause }: RunState,
  refusal: Failure | null,
): { conclusion: Conclusion; failure: Failure | null } => {
  if (refusal) return { conclusion: 'failure', failure: refusal }
  const finished = [...jobs.values()].flatMap(({ finished: end }) => end ?? [])
  const failures = finished.filter(({ conclusion }) => conclusion === 'failure')
  // A job that calls a workflow fails with it, and says nothing of its own.
  const failed = failures.find(({ failure }) => failure) ?? failures[0]
  if (failed) return { conclusion: 'failure', failure: failed.failure ?? null }
  const cancelled = finished.find(({ conclusion }) => conclusion === 'cancelled')
  if (cancelled || isCancelRequested) {
    const why = cancelledBecause === null ? null : failureFor(cancelledBecause)
    return { conclusion: 'cancelled', failure: cancelled?.failure ?? why }
  }
  const isSkipped = finished.length > 0 && finished.every(({ conclusion }) => conclusion === 'skipped')
  return { conclusion: isSkipped ? 'skipped' : 'success', failure: null }
}

const interruption = (job: string | null, times: number): Failure =>
  failureFor(
    `Headway itself ended ${times} times while this ${job === null ? 'run' : 'job'} was under way; it is not started again`,
    { job },
  )

const givenUp = { conclusion: 'failure' as const, failure: interruption(null, maximumRunStarts) }

const aboutJob = ({ job, name, needs }: JobInRun) => ({ job, name, ...(needs ? { needs } : {}) })

const interrupted = (run: string, { job, name }: JobInRun): Finished => ({
  run,
  job,
  conclusion: 'failure',
  outputs: {},
  steps: [],
  failure: interruption(name, maximumStarts),
})
