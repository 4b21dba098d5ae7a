import type { Failure } from '../facts.ts'
import type { Json, Status } from '../workflow/expression.ts'
import { withPaths } from './command-files.ts'
import type { JobOrder, JobPlace } from './job.ts'
import type { Limits } from './limits.ts'
import type { StepEnd, StepPlace } from './program.ts'
import type { StepRecord } from './result.ts'

/** A job that is running: what it was given. Only `progress` changes. */
export type JobRun = {
  readonly order: JobOrder
  readonly place: JobPlace
  readonly at: StepPlace
  readonly limits: Limits
  /** Without what changes from step to step. */
  readonly github: Readonly<Record<string, Json>>
  /** What the `job` context says of the workflow that the job stands in. */
  readonly identity: Readonly<Record<string, Json>>
  readonly runner: Readonly<Record<string, string>>
  /** ACTIONS_ variables: for actions only. */
  readonly services: Readonly<Record<string, string>>
  /** What lets programs reach registries, as this machine does, and trust the server. */
  readonly network: Readonly<Record<string, string>>
  /** The versions that `actions/setup-*` brought, by program. */
  readonly tools: Map<string, string>
  readonly progress: Progress
}

/** What the steps of a job have changed so far. */
export type Progress = {
  /** Programs and steps that were begun; their command files are called by it. */
  started: number
  env: Readonly<Record<string, string>>
  /** Folders that GITHUB_PATH put first, newest first. */
  paths: readonly string[]
  failure: Failure | null
  summary: string
  readonly records: StepRecord[]
  /** The `steps` context. */
  readonly steps: Record<string, Json>
}

/** What all summaries of a job may amount to. */
const maximumSummaryBytes = 1024 * 1024

export const freshProgress = (): Progress => ({
  started: 0,
  env: {},
  paths: [],
  failure: null,
  summary: '',
  records: [],
  steps: {},
})

export const nextNumber = ({ progress }: JobRun): number => {
  progress.started += 1
  return progress.started
}

/** Steps change the environment of those behind them even when they fail. */
export const applyEnd = ({ progress }: JobRun, { env, paths, summary }: StepEnd): void => {
  progress.env = { ...progress.env, ...env }
  progress.paths = withPaths(progress.paths, paths)
  if (summary === '') return
  const text = `${progress.summary}${summary.endsWith('\n') ? summary : `${summary}\n`}`
  if (Buffer.byteLength(text) <= maximumSummaryBytes) progress.summary = text
}

/** What `success()`, `failure()` and `cancelled()` answer for the job as a whole. */
export const jobStatus = ({ progress, limits }: JobRun): Status => {
  const isCancelled = limits.isCancelled()
  return {
    success: progress.failure === null && !isCancelled,
    failure: progress.failure !== null && !isCancelled,
    cancelled: isCancelled,
  }
}

/** `job.status` */
export const statusWord = (run: JobRun): 'success' | 'failure' | 'cancelled' => {
  const { success, cancelled } = jobStatus(run)
  return cancelled ? 'cancelled' : success ? 'success' : 'failure'
}
