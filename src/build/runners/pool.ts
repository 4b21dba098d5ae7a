import type { Clock } from '../../clock.ts'
import { fact } from '../../ledger/fact.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { describeError } from '../../problem.ts'
import type { ActionFinding, ActionLibrary } from '../actions/library.ts'
import type { RemoteReference } from '../actions/reference.ts'
import { failureFor } from '../failure.ts'
import type { RunSource } from '../jobs/contexts.ts'
import type { JobOrder, JobServices } from '../jobs/job.ts'
import type { LogBook } from '../logs.ts'
import { maximumStarts } from '../run.ts'
import { createExchanges, type RemoteWorker } from './exchange.ts'
import type { BeginJob, Execution, JobExecutor } from './executor.ts'
import { jobKeptWaiting } from './facts.ts'
import { isHostedElsewhere, localLabels, normalLabels } from './labels.ts'
import { type LeaseRules, leaseRules } from './lease.ts'
import { createLeases, type HeldLease } from './leases.ts'
import type { ExchangeAnswer, ExchangeRequest, RunnerBody, WaitingJob } from './protocol.ts'
import { createQueue, type Seat, serves, type Ticket, type Worker } from './queue.ts'
import type { Registry } from './registry.ts'
import type { LeaseRows } from './views.ts'
import { type Candidate, neverTaken, whyWaiting } from './waiting.ts'

export type PoolParts = {
  readonly ledger: Pick<Ledger, 'append' | 'read' | 'head' | 'onAppend'>
  readonly registry: Registry
  readonly rows: LeaseRows
  readonly clock: Clock
  readonly logs: Pick<LogBook, 'wholeBytes' | 'put'>
  readonly version: string
  /** Runs a job on this machine at once; asked for with the first job. */
  readonly local: () => Promise<JobExecutor>
  /** How many jobs this machine runs at the same time. */
  readonly parallelJobs: number
  /** Its labels, besides those that it always has and those that an administrator gave it. */
  readonly labels: readonly string[]
  readonly serverUrl: () => string
  /** Where the actions of a job on another machine are found; null: it has only those that come with Headway. */
  readonly library: ActionLibrary | null
  /** What the actions of a job on another machine are given. */
  readonly services: JobServices | null
  readonly report: (message: string) => void
  readonly rules?: LeaseRules
}

/** All that runs jobs: this machine's own runner and those on others. */
export type Pool = {
  readonly executor: JobExecutor
  readonly registry: Registry
  exchange(runner: string, request: ExchangeRequest, signal: AbortSignal): Promise<ExchangeAnswer>
  /** An action for a job that a runner has; null: it has no such job. */
  findAction(runner: string, fence: number, reference: RemoteReference): Promise<ActionFinding | null>
  /** The jobs of a run, or all, that have no runner yet, the next hundred first. */
  waiting(run?: string): Promise<WaitingJob[]>
  runners(): Promise<RunnerBody[]>
  /** Gives the server's own runner these labels besides those that it always has. */
  labelLocal(labels: readonly string[], actor: string): Promise<void>
  start(): Promise<void>
  /** Lets go of the exchanges that are held. */
  hangUp(): void
  stop(): void
}

type LocalWorker = Worker & { readonly kind: 'local'; labels: readonly string[]; jobs(): number }
type AnyWorker = LocalWorker | RemoteWorker

/** A runner may be about to connect (Headway was just started): only then is a job said to be stuck. */
const untilStuckMs = 5000
/** Nobody reads why more jobs than these wait. */
const mostTold = 100
/** GitHub ends a job for self-hosted runners that nobody has taken within a day (docs.github.com, "Usage limits"). */
const longestWaitMs = 24 * 60 * 60_000

export const createPool = (parts: PoolParts): Pool => {
  const { ledger, registry, clock, report, rules = leaseRules } = parts
  const queue = createQueue<AnyWorker>()
  const leases = createLeases({ ...parts, rules, news: (runner) => exchanges.wake(runner) })
  const exchanges = createExchanges({ ...parts, rules, leases, join: queue.join, changed: queue.changed })
  /** What is held by runners on other machines, by fencing token. */
  const sources = new Map<number, RunSource>()
  const here = localWorker(parts.parallelJobs)
  let stopFollowing = (): void => undefined

  const candidates = async (): Promise<Candidate[]> => {
    const known = (await registry.list()).filter(({ revokedAt }) => revokedAt === null)
    const local = { name: here.name, labels: here.labels, project: null, isOnline: true, jobs: here.jobs() }
    return [
      { ...local, parallel: parts.parallelJobs },
      ...known.map(({ runner, name, project }) => ({ name, project, ...exchanges.statusOf(runner) })),
    ]
  }

  /** A job that is to be run, from when it may to its end. */
  const execute: JobExecutor['execute'] = async (order, demand, begin, signals) => {
    const { source, key, name } = order
    const { run, project } = source
    const ticket = { project, run, job: key, name, labels: demand.labels, since: clock.now() }
    const known = leases.heldFor(run, key)
    if (known) {
      const share = queue.occupy(ticket)
      const end = await holdLease(known, source, (runner) => begin(runner, true), signals).finally(share.leave)
      if (end !== 'again') return end
    }
    for (;;) {
      const lost = leases.lost(run, key)
      if (lost && lost.times >= maximumStarts)
        return refused(order, `${lost.why}; it was started ${lost.times} times and is not started again`)
      const seat = await seatFor(ticket, signals)
      if (seat === null || 'refusal' in seat)
        return seat === null ? { kind: 'not begun' } : refused(order, seat.refusal)
      try {
        if (seat.worker.kind === 'local') return await (await parts.local()).execute(order, demand, begin, signals)
        const lease = await assign(order, ticket, seat.worker)
        const end = await holdLease(lease, source, begin, signals)
        if (end !== 'again') return end
      } finally {
        seat.leave()
      }
    }
  }

  /** Waits for a runner; null when the job is cancelled before there is one, a reason when there never will be. */
  const seatFor = async (
    ticket: Ticket,
    signals: { cancel: AbortSignal; kill: AbortSignal },
  ): Promise<Seat<AnyWorker> | { refusal: string } | null> => {
    const never = ticket.labels.some(isHostedElsewhere) ? neverTaken(ticket, await candidates()) : null
    if (never !== null) return { refusal: never }
    const over = new AbortController()
    let taken: Seat<AnyWorker> | { refusal: string } | null = null
    const seat = queue.wait(ticket, AbortSignal.any([signals.cancel, signals.kill, over.signal]))
    try {
      taken = await Promise.race([seat, watchOver(ticket, over.signal)])
      return taken
    } catch {
      signals.kill.throwIfAborted()
      return null
    } finally {
      over.abort()
      const giveUp = (late: Seat<AnyWorker>): void => {
        if (late === taken) return
        if (late.worker.kind === 'remote') late.worker.deliver(null)
        late.leave()
      }
      seat.then(giveUp, () => undefined)
    }
  }

  /** Says once why a job is stuck, and after a day that it is no use. Never resolves otherwise; ends with the signal. */
  const watchOver = async (ticket: Ticket, signal: AbortSignal): Promise<{ refusal: string }> => {
    try {
      await clock.sleep(untilStuckMs, signal)
      const wait = serves(here, ticket) ? null : await waitOf(ticket)
      if (wait?.isStuck) {
        const { run, job, name, labels } = ticket
        const { why } = wait
        const payload = { run, job, name, labels: [...labels], why }
        await ledger.append([fact(jobKeptWaiting, { subject: `run:${run}`, actor: 'system:build', payload })])
      }
      await clock.sleep(longestWaitMs - untilStuckMs, signal)
      return { refusal: `no runner has taken the job within 24 hours: ${(await waitOf(ticket)).why}` }
    } catch (error) {
      if (!signal.aborted) report(`looking why ${ticket.run}/${ticket.job} waits: ${describeError(error)}`)
      return new Promise(() => undefined)
    }
  }

  const waitOf = async (ticket: Ticket) =>
    whyWaiting(ticket, await candidates(), Math.max(0, queue.waiting().indexOf(ticket)))

  /** Gives a job to a runner on another machine: recorded first, sent after. */
  const assign = async (order: JobOrder, { run, job }: Ticket, worker: RemoteWorker): Promise<HeldLease> => {
    try {
      const variables = (await parts.services?.variablesFor(order)) ?? {}
      const token = (await parts.services?.tokenFor(order)) ?? ''
      const { id, name, session, turn } = worker
      const { attempt } = order.source
      const lease = await leases.assign({ run, job, attempt, runner: id, name, session: session(), turn: turn() })
      const only = await onlyOf(order)
      const lost = leases.lost(run, job)
      const again = lost ? [`${lost.why}; the job is started over (${lost.times + 1} of ${maximumStarts})`] : []
      worker.deliver({
        ...{ fence: lease.fence, runner: name, variables, token, serverUrl: parts.serverUrl() },
        order: { ...only, notes: [...only.notes, ...again] },
      })
      return lease
    } catch (error) {
      worker.deliver(null)
      throw error
    }
  }

  /** Waits for the end of a job on another machine; `again` when it has to be started over. */
  const holdLease = async (
    lease: HeldLease,
    source: RunSource,
    begin: BeginJob,
    { cancel, kill }: { cancel: AbortSignal; kill: AbortSignal },
  ): Promise<Execution | 'again'> => {
    let isUnwanted = false
    sources.set(lease.fence, source)
    lease.attach(async () => {
      const { mayRun } = await begin(lease.name)
      isUnwanted = !(await mayRun)
      return !isUnwanted
    })
    const tellCancel = (): void => {
      lease.isCancelled = true
      exchanges.wake(lease.runner)
    }
    if (cancel.aborted) tellCancel()
    cancel.addEventListener('abort', tellCancel)
    const killed = Promise.withResolvers<never>()
    const onKill = (): void => killed.reject(kill.reason)
    kill.addEventListener('abort', onKill)
    killed.promise.catch(() => undefined)
    try {
      kill.throwIfAborted()
      const end = await Promise.race([lease.ended, killed.promise])
      if (isUnwanted) return { kind: 'not begun' }
      if (end.kind === 'result')
        return { kind: 'ended', result: end.result, runner: lease.name, cleaned: Promise.resolve() }
      if (cancel.aborted) return { kind: 'not begun' }
      return 'again'
    } finally {
      sources.delete(lease.fence)
      cancel.removeEventListener('abort', tellCancel)
      kill.removeEventListener('abort', onKill)
    }
  }

  const relabel = async (): Promise<void> => {
    here.labels = normalLabels([...localLabels, ...parts.labels, ...(await registry.localLabels())])
    queue.changed()
  }

  return {
    executor: { execute },
    registry,
    exchange: exchanges.exchange,
    findAction: async (runner, fence, reference) => {
      const isItsOwn = leases.heldBy(runner).some((lease) => lease.fence === fence)
      const source = isItsOwn ? sources.get(fence) : undefined
      return (source && (await parts.library?.find(reference, source))) ?? null
    },
    waiting: async (run) => {
      const all = [...queue.waiting().entries()]
      const wanted = all.filter(([, ticket]) => run === undefined || ticket.run === run).slice(0, mostTold)
      if (wanted.length === 0) return []
      const known = await candidates()
      return wanted.map(([before, ticket]) => {
        const { labels, since, job, name } = ticket
        return { run: ticket.run, job, name, labels: [...labels], since, ...whyWaiting(ticket, known, before) }
      })
    },
    runners: async () => {
      const local = {
        runner: 'local',
        name: 'local',
        labels: [...here.labels],
        project: null,
        state: 'online' as const,
      }
      const known = await registry.list()
      return [
        { ...local, jobs: here.jobs(), parallel: parts.parallelJobs, seenAt: clock.now(), registeredAt: null },
        ...known.map((one): RunnerBody => {
          const { labels, isOnline, jobs, parallel, seenAt } = exchanges.statusOf(one.runner)
          const state = one.revokedAt !== null ? 'revoked' : isOnline ? 'online' : 'offline'
          const { runner, name, project, registeredAt } = one
          return { runner, name, project, registeredAt, state, jobs, parallel, seenAt, labels: labels && [...labels] }
        }),
      ]
    },
    labelLocal: async (labels, actor) => {
      await registry.label(labels, actor)
      await relabel()
    },
    start: async () => {
      await leases.start()
      await relabel()
      stopFollowing = queue.join(here)
    },
    hangUp: exchanges.hangUp,
    stop: () => {
      stopFollowing()
      exchanges.hangUp()
      leases.stop()
    },
  }
}

const localWorker = (parallel: number): LocalWorker => {
  let jobs = 0
  return {
    kind: 'local',
    name: 'local',
    labels: localLabels,
    project: null,
    free: () => parallel - jobs,
    took: () => {
      jobs += 1
    },
    left: () => {
      jobs -= 1
    },
    jobs: () => jobs,
  }
}

/** A job as its runner may see it: the workflow's other jobs and their secrets are none of its business. */
const onlyOf = async (order: JobOrder): Promise<JobOrder> => {
  const { namesInWorkflow } = await import('../engine.ts')
  const workflow = { ...order.workflow, jobs: [order.job] }
  const names = new Set(namesInWorkflow(workflow).secrets.map((name) => name.toLowerCase()))
  const secrets = Object.entries(order.secrets).filter(([name]) => names.has(name.toLowerCase()))
  return { ...order, workflow, secrets: Object.fromEntries(secrets) }
}

const refused = (order: JobOrder, detail: string): Execution => ({
  kind: 'refused',
  failure: failureFor(detail, { job: order.name }),
})
