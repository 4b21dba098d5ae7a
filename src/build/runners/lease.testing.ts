import assert from 'node:assert/strict'
import type { Clock } from '../../clock.ts'
import type { NewFact, RecordedFact } from '../../ledger/fact.ts'
import { fact, isFact } from '../../ledger/fact.ts'
import type { Ledger } from '../../ledger/ledger.ts'
import { TestClock } from '../../testing.ts'
import { jobFinished } from '../facts.ts'
import type { JobOrder } from '../jobs/job.ts'
import type { JobLog } from '../jobs/log.ts'
import { type JobResult, noResult } from '../jobs/result.ts'
import { parseWorkflow } from '../workflow/parse.ts'
import '../engine.ts' // loaded before time stands still
import { jobAssigned, jobReturned } from './facts.ts'
import { leaseRules } from './lease.ts'
import { createPool, type Pool } from './pool.ts'
import type { ExchangeAnswer, ExchangeRequest } from './protocol.ts'
import type { Registry } from './registry.ts'
import type { Guard } from './remote/guard.ts'
import type { KeptJob, Records } from './remote/records.ts'
import { createRunner, type Runner } from './remote/runner.ts'
import type { LeaseRow, LeaseRows } from './views.ts'

/**
 * A world of one server and some runners in which only the time, the network, the disks and the jobs' processes are imitated: what
 * talks and decides is the real thing. Every choice comes from the seed.
 */
export type World = {
  readonly clock: TestClock
  readonly random: (below: number) => number
  /** Kills the server, and starts it again after so long. */
  crashServer(downMs: number): Promise<void>
  readonly runners: readonly TestRunner[]
  /** How requests and answers fare from now on. */
  network: { lostRequests: number; lostAnswers: number; slowest: number; repeated: number }
  /** All facts about jobs so far. */
  facts(): readonly RecordedFact[]
  /** Faults that were seen: a job that ran twice at once. */
  readonly faults: string[]
  readonly completed: Map<string, number>
  isDone(): boolean
  stop(): Promise<void>
}

export type TestRunner = {
  readonly name: string
  /** As kill -9 does: its processes are left to the watchdog, its records stay. */
  crash(): void
  start(): void
  /** As SIGSTOP does: nothing of it goes on, its processes do. */
  freeze(): void
  thaw(): void
  readonly isUp: boolean
}

/** mulberry32: small, and the same everywhere. */
export const randomFrom = (seed: number): ((below: number) => number) => {
  let state = seed >>> 0
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

const memoryLedger = () => {
  const facts: RecordedFact[] = []
  const listeners = new Set<(seq: number) => void>()
  return {
    facts,
    /** What one life of the server has of it; nothing is written once that is over. */
    handle: (isAlive: () => boolean, now: () => number): Pick<Ledger, 'append' | 'read' | 'head' | 'onAppend'> => ({
      append: async (fresh: readonly NewFact[]) => {
        if (!isAlive()) throw new Error('this server is dead')
        const recorded = fresh.map((one, place) => ({ ...one, seq: facts.length + place + 1, at: now() }))
        facts.push(...recorded)
        for (const listener of listeners) listener(facts.length)
        return { kind: 'appended', facts: recorded }
      },
      read: async ({ after = 0, types }) =>
        facts.filter(({ seq, type }) => seq > after && (types === undefined || types.includes(type))),
      head: async () => ({ seq: facts.length, hash: '' }),
      onAppend: (listener) => {
        listeners.add(listener)
        return () => void listeners.delete(listener)
      },
    }),
  }
}

const rowsOf = (facts: readonly RecordedFact[]): LeaseRow[] => {
  const rows = new Map<number, LeaseRow>()
  for (const one of facts) {
    if (isFact(jobAssigned, one)) {
      const { logBytes, ...about } = one.payload
      rows.set(one.seq, { ...about, fence: one.seq, log_bytes: logBytes, status: 'held', is_start: 1, why: null })
    } else if (isFact(jobReturned, one)) {
      const { fence, why, isStart } = one.payload
      const row = rows.get(fence)
      if (row) rows.set(fence, { ...row, status: 'returned', why, is_start: isStart ? 1 : 0 })
    } else if (isFact(jobFinished, one)) {
      for (const [fence, row] of rows)
        if (row.run === one.payload.run && row.job === one.payload.job) rows.set(fence, { ...row, status: 'over' })
    }
  }
  return [...rows.values()]
}

const parsing = parseWorkflow('ci.yml', 'on: push\njobs: { one: { runs-on: linux, steps: [{ run: ":" }] } }')
if (parsing.kind !== 'parsed' || !parsing.workflow.jobs[0]) throw new Error('the workflow of the test is bad')
const { workflow } = parsing
const [job] = workflow.jobs

const orderOf = (key: string): JobOrder =>
  ({
    source: { run: 'run-1', project: 'shop', repository: 'shop', attempt: 1 },
    ...{ workflow, job, key, name: key, secrets: {}, notes: [] },
  }) as unknown as JobOrder

export const noLog: JobLog = {
  write: () => true,
  drained: async () => undefined,
  lastLines: () => [],
  markTail: () => undefined,
  close: async () => undefined,
}

/** A clock that runs this much faster than the world's and stands still for whoever is frozen. */
const clockOf = (world: TestClock, rate: number, thawed: () => Promise<void>): Clock => ({
  now: () => world.now(),
  monotonicMs: () => world.monotonicMs() * rate,
  sleep: async (ms, signal) => {
    await world.sleep(ms / rate, signal)
    await thawed()
    signal?.throwIfAborted()
  },
})

export const createWorld = async (options: {
  seed: number
  jobs: number
  runners: number
  /** How unequally fast the clocks run: 0.01 is one in a hundred. */
  drift?: number
  /** By how much longer than the server's leases are the runners are told that they are. */
  lieMs?: number
}): Promise<World> => {
  const random = randomFrom(options.seed)
  const clock = new TestClock()
  const ledger = memoryLedger()
  const faults: string[] = []
  const completed = new Map<string, number>()
  const logs = new Map<string, string>()
  const network: World['network'] = { lostRequests: 0, lostAnswers: 0, slowest: 20, repeated: 0 }
  /** What really runs: the processes of jobs, by job. */
  const living = new Map<string, Set<Living>>()
  const keys = Array.from({ length: options.jobs }, (_, place) => `job-${place + 1}`)
  const drift = options.drift ?? 0.01

  let life = 0
  let pool: Pool | null = null
  let dying = new AbortController()

  const registry = {
    find: async (runner: string) => ({
      runner,
      name: runner,
      labels: null,
      project: null,
      registeredAt: 0,
      revokedAt: null,
    }),
    list: async () => [],
    localLabels: async () => [],
  } as unknown as Registry
  const rows: LeaseRows = {
    open: async () => rowsOf(ledger.facts).filter(({ status }) => status !== 'over'),
    find: async (fence) => rowsOf(ledger.facts).find((row) => row.fence === fence),
  }

  const startServer = async (): Promise<void> => {
    life += 1
    const mine = life
    const isAlive = (): boolean => life === mine
    dying = new AbortController()
    const handle = ledger.handle(isAlive, () => clock.now())
    const fresh = createPool({
      ledger: handle,
      registry,
      rows,
      clock,
      logs: {
        wholeBytes: async (_run, job) => Buffer.byteLength(logs.get(job) ?? ''),
        put: async (_run, job, position, text) => {
          if (isAlive()) logs.set(job, `${(logs.get(job) ?? '').slice(0, position)}${text}`)
        },
      },
      version: '1',
      local: () => Promise.reject(new Error('nothing runs here')),
      parallelJobs: 0,
      labels: [],
      serverUrl: () => 'http://server',
      services: null,
      library: null,
      report: (message) => {
        if (isAlive()) faults.push(message)
      },
    })
    await fresh.start()
    pool = fresh
    for (const key of keys) void conduct(fresh, handle, key, dying.signal, isAlive)
  }

  /** What conducts a run does with each of its jobs. */
  const conduct = async (
    on: Pool,
    handle: Pick<Ledger, 'append'>,
    key: string,
    kill: AbortSignal,
    isAlive: () => boolean,
  ): Promise<void> => {
    const isOver = ledger.facts.some((one) => isFact(jobFinished, one) && one.payload.job === key)
    if (isOver) return
    const signals = { cancel: new AbortController().signal, kill }
    const begun = { log: noLog, mayRun: Promise.resolve(true) }
    try {
      const end = await on.executor.execute(orderOf(key), { labels: ['linux'] }, async () => begun, signals)
      const result =
        end.kind === 'ended'
          ? end.result
          : { ...noResult, conclusion: 'failure' as const, failure: end.kind === 'refused' ? end.failure : null }
      const { conclusion, outputs, failure } = result
      const payload = { run: 'run-1', job: key, conclusion, outputs, steps: [], failure }
      await handle.append([fact(jobFinished, { subject: 'run:run-1', actor: 'system:build', payload })])
    } catch (error) {
      if (isAlive()) faults.push(`${key}: ${String(error)}`)
    }
  }

  /** A request on its way to the server and the answer on its way back. */
  const send = async (
    runner: string,
    request: ExchangeRequest,
    signal: AbortSignal,
    isUp: () => boolean,
  ): Promise<ExchangeAnswer> => {
    const travel = (): Promise<void> => clock.sleep(random(network.slowest) + 1, signal)
    const copy: ExchangeRequest = JSON.parse(JSON.stringify(request))
    await travel()
    if (random(100) < network.lostRequests) return silence(signal)
    if (random(100) < network.repeated)
      void clock
        .sleep(random(60_000))
        .then(() => pool?.exchange(runner, copy, AbortSignal.abort()).catch(() => undefined))
    if (pool === null) throw new Error('the server is down')
    const mine = life
    const gone = AbortSignal.any([signal, dying.signal])
    const answer = await Promise.race([pool.exchange(runner, copy, gone), silence(gone)])
    if (mine !== life) throw new Error('the server went down')
    await travel()
    if (random(100) < network.lostAnswers) return silence(signal)
    if (!isUp()) return silence(signal)
    return JSON.parse(JSON.stringify({ ...answer, leaseMs: answer.leaseMs + (options.lieMs ?? 0) }))
  }

  const runners = Array.from({ length: options.runners }, (_, place): TestRunner => {
    const rate = 1 + (random(2001) - 1000) * 0.001 * drift
    return createTestRunner({ name: `runner-${place + 1}`, clock, rate, random, send, living, completed, faults })
  })
  await startServer()
  for (const runner of runners) runner.start()

  return {
    clock,
    random,
    network,
    runners,
    faults,
    completed,
    facts: () => ledger.facts,
    isDone: () => keys.every((key) => ledger.facts.some((one) => isFact(jobFinished, one) && one.payload.job === key)),
    crashServer: async (downMs) => {
      life += 1
      dying.abort(new Error('killed'))
      pool?.stop()
      pool = null
      void clock.sleep(downMs).then(startServer)
    },
    stop: async () => {
      for (const runner of runners) runner.crash()
      life += 1
      dying.abort(new Error('over'))
      pool?.stop()
      await clock.advance(10_000)
    },
  }
}

const silence = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason)
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })

/** A job's processes: they end by themselves, or are killed, which takes a moment. */
type Living = {
  readonly job: string
  readonly by: string
  readonly end: Promise<'itself' | 'killed'>
  kill(): Promise<void>
}

const createTestRunner = (parts: {
  name: string
  clock: TestClock
  rate: number
  random: (below: number) => number
  send: (runner: string, request: ExchangeRequest, signal: AbortSignal, isUp: () => boolean) => Promise<ExchangeAnswer>
  living: Map<string, Set<Living>>
  completed: Map<string, number>
  faults: string[]
}): TestRunner => {
  const { name, clock, rate, random, send, living, completed, faults } = parts
  const kept = new Map<number, { kept: KeptJob; result: JobResult | null }>()
  const spool = new Map<number, string>()
  const mine = new Map<number, Living>()
  let life = 0
  let runner: Runner | null = null
  let thaw: { readonly promise: Promise<void>; resolve(): void } | null = null
  const thawed = async (): Promise<void> => {
    while (thaw) await thaw.promise
  }

  const live = (fence: number, job: string): Living => {
    const { promise, resolve } = Promise.withResolvers<'itself' | 'killed'>()
    const others = living.get(job) ?? new Set<Living>()
    living.set(job, others)
    const over = new AbortController()
    const one: Living = {
      job,
      by: `${name} (${fence})`,
      end: promise,
      kill: async () => {
        if (!others.has(one)) return
        await clock.sleep(random(4000)) // it is long in dying
        leave('killed')
      },
    }
    const leave = (how: 'itself' | 'killed'): void => {
      if (!others.delete(one)) return
      over.abort()
      mine.delete(fence)
      if (how === 'itself') completed.set(job, (completed.get(job) ?? 0) + 1)
      resolve(how)
    }
    if (others.size > 0)
      faults.push(`${job} runs at ${[...others, one].map(({ by }) => by).join(' and at ')} at ${clock.monotonicMs()}`)
    others.add(one)
    mine.set(fence, one)
    clock.sleep(1000 + random(120_000), over.signal).then(
      () => leave('itself'),
      () => undefined,
    )
    return one
  }

  /** The watchdog: a process of its own, which is neither frozen nor killed with the runner. */
  const guarded = new Map<number, number>()
  const watchdog = async (): Promise<void> => {
    for (;;) {
      await clock.sleep(leaseRules.killTickMs)
      for (const [fence, killAt] of guarded) if (clock.monotonicMs() * rate >= killAt) void mine.get(fence)?.kill()
    }
  }
  void watchdog()

  const records = (isUp: () => boolean): Records => ({
    list: async () => [...kept.values()],
    begin: async (job) => {
      await thawed()
      if (isUp()) kept.set(job.fence, { kept: job, result: null })
    },
    logFile: String,
    readLog: async (fence, offset) => ({ text: (spool.get(fence) ?? '').slice(offset), isAll: true }),
    end: (fence, result) => {
      const known = kept.get(fence)
      if (isUp() && known) kept.set(fence, { ...known, result })
    },
    drop: async (fence) => {
      if (isUp()) kept.delete(fence)
    },
  })
  const guard = (isUp: () => boolean): Guard => ({
    watch: async ({ fence }, killAt) => {
      if (isUp()) guarded.set(fence, killAt)
    },
    renew: (fence, killAt) => {
      if (isUp()) guarded.set(fence, Math.max(guarded.get(fence) ?? 0, killAt))
    },
    release: (fence) => {
      if (isUp()) guarded.delete(fence)
    },
    close: async () => undefined,
  })

  const start = (): void => {
    life += 1
    const born = life
    const isUp = (): boolean => life === born
    const dead = new Promise<never>(() => undefined)
    runner = createRunner({
      exchange: async (request, signal) => {
        await thawed()
        const answer = await send(name, request, signal, isUp)
        await thawed()
        return isUp() ? answer : dead
      },
      work: {
        noteOf: ({ fence, order }) => ({ fence, run: 'run-1', key: order.key, marker: '', directory: '' }),
        perform: async ({ fence, order }, _file, { kill }) => {
          await thawed()
          if (!isUp()) return dead
          spool.set(fence, `${name} begins\n`)
          const process = live(fence, order.key)
          kill.addEventListener('abort', () => void process.kill(), { once: true })
          const how = await process.end
          await thawed()
          if (!isUp()) return dead
          kill.throwIfAborted()
          spool.set(fence, `${name} begins\n${name} ends\n`)
          return {
            ...noResult,
            conclusion: how === 'itself' ? 'success' : 'failure',
            failure: null,
            outputs: { fence: String(fence) },
          }
        },
        endLeftovers: async ({ fence }) => {
          await mine.get(fence)?.kill()
          await mine.get(fence)?.end
        },
      },
      records: records(isUp),
      guard: guard(isUp),
      clock: clockOf(clock, rate, async () => {
        await thawed()
        if (!isUp()) await dead
      }),
      session: `${name}-${String(born).padStart(4, '0')}`,
      version: '1',
      labels: ['linux'],
      parallel: 2,
      say: () => undefined,
    })
    runner.run().catch((error: unknown) => {
      if (isUp()) faults.push(`${name}: ${String(error)}`)
    })
  }
  return {
    name,
    start,
    get isUp() {
      return runner !== null
    },
    crash: () => {
      life += 1
      runner = null
      thaw?.resolve()
      thaw = null
      // Its end is what the watchdog's standard input tells.
      for (const fence of guarded.keys()) void mine.get(fence)?.kill()
      guarded.clear()
    },
    freeze: () => {
      thaw ??= Promise.withResolvers()
    },
    thaw: () => {
      const before = thaw
      thaw = null
      before?.resolve()
    },
  }
}

/** What must hold of the facts at the end: each job ended once, with what was reported under the last of its leases. */
export const checkFacts = (facts: readonly RecordedFact[]): void => {
  const ends = facts.filter((one) => isFact(jobFinished, one))
  const keys = ends.map((one) => (isFact(jobFinished, one) ? one.payload.job : ''))
  assert.deepEqual(keys.toSorted(), [...new Set(keys)].toSorted(), 'a job ended twice')
  for (const end of ends) {
    if (!isFact(jobFinished, end) || end.payload.outputs.fence === undefined) continue
    const { job, outputs } = end.payload
    const fences = facts.filter((one) => isFact(jobAssigned, one) && one.payload.job === job && one.seq < end.seq)
    assert.equal(Number(outputs.fence), fences.at(-1)?.seq, `${job} ended with what an older lease reported`)
  }
}
