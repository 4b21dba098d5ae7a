import type { Clock } from '../../clock.ts'
import { holds, type Scope } from '../workflow/expression.ts'

/** How a job is told to end early: `cancel` lets steps with `always()` run, `kill` does not. */
export type JobSignals = { readonly cancel: AbortSignal; readonly kill: AbortSignal }

/** How long the steps that run in spite of a cancellation may take. */
const cancelGraceMs = 5 * 60_000
/** Timers take no more; some three and a half weeks. */
const longestTimerMs = 2 ** 31 - 1
/** Why waiting ended, where nobody asks: without a reason Node.js makes an error with a stack for each. */
export const isOver = 'over'

export type Limits = {
  readonly kill: AbortSignal
  readonly cancel: AbortSignal
  isCancelled(): boolean
  timedOutAfterMinutes(): number | null
  /** Begins the job's time limit. */
  startTimer(minutes: number): void
  over(): void
}

/** A job is cancelled from outside or by its time limit; some minutes after that it is killed. */
export const limitsOf = (signals: JobSignals, clock: Clock): Limits => {
  const done = new AbortController()
  const cancel = new AbortController()
  const kill = new AbortController()
  let timedOut: number | null = null
  const quietly = (work: Promise<void>): void => {
    work.catch(() => undefined) // the job ended before
  }
  const cancelNow = async (): Promise<void> => {
    cancel.abort()
    await clock.sleep(cancelGraceMs, done.signal)
    kill.abort()
  }
  const afterLimit = async (minutes: number): Promise<void> => {
    await clock.sleep(millisecondsOf(minutes), done.signal)
    timedOut = minutes
    await cancelNow()
  }
  if (signals.cancel.aborted) quietly(cancelNow())
  signals.cancel.addEventListener('abort', () => quietly(cancelNow()), { once: true, signal: done.signal })
  return {
    kill: AbortSignal.any([signals.kill, kill.signal]),
    cancel: cancel.signal,
    isCancelled: () => cancel.signal.aborted || signals.kill.aborted,
    timedOutAfterMinutes: () => timedOut,
    startTimer: (minutes) => quietly(afterLimit(minutes)),
    over: () => done.abort(isOver),
  }
}

/** On cancellation a running step's `if` is evaluated again; the step goes on when it still holds. */
export const cancelUnlessItHolds = (
  condition: string | undefined,
  limits: Limits,
  scope: () => Scope,
  over: AbortSignal,
): AbortSignal => {
  const controller = new AbortController()
  const decide = async (): Promise<void> => {
    const stillHolds = await holds(condition, scope()).catch(() => false)
    if (!stillHolds) controller.abort()
  }
  // A step that starts in spite of the cancellation has been asked already.
  if (!limits.cancel.aborted) limits.cancel.addEventListener('abort', () => void decide(), { once: true, signal: over })
  return controller.signal
}

/** Aborts after these minutes unless `over` aborts before; never where there are none. */
export const deadlineOf = (minutes: number, clock: Clock, over: AbortSignal): AbortSignal => {
  const controller = new AbortController()
  if (minutes > 0)
    clock.sleep(millisecondsOf(minutes), over).then(
      () => controller.abort(),
      () => undefined, // the step ended before
    )
  return controller.signal
}

/** A time limit of a workflow in milliseconds. */
const millisecondsOf = (minutes: number): number => Math.min(minutes * 60_000, longestTimerMs)
