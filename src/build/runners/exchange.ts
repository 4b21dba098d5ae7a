import type { Clock } from '../../clock.ts'
import { Problem } from '../../problem.ts'
import { hasLabels, normalLabels, ownLabels } from './labels.ts'
import { endOf, judge, type LeaseRules, type Verdict } from './lease.ts'
import type { HeldLease, Leases } from './leases.ts'
import type { AssignedJob, ExchangeAnswer, ExchangeRequest, HeldJob } from './protocol.ts'
import type { Worker } from './queue.ts'
import type { KnownRunner, Registry } from './registry.ts'

/** A runner on another machine, as the queue sees it: it takes jobs while an exchange of its is held, and only then. */
export type RemoteWorker = Worker & {
  readonly kind: 'remote'
  readonly id: string
  session(): string
  turn(): number
  /** What became of a job that it took: it is sent with the answer; null: nothing, after all. */
  deliver(job: AssignedJob | null): void
}

export type Exchanges = {
  /** One request of a runner and its answer, which may take until there is news. Rejects with a Problem that the runner shows. */
  exchange(runner: string, request: ExchangeRequest, signal: AbortSignal): Promise<ExchangeAnswer>
  statusOf(runner: string): RunnerStatus
  /** There is something to tell this runner. */
  wake(runner: string): void
  /** Answers all that is held. */
  hangUp(): void
}

export type RunnerStatus = {
  readonly labels: readonly string[] | null
  readonly isOnline: boolean
  readonly jobs: number
  readonly parallel: number
  readonly seenAt: number | null
}

/** How long an exchange is held when there is nothing to say: of a runner without jobs, and of one with some, which has more to say soon. */
const idleHoldMs = 20_000
const busyHoldMs = 250
/** A runner that is not heard for longer counts as offline. */
const onlineMs = 30_000

export const createExchanges = (parts: {
  readonly clock: Clock
  readonly version: string
  readonly rules: LeaseRules
  readonly leases: Leases
  readonly registry: Registry
  readonly join: (worker: RemoteWorker) => () => void
  readonly changed: () => void
}): Exchanges => {
  const { clock, rules, leases, registry } = parts
  const known = new Map<string, Line>()
  let isHungUp = false

  const lineOf = ({ runner, name, project }: KnownRunner): Line => {
    const existing = known.get(runner)
    if (existing) return existing
    const line = createLine(runner, name, project, rules.leaseMs)
    known.set(runner, line)
    parts.join(line.worker)
    return line
  }

  const exchange: Exchanges['exchange'] = async (runner, request, signal) => {
    const registered = await registry.find(runner)
    if (!registered) throw superseded()
    // Of another version it may end what it has, and gets no more.
    const isSame = request.version === parts.version
    if (!isSame && request.jobs.length === 0) throw otherVersion(request.version, parts.version)
    const labels = labelsOf(registered, request.labels)
    const line = lineOf(registered)
    line.open(request, labels, clock)
    const receivedMs = clock.monotonicMs()
    const fences = new Set(request.jobs.map(({ fence }) => fence))
    for (const lease of leases.heldBy(runner)) {
      if (fences.has(lease.fence)) lease.heardAtMs = Math.max(lease.heardAtMs, receivedMs)
      else if (endOf(lease, { ...request, fences }, receivedMs, rules))
        await leases.giveBack(lease, `the runner ${lease.name} never received it`, false)
    }
    const answers: Awaited<ReturnType<typeof answerTo>>[] = []
    for (const job of request.jobs) answers.push(await answerTo(runner, job))
    const needsAnswer = answers.some(({ verdict }) => verdict === 'stop' || verdict === 'forget')
    const holdMs =
      request.isHurried || needsAnswer || isHungUp
        ? 0
        : request.jobs.length > 0
          ? busyHoldMs
          : Math.min(idleHoldMs, rules.leaseMs / 3)
    line.offer(isSame ? request.free : 0)
    parts.changed()
    const told = answers.filter(({ lease, verdict }) => lease && verdict !== 'cancel').map(({ lease }) => lease)
    const hasNews = (): boolean =>
      isHungUp || told.some((lease) => lease && (lease.isCancelled || lease.status !== 'held'))
    const assigned = await line.hold(clock, holdMs, hasNews, signal)
    return {
      leaseMs: rules.leaseMs,
      killMarginMs: rules.killMarginMs,
      assigned: assigned.filter(({ fence }) => leases.heldBy(runner).some((lease) => lease.fence === fence)),
      jobs: answers.map(({ fence, lease, verdict, isBegun }) => ({
        fence,
        isBegun,
        verdict: lease ? verdictOf(lease, runner, verdict) : verdict,
        logBytes: lease?.logBytes ?? 0,
      })),
    }
  }

  /** Takes what a runner says about one of its jobs. */
  const answerTo = async (
    runner: string,
    { fence, log, result, interrupted }: HeldJob,
  ): Promise<{ fence: number; lease: HeldLease | undefined; verdict: Verdict; isBegun: boolean }> => {
    const lease = leases.heldBy(runner).find((one) => one.fence === fence)
    if (!lease) return { fence, lease, verdict: judge(await leases.find(fence), runner), isBegun: false }
    if (interrupted !== null) {
      await leases.giveBack(lease, interrupted, true)
      return { fence, lease: undefined, verdict: 'forget', isBegun: false }
    }
    const wanted = lease.isWanted()
    if (wanted === null) return { fence, lease, verdict: 'goes on', isBegun: false }
    if (!(await wanted)) {
      lease.settle({ kind: 'returned', why: 'it is not wanted any more' })
      return { fence, lease, verdict: 'stop', isBegun: false }
    }
    if (log && lease.status === 'held') await leases.log(lease, log)
    if (result && lease.status === 'held') lease.settle({ kind: 'result', result })
    return { fence, lease, verdict: verdictOf(lease, runner, 'goes on'), isBegun: true }
  }

  return {
    exchange,
    statusOf: (runner) => {
      const line = known.get(runner)
      const jobs = leases.heldBy(runner).length
      return line ? { ...line.status(clock), jobs } : { labels: null, isOnline: false, jobs, parallel: 0, seenAt: null }
    },
    wake: (runner) => known.get(runner)?.wake(),
    hangUp: () => {
      isHungUp = true
      for (const line of known.values()) line.wake()
    },
  }
}

const verdictOf = (lease: HeldLease, runner: string, before: Verdict): Verdict => {
  const verdict = before === 'stop' ? 'stop' : judge(lease, runner)
  return verdict === 'goes on' && lease.isCancelled ? 'cancel' : verdict
}

/** One runner's exchanges, of which there is one at a time. */
type Line = {
  readonly worker: RemoteWorker
  open(request: ExchangeRequest, labels: readonly string[], clock: Clock): void
  /** How many more jobs it takes until the exchange is answered. */
  offer(free: number): void
  /** Waits until there is news, a job to give, or the time is over; resolves to the jobs. */
  hold(clock: Clock, holdMs: number, hasNews: () => boolean, signal: AbortSignal): Promise<AssignedJob[]>
  wake(): void
  status(clock: Clock): Omit<RunnerStatus, 'jobs'>
}

const createLine = (id: string, name: string, project: string | null, leaseMs: number): Line => {
  let session = ''
  let turn = 0
  let labels: readonly string[] = []
  let parallel = 0
  let seen: { atMs: number; at: number } | null = null
  let isHeld = false
  let isGone = false
  let free = 0
  /** Jobs that it took and that are being prepared for it. */
  let expected = 0
  let outbox: AssignedJob[] = []
  let news = Promise.withResolvers<void>()
  const wake = (): void => {
    const before = news
    news = Promise.withResolvers()
    before.resolve()
  }
  return {
    worker: {
      kind: 'remote',
      id,
      name,
      project,
      get labels() {
        return labels
      },
      free: () => free,
      took: () => {
        free -= 1
        expected += 1
      },
      left: () => undefined,
      session: () => session,
      turn: () => turn,
      deliver: (job) => {
        expected -= 1
        if (job) outbox.push(job)
        wake()
      },
    },
    open: (request, claimed, clock) => {
      const isSilent = seen === null || clock.monotonicMs() - seen.atMs > leaseMs
      if (!isNext(request, { session, turn, isSilent })) throw superseded()
      wake() // what is still held of it is heard by nobody any more
      outbox = [] // nor was it read: these leases end as never arrived
      session = request.session
      turn = request.turn
      labels = claimed
      parallel = request.parallel
      isGone = request.isFarewell
      seen = { atMs: clock.monotonicMs(), at: clock.now() }
    },
    offer: (count) => {
      free = count
    },
    hold: async (clock, holdMs, hasNews, signal) => {
      const [mySession, myTurn] = [session, turn]
      const isMine = (): boolean => mySession === session && myTurn === turn
      const over = new AbortController()
      let isOver = holdMs === 0
      const end = (): void => {
        isOver = true
        wake()
      }
      signal.addEventListener('abort', end, { once: true })
      if (!isOver) clock.sleep(holdMs, over.signal).then(end, () => undefined)
      isHeld = true
      try {
        for (;;) {
          const { promise } = news // taken before the look, so that what comes after it is not missed
          const isDone = isOver || signal.aborted || outbox.length > 0 || hasNews()
          if (!isMine()) return []
          if (isDone && expected === 0) break
          if (isDone) free = 0
          await promise
        }
        const given = outbox
        outbox = []
        return given
      } finally {
        if (isMine()) {
          free = 0
          isHeld = false
          seen = { atMs: clock.monotonicMs(), at: clock.now() }
        }
        over.abort()
        signal.removeEventListener('abort', end)
      }
    },
    wake,
    status: (clock) => ({
      labels: seen === null ? null : labels,
      isOnline: !isGone && (isHeld || (seen !== null && clock.monotonicMs() - seen.atMs < onlineMs)),
      parallel,
      seenAt: seen?.at ?? null,
    }),
  }
}

/**
 * Whether a request comes after what was heard before: the next turn, or a newer life of the runner, as sessions sort by the time of their
 * beginning. A repeated old one is neither. Where the runner's time of day was set back, its new life has to wait until the old is silent.
 */
const isNext = (
  request: Pick<ExchangeRequest, 'session' | 'turn'>,
  heard: { readonly session: string; readonly turn: number; readonly isSilent: boolean },
): boolean => {
  if (request.session === heard.session) return request.turn > heard.turn
  return request.session > heard.session || (request.turn === 1 && heard.isSilent)
}

/** What every machine of its kind has, and what it claims as far as it may. */
const labelsOf = ({ name, labels: allowed }: KnownRunner, claimed: readonly string[]): string[] => {
  const wanted = normalLabels(claimed)
  if (allowed === null) return wanted
  const refused = wanted.filter((label) => !ownLabels.includes(label) && !hasLabels(allowed, [label]))
  if (refused.length > 0)
    throw new Problem({
      kind: 'label-refused',
      status: 403,
      detail: `the runner ${name} may not claim the labels [${refused.join(', ')}], only [${allowed.join(', ')}]`,
      next: 'leave them out of --labels, or have an administrator register it with them',
    })
  return normalLabels([...wanted, ...allowed])
}

const superseded = (): Problem =>
  new Problem({
    kind: 'runner-superseded',
    status: 409,
    detail: 'another process speaks with this token of a runner, or this request is an old one',
    next: 'one token is for one machine: register each with headway runners create',
  })

const otherVersion = (theirs: string, ours: string): Problem =>
  new Problem({
    kind: 'runner-version',
    status: 409,
    detail: `this runner is version ${theirs}, the server is version ${ours}`,
    next: `install Headway ${ours} on the runner's machine`,
  })
