import type { Clock } from '../../clock.ts'
import { fact, isFact, type RecordedFact } from '../../ledger/fact.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { describeError } from '../../problem.ts'
import { jobFinished, runFinished } from '../facts.ts'
import type { JobResult } from '../jobs/result.ts'
import { type LogBook, logKey } from '../logs.ts'
import { jobAssigned, jobReturned } from './facts.ts'
import { endOf, type Lease, type LeaseRules } from './lease.ts'
import type { HeldJob } from './protocol.ts'
import type { LeaseRows } from './views.ts'

/** How a lease ended, for whoever waits for its job. */
export type LeaseEnd =
  | { readonly kind: 'result'; readonly result: JobResult }
  | { readonly kind: 'returned'; readonly why: string }

/** A lease that is held, and whoever waits for its job. */
export type HeldLease = Lease & {
  readonly run: string
  readonly job: string
  /** Of the run. */
  readonly attempt: number
  /** The runner's name. */
  readonly name: string
  heardAtMs: number
  status: Lease['status']
  isCancelled: boolean
  /** How long the job's log was before, and how much of the runner's has been added. */
  readonly logBase: number
  logBytes: number
  readonly ended: Promise<LeaseEnd>
  /** Somebody waits for the job now; `begin` is called once the runner is known to have it, and says whether it is wanted. */
  attach(begin: () => Promise<boolean>): void
  /** Whether the job is wanted; null: nobody waits for it yet. */
  isWanted(): Promise<boolean> | null
  settle(end: LeaseEnd): void
}

export type Leases = {
  /** Knows again what is held since before Headway was started. */
  start(): Promise<void>
  stop(): void
  assign(about: Pick<HeldLease, 'run' | 'job' | 'attempt' | 'runner' | 'name' | 'session' | 'turn'>): Promise<HeldLease>
  heldFor(run: string, job: string): HeldLease | undefined
  /** Of any lease there ever was, which of its own the runner is to be told. */
  find(fence: number): Promise<Lease | undefined>
  heldBy(runner: string): HeldLease[]
  /** Ends a lease without a result; nothing when it has ended. */
  giveBack(lease: HeldLease, why: string, isStart: boolean): Promise<void>
  /** Adds to the job's log what follows on what is there; resolves to how much there is then. */
  log(lease: HeldLease, more: NonNullable<HeldJob['log']>): Promise<number>
  /** How often a job was begun and lost, and why the last time. */
  lost(run: string, job: string): { readonly times: number; readonly why: string } | undefined
}

/** No longer than a log is let to be where it is written, and some. */
const longestLogBytes = 600 * 1024 * 1024
const lookEveryMs = 1000

export const createLeases = (parts: {
  readonly ledger: Pick<Ledger, 'append' | 'read' | 'head' | 'onAppend'>
  readonly rows: LeaseRows
  readonly clock: Clock
  readonly logs: Pick<LogBook, 'wholeBytes' | 'put'>
  readonly rules: LeaseRules
  /** A job's lease has ended or is to be told something. */
  readonly news: (runner: string) => void
  readonly report: (message: string) => void
}): Leases => {
  const { ledger, rows, clock, logs, rules, news, report } = parts
  const held = new Map<number, HeldLease>()
  const losses = new Map<string, { times: number; why: string }>()
  const stopping = new AbortController()
  let isWatching = false
  let cursor = 0
  let stopFollowing = (): void => undefined

  const open = (
    about: Omit<Lease, 'status' | 'heardAtMs'> &
      Pick<HeldLease, 'run' | 'job' | 'attempt' | 'name' | 'logBase' | 'logBytes'>,
  ) => {
    const end = Promise.withResolvers<LeaseEnd>()
    let begin: (() => Promise<boolean>) | null = null
    let wanted: Promise<boolean> | null = null
    const lease: HeldLease = {
      ...about,
      heardAtMs: clock.monotonicMs(),
      status: 'held',
      isCancelled: false,
      ended: end.promise,
      attach: (given) => {
        begin = given
        wanted = null
      },
      isWanted: () => {
        if (begin !== null) wanted ??= begin()
        return wanted
      },
      settle: end.resolve,
    }
    held.set(lease.fence, lease)
    watch()
    return lease
  }

  const close = (lease: HeldLease, status: 'returned' | 'over'): void => {
    lease.status = status
    held.delete(lease.fence)
    news(lease.runner)
  }

  /** What is silent for too long is given to others. */
  const watch = (): void => {
    if (isWatching) return
    isWatching = true
    const look = async (): Promise<void> => {
      while (held.size > 0) {
        await clock.sleep(lookEveryMs, stopping.signal)
        for (const lease of held.values())
          if (endOf(lease, null, clock.monotonicMs(), rules))
            await giveBack(lease, `the runner ${lease.name} was not heard for ${seconds(rules)} s`, true)
      }
    }
    look()
      .catch((error: unknown) => {
        if (!stopping.signal.aborted) report(`watching over leases: ${describeError(error)}`)
      })
      .finally(() => {
        isWatching = false
        if (held.size > 0 && !stopping.signal.aborted) watch()
      })
  }

  const giveBack = async (lease: HeldLease, why: string, isStart: boolean): Promise<void> => {
    if (lease.status !== 'held') return
    lease.status = 'returned' // from here on nothing is taken from the runner, even should the next line fail
    const { run, job, fence } = lease
    const about = { subject: `run:${run}`, actor: 'system:build', causes: [fence] }
    try {
      await ledger.append([fact(jobReturned, { ...about, payload: { run, job, fence, why, isStart } })])
    } catch (error) {
      lease.status = 'held'
      throw error
    }
    if (isStart) lose(run, job, why)
    close(lease, 'returned')
    lease.settle({ kind: 'returned', why })
  }

  const lose = (run: string, job: string, why: string): void => {
    const times = (losses.get(`${run}/${job}`)?.times ?? 0) + 1
    losses.set(`${run}/${job}`, { times, why })
  }

  /** Jobs that are over in the ledger are over here. */
  const follow = async (): Promise<void> => {
    if (held.size === 0 && losses.size === 0) return
    for (;;) {
      const facts = await ledger.read({ after: cursor, types: ends })
      const last = facts.at(-1)
      if (!last) return
      cursor = Math.max(cursor, last.seq)
      // Who runs a job again begins to count again.
      for (const one of facts) if (isFact(jobFinished, one)) losses.delete(`${one.payload.run}/${one.payload.job}`)
      for (const lease of held.values())
        if (facts.some((one) => one.seq > lease.fence && isEndOf(one, lease))) close(lease, 'over')
    }
  }

  return {
    start: async () => {
      cursor = (await ledger.head()).seq
      for (const row of await rows.open()) {
        if (row.status === 'held') {
          const logBase = Number(row.log_bytes)
          const logBytes = Math.max(0, (await logs.wholeBytes(row.run, logKey(row.job, row.attempt))) - logBase)
          open({ ...row, fence: Number(row.fence), logBase, logBytes })
        } else if (row.is_start === 1) lose(row.run, row.job, row.why ?? '')
      }
      stopFollowing = ledger.onAppend(() => {
        follow().catch((error: unknown) => report(`following the ends of jobs: ${describeError(error)}`))
      }, ends)
    },
    stop: () => {
      stopFollowing()
      stopping.abort()
    },
    assign: async (about) => {
      const { run, job, attempt } = about
      const logBase = await logs.wholeBytes(run, logKey(job, attempt))
      const payload = { ...about, logBytes: logBase }
      if (held.size === 0 && losses.size === 0) cursor = (await ledger.head()).seq
      const outcome = await ledger.append([
        fact(jobAssigned, { subject: `run:${run}`, actor: 'system:build', payload }),
      ])
      const fence = outcome.kind === 'appended' ? outcome.facts[0]?.seq : undefined
      if (fence === undefined) throw new Error(`${run}/${job} could not be assigned`)
      return open({ ...about, fence, logBase, logBytes: 0 })
    },
    heldFor: (run, job) => [...held.values()].findLast((lease) => lease.run === run && lease.job === job),
    find: async (fence) => {
      const row = await rows.find(fence)
      return held.get(fence) ?? (row && { ...row, fence, heardAtMs: 0 })
    },
    heldBy: (runner) => [...held.values()].filter((lease) => lease.runner === runner),
    giveBack,
    log: async (lease, { offset, text }) => {
      if (offset !== lease.logBytes) return lease.logBytes
      const end = offset + Buffer.byteLength(text)
      // A runner keeps to the limit itself; one that does not shall not fill the disk.
      if (end <= longestLogBytes)
        await logs.put(lease.run, logKey(lease.job, lease.attempt), lease.logBase + offset, text)
      lease.logBytes = end
      return end
    },
    lost: (run, job) => losses.get(`${run}/${job}`),
  }
}

const ends = [jobFinished.type, runFinished.type]

const isEndOf = (one: RecordedFact, { run, job }: HeldLease): boolean =>
  (isFact(jobFinished, one) && one.payload.run === run && one.payload.job === job) ||
  (isFact(runFinished, one) && one.payload.run === run)

const seconds = ({ leaseMs, graceMs }: LeaseRules): number => Math.round((leaseMs + graceMs) / 1000)
