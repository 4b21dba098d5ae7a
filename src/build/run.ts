import type { z } from '@hono/zod-openapi'
import { fact, isFact, type NewFact, type RecordedFact } from '../ledger/fact.ts'
import {
  type Conclusion,
  type Failure,
  jobFinished,
  jobStarted,
  runCancelRequested,
  runFinished,
  runQueued,
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
  readonly queued: Queued
  readonly status: 'queued' | 'running' | 'finished'
  /** How often it was started: once, and once more after each crash. */
  readonly starts: number
  readonly isCancelRequested: boolean
  readonly jobs: ReadonlyMap<string, JobState>
}
export type JobState = { readonly starts: number; readonly finished: Finished | null }

/** The state after one more fact about the run; undefined until it is queued. */
export const evolve = (state: RunState | undefined, recorded: RecordedFact): RunState | undefined => {
  if (isFact(runQueued, recorded))
    return { queued: recorded.payload, status: 'queued', starts: 0, isCancelRequested: false, jobs: new Map() }
  if (!state) return undefined
  if (isFact(runStarted, recorded)) return { ...state, status: 'running', starts: state.starts + 1 }
  if (isFact(runCancelRequested, recorded)) return { ...state, isCancelRequested: true }
  if (isFact(runFinished, recorded)) return { ...state, status: 'finished' }
  if (isFact(jobStarted, recorded)) {
    const job = state.jobs.get(recorded.payload.job)
    return withJob(state, recorded.payload.job, { starts: (job?.starts ?? 0) + 1, finished: null })
  }
  if (isFact(jobFinished, recorded)) {
    const starts = state.jobs.get(recorded.payload.job)?.starts ?? 0
    return withJob(state, recorded.payload.job, { starts, finished: recorded.payload })
  }
  return state
}

const withJob = (state: RunState, key: string, job: JobState): RunState => ({
  ...state,
  jobs: new Map(state.jobs).set(key, job),
})

/** What happens to a run. */
export type RunInput =
  | { readonly kind: 'begin'; readonly isolation: string }
  | { readonly kind: 'job-begins'; readonly job: string; readonly name: string }
  | { readonly kind: 'job-ended'; readonly result: Omit<Finished, 'run'> }
  /** No job is left to run; or none could be, for this reason. */
  | { readonly kind: 'settled'; readonly refusal: Failure | null }
  | { readonly kind: 'cancel'; readonly actor: string }

/** What is to be recorded when that happens; nothing where it is settled already. */
export const decide = (state: RunState, input: RunInput): NewFact[] => {
  const { run } = state.queued
  const about = { subject: `run:${run}`, actor: 'system:build' }
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
      return [fact(jobStarted, { ...about, payload: { run, job: input.job, name: input.name } })]
    }
    case 'job-ended':
      if (state.jobs.get(input.result.job)?.finished) return []
      return [fact(jobFinished, { ...about, payload: { run, ...input.result } })]
    case 'settled':
      return [fact(runFinished, { ...about, payload: { run, ...outcomeOf(state, input.refusal) } })]
    case 'cancel':
      if (state.isCancelRequested) return []
      return [fact(runCancelRequested, { ...about, actor: input.actor, payload: { run } })]
  }
}

const outcomeOf = (
  { jobs, isCancelRequested }: RunState,
  refusal: Failure | null,
): { conclusion: Conclusion; failure: Failure | null } => {
  if (refusal) return { conclusion: 'failure', failure: refusal }
  const finished = [...jobs.values()].flatMap(({ finished: end }) => end ?? [])
  const failed = finished.find(({ conclusion }) => conclusion === 'failure')
  if (failed) return { conclusion: 'failure', failure: failed.failure ?? null }
  const cancelled = finished.find(({ conclusion }) => conclusion === 'cancelled')
  if (cancelled || isCancelRequested) return { conclusion: 'cancelled', failure: cancelled?.failure ?? null }
  const isSkipped = finished.length > 0 && finished.every(({ conclusion }) => conclusion === 'skipped')
  return { conclusion: isSkipped ? 'skipped' : 'success', failure: null }
}

const interruption = (job: string | null, times: number): Failure =>
  failureFor(
    `Headway itself ended ${times} times while this ${job === null ? 'run' : 'job'} was under way; it is not started again`,
    { job },
  )

const givenUp = { conclusion: 'failure' as const, failure: interruption(null, maximumRunStarts) }

const interrupted = (run: string, { job, name }: { job: string; name: string }): Finished => ({
  run,
  job,
  conclusion: 'failure',
  outputs: {},
  steps: [],
  failure: interruption(name, maximumStarts),
})
