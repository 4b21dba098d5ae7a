import type { Clock } from '../../../clock.ts'
import { describeError, Problem } from '../../../problem.ts'
import type { JobResult } from '../../jobs/result.ts'
import { killAtMs, type LeaseRules, leaseRules } from '../lease.ts'
import type { AssignedJob, ExchangeAnswer, ExchangeRequest, HeldJob } from '../protocol.ts'
import type { Guard } from './guard.ts'
import type { KeptJob, Records } from './records.ts'

/** Runs what a runner is given. */
export type Work = {
  /** What is to be remembered of a job before it is started. */
  noteOf(job: AssignedJob): KeptJob
  /** Runs it to its end, its log into the file. Rejects when `kill` aborts, once nothing of it runs any more. */
  perform(job: AssignedJob, logFile: string, signals: { cancel: AbortSignal; kill: AbortSignal }): Promise<JobResult>
  /** Ends and removes what is left of a job of an earlier life. */
  endLeftovers(kept: KeptJob): Promise<void>
}

export type RunnerParts = {
  /** One exchange with the server. Rejects with a Problem when it was refused for good, with anything else when it may be tried again. */
  readonly exchange: (request: ExchangeRequest, signal: AbortSignal) => Promise<ExchangeAnswer>
  readonly work: Work
  readonly records: Records
  readonly guard: Guard
  /** Monotonic over everything that may hold the machine up: see `bootClock`. */
  readonly clock: Clock
  /** One life of this process. */
  readonly session: string
  readonly version: string
  readonly labels: readonly string[]
  readonly parallel: number
  readonly say: (line: string) => void
  /** Said once the server has accepted this runner. */
  readonly greeting?: string
  readonly killTickMs?: number
}

export type Runner = {
  /** Until it is told to stop and has no job any more; rejects with the Problem of a server that will not have it. */
  run(): Promise<void>
  /** Takes no more jobs; those that it has go on to their ends. */
  drain(): void
  /** Ends everything at once. */
  endNow(): void
}

type OwnJob = {
  readonly fence: number
  readonly name: string
  readonly cancel: AbortController
  readonly kill: AbortController
  /** On the runner's clock, when nothing of it may run any more unless it is renewed. */
  killAt: number
  state: 'running' | 'ended' | 'interrupted'
  result: JobResult | null
  why: string
  /** Resolved once the server has recorded that it has begun. */
  readonly begun: PromiseWithResolvers<void>
  /** The server was told at least once that it arrived. */
  isReported: boolean
  /** How much of its log the server has. */
  sentBytes: number
}

const againMs = 1000
/** An exchange of a runner with jobs is answered at once, of one without within some twenty seconds; beyond this it is lost. */
const busyTimeoutMs = 10_000
const idleTimeoutMs = 45_000

export const createRunner = (parts: RunnerParts): Runner => {
  const { work, records, guard, clock, say, killTickMs = leaseRules.killTickMs } = parts
  const jobs = new Map<number, OwnJob>()
  /** What is being ended and reported no more. */
  const leaving = new Set<Promise<void>>()
  const performing = new Set<Promise<void>>()
  const killing = new AbortController()
  let rules: Pick<LeaseRules, 'leaseMs' | 'killMarginMs'> = leaseRules
  /** Lets go of an exchange that is only held for new jobs. */
  const leavingOff = new AbortController()
  let isDraining = false
  let isWelcome = true
  let isGreeted = false
  let turn = 0
  let outage: string | null = null

  /** What an earlier life of this runner has left: ended, and told to the server. */
  const recover = async (): Promise<void> => {
    for (const { kept, result } of await records.list()) {
      await work.endLeftovers(kept)
      const job = ownJob(kept.fence, `${kept.run}/${kept.key}`, clock.monotonicMs())
      const interrupted = { state: 'interrupted' as const, why: 'the runner itself ended while the job was under way' }
      jobs.set(kept.fence, { ...job, ...(result ? { state: 'ended', result } : interrupted) })
    }
  }

  const start = async (assigned: AssignedJob, sentAt: number): Promise<void> => {
    const { fence, order } = assigned
    const job = ownJob(fence, `${order.source.run}/${order.key}`, killAtMs(sentAt, { ...leaseRules, ...rules }))
    jobs.set(fence, job)
    say(`${job.name}: begins`)
    try {
      const kept = work.noteOf(assigned)
      await records.begin(kept)
      await guard.watch(kept, job.killAt)
      await Promise.race([job.begun.promise, aborted(job.kill.signal), aborted(killing.signal)])
      if (clock.monotonicMs() >= job.killAt) throw new Error('it came too late')
      const signals = { cancel: job.cancel.signal, kill: AbortSignal.any([job.kill.signal, killing.signal]) }
      const result = await work.perform(assigned, records.logFile(fence), signals)
      // The watchdog has killed it then, and it was not the job that failed.
      if (clock.monotonicMs() >= job.killAt) throw new Error('the runner was cut off from the server')
      records.end(fence, result)
      Object.assign(job, { result, state: 'ended' })
      say(`${job.name}: ${result.conclusion}`)
    } catch (error) {
      Object.assign(job, { state: 'interrupted', why: job.why || describeError(error) })
      say(`${job.name}: ${job.why}`)
    } finally {
      guard.release(fence)
    }
  }

  /** Nobody wants to hear of it any more: it is ended, and forgotten once nothing of it runs. */
  const leave = (job: OwnJob): void => {
    jobs.delete(job.fence)
    job.kill.abort(new Error('the server has given it to another'))
    const ended = async (): Promise<void> => {
      while (job.state === 'running') await Promise.race([...performing, clock.sleep(killTickMs)])
      await records.drop(job.fence)
    }
    const done: Promise<void> = ended()
      .catch((error: unknown) => say(`${job.name}: ${describeError(error)}`))
      .finally(() => leaving.delete(done))
    leaving.add(done)
  }

  /** Kills what has not been renewed for too long, whatever the server thinks. */
  const watch = async (signal: AbortSignal): Promise<void> => {
    for (;;) {
      await clock.sleep(killTickMs, signal)
      for (const job of jobs.values()) {
        if (job.state !== 'running' || clock.monotonicMs() < job.killAt || job.kill.signal.aborted) continue
        job.why = 'the runner was cut off from the server'
        say(`${job.name}: ${job.why}; it is ended before another may begin it`)
        job.kill.abort(new Error(job.why))
      }
    }
  }

  /** What is to be said of a job, and whether there is more to say as soon as that was heard. */
  const reportOn = async (job: OwnJob): Promise<{ said: HeldJob; isHurried: boolean }> => {
    const { fence, state } = job
    const isEnded = state === 'ended' // asked for before the log is read: then all of it is there
    const { text, isAll } = await records.readLog(fence, job.sentBytes)
    const log = text === '' ? null : { offset: job.sentBytes, text }
    const result = isEnded && log === null ? job.result : null
    const interrupted = state === 'interrupted' ? job.why : null
    const isHurried = !isAll || !job.isReported || (isEnded && log !== null)
    job.isReported = true
    return { said: { fence, log, result, interrupted }, isHurried }
  }

  /** One request and what its answer asks for. */
  const exchange = async (isFarewell = false): Promise<void> => {
    const reports = oneResult(await Promise.all(Array.from(jobs.values(), reportOn)))
    turn += 1
    const request: ExchangeRequest = {
      session: parts.session,
      turn,
      version: parts.version,
      labels: [...parts.labels],
      parallel: parts.parallel,
      free: isDraining || isFarewell ? 0 : Math.max(0, parts.parallel - jobs.size - leaving.size),
      jobs: reports.map(({ said }) => said),
      // Whether the server will have it is to be known at once, not when there is a job.
      isHurried: isFarewell || !isGreeted || reports.some(({ isHurried }) => isHurried),
      isFarewell,
    }
    const sentAt = clock.monotonicMs()
    const lost = new AbortController()
    const timer = clock.sleep(jobs.size > 0 || isFarewell ? busyTimeoutMs : idleTimeoutMs, lost.signal)
    timer.then(
      () => lost.abort(new Error('the server does not answer')),
      () => undefined,
    )
    const given = isFarewell ? lost.signal : AbortSignal.any([lost.signal, killing.signal, leavingOff.signal])
    const answer = await parts.exchange(request, given).finally(() => lost.abort())
    rules = answer
    if (!isGreeted && parts.greeting !== undefined) say(parts.greeting)
    isGreeted = true
    for (const { fence, verdict, isBegun, logBytes } of answer.jobs) {
      const job = jobs.get(fence)
      if (!job) continue
      if (verdict === 'stop' || verdict === 'forget') {
        leave(job)
        continue
      }
      if (verdict === 'cancel') job.cancel.abort()
      job.sentBytes = logBytes
      if (isBegun) job.begun.resolve()
      job.killAt = Math.max(job.killAt, killAtMs(sentAt, { ...leaseRules, ...answer }))
      if (job.state === 'running') guard.renew(fence, job.killAt)
    }
    for (const assigned of answer.assigned) {
      const done: Promise<void> = start(assigned, sentAt).finally(() => performing.delete(done))
      performing.add(done)
    }
  }

  const converse = async (): Promise<void> => {
    while (!killing.signal.aborted && !(isDraining && jobs.size === 0)) {
      try {
        await exchange()
        if (outage !== null) say('the server answers again')
        outage = null
      } catch (error) {
        if (error instanceof Problem) {
          isWelcome = false
          throw error
        }
        if (killing.signal.aborted || leavingOff.signal.aborted) continue
        const why = describeError(error)
        if (why !== outage) say(`${why}; trying again`)
        outage = why
        await clock.sleep(againMs, killing.signal).catch(() => undefined)
      }
    }
  }

  return {
    run: async () => {
      const over = new AbortController()
      await recover()
      watch(over.signal).catch(() => undefined) // ends with the signal
      try {
        await converse()
      } finally {
        killing.abort(new Error('the runner was told to end'))
        await Promise.all([...performing, ...leaving])
        // What was ended here need not wait for the end of its lease, nor what was sent and not read.
        if (turn > 0 && isWelcome) await exchange(true).catch(() => undefined)
        await Promise.all(leaving)
        over.abort()
        await guard.close()
      }
    },
    drain: () => {
      isDraining = true
      if (jobs.size === 0) leavingOff.abort()
    },
    endNow: () => killing.abort(new Error('the runner was told to end')),
  }
}

/** One job's end at a time: each may be as large as a request may be. The others are told right after. */
const oneResult = <Report extends { readonly said: HeldJob; readonly isHurried: boolean }>(
  reports: readonly Report[],
): { readonly said: HeldJob; readonly isHurried: boolean }[] => {
  const first = reports.find(({ said }) => said.result !== null)
  return reports.map((one) =>
    one === first || one.said.result === null ? one : { said: { ...one.said, result: null }, isHurried: true },
  )
}

/** Rejects when the signal aborts. */
const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })

const ownJob = (fence: number, name: string, killAt: number): OwnJob => ({
  fence,
  name,
  cancel: new AbortController(),
  kill: new AbortController(),
  killAt,
  begun: Promise.withResolvers(),
  isReported: false,
  state: 'running',
  result: null,
  why: '',
  sentBytes: 0,
})
