import type { Failure } from '../facts.ts'
import type { JobOrder } from '../jobs/job.ts'
import type { JobSignals } from '../jobs/limits.ts'
import type { JobLog } from '../jobs/log.ts'
import type { JobResult } from '../jobs/result.ts'

/** What a job asks of the runner that it is given to. */
export type JobDemand = {
  /** As evaluated from `runs-on`; a runner must have them all. */
  readonly labels: readonly string[]
}

/** A job that a runner has taken. */
export type BegunJob = {
  readonly log: JobLog
  /** Resolves once it is recorded that the job has begun, which its first step waits for. False: it has ended meanwhile or was started too often. */
  readonly mayRun: Promise<boolean>
}

/**
 * Told once, when a runner has taken the job: opens the log, and begins to record that the job has begun. With `isResumed` a runner has had
 * the job since before Headway itself was started, and nothing is recorded.
 */
export type BeginJob = (runner: string, isResumed?: boolean) => Promise<BegunJob>

export type Execution =
  | {
      readonly kind: 'ended'
      readonly result: JobResult
      /** The name of the runner that it ran on. */
      readonly runner: string
      /** Resolves when what it left on the disk is gone; never rejects. */
      readonly cleaned: Promise<void>
    }
  /** It was cancelled before a runner had it, or must not begin. */
  | { readonly kind: 'not begun' }
  /** No runner will ever have it, for this reason. */
  | { readonly kind: 'refused'; readonly failure: Failure }

/** Runs jobs, somewhere: finds each a runner that has the labels it demands, waiting for one as long as it takes. */
export type JobExecutor = {
  /**
   * Resolves when the job is over. Never rejects for what a workflow does wrong. Once `signals.kill` aborts (Headway stops) it rejects
   * with that reason; then a job of this machine has ended, and one on another machine goes on and is resumed at the next start.
   */
  execute(order: JobOrder, demand: JobDemand, begin: BeginJob, signals: JobSignals): Promise<Execution>
}
