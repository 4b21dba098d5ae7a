import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTestApi, type TestApi } from '../../api/testing.ts'
import { isFact } from '../../ledger/fact.ts'
import { openTestLedger, type TestLedger } from '../../ledger/testing.ts'
import { defaultProject } from '../../names.ts'
import { TestClock, testIds } from '../../testing.ts'
import { buildFacts } from '../facts.ts'
import type { JobOrder } from '../jobs/job.ts'
import { noResult } from '../jobs/result.ts'
import type { BeginJob, JobExecutor } from './executor.ts'
import { jobKeptWaiting } from './facts.ts'
import { noLog } from './lease.testing.ts'
import { createPool, type Pool } from './pool.ts'
import type { ExchangeRequest } from './protocol.ts'
import { createRegistry, isRunnerToken } from './registry.ts'
import { runnerRoutes } from './routes.ts'
import { leaseRows, runnersView } from './views.ts'

type TestPool = AsyncDisposable & { readonly pool: Pool; readonly clock: TestClock; readonly opened: TestLedger }

/** A pool on a real ledger whose own runner's jobs all succeed at once, when they are let. */
const openTestPool = async (local: JobExecutor = succeeding): Promise<TestPool> => {
  const clock = new TestClock()
  const opened = await openTestLedger({ definitions: buildFacts, views: [runnersView], clock })
  const { ledger, views, store } = opened
  const pool = createPool({
    ...{ ledger, clock, version: '1', parallelJobs: 1, labels: [], library: null, services: null },
    registry: createRegistry({ ledger, views, store, ids: testIds(), now: () => clock.now() }),
    rows: leaseRows(store, views),
    logs: { wholeBytes: async () => 0, put: async () => undefined },
    local: async () => local,
    serverUrl: () => 'http://server',
    report: (message) => assert.fail(message),
  })
  await pool.start()
  return {
    pool,
    clock,
    opened,
    [Symbol.asyncDispose]: async () => {
      pool.stop()
      await opened[Symbol.asyncDispose]()
    },
  }
}

const succeeding: JobExecutor = {
  execute: async () => ({
    kind: 'ended',
    result: { ...noResult, conclusion: 'success', failure: null },
    runner: 'local',
    cleaned: Promise.resolve(),
  }),
}

const order = (key: string): JobOrder =>
  ({
    source: { run: 'run-1', project: 'default', repository: 'shop', attempt: 1 },
    key,
    name: key,
  }) as unknown as JobOrder

const asked = (about: Partial<ExchangeRequest> = {}): ExchangeRequest => ({
  ...{
    session: 'session-1',
    turn: 1,
    version: '1',
    labels: ['gpu'],
    parallel: 1,
    free: 0,
    jobs: [],
    isHurried: true,
    isFarewell: false,
  },
  ...about,
})

const signals = () => {
  const cancel = new AbortController()
  return { cancel, both: { cancel: cancel.signal, kill: new AbortController().signal } }
}
const never = new AbortController().signal
const unwanted: BeginJob = async () => ({ log: noLog, mayRun: Promise.resolve(false) })

test('a job that asks for what is not there is told to wait, once and with the reason; with the label it runs', async () => {
  await using test = await openTestPool()
  const { pool, clock, opened } = test
  const execution = pool.executor.execute(order('train'), { labels: ['gpu'] }, unwanted, signals().both)
  await until(async () => (await pool.waiting('run-1')).length === 1)
  const why = 'no runner with labels [gpu]; runners: local '
  assert.match((await pool.waiting('run-1'))[0]?.why ?? '', new RegExp(why.replace(/[[\]]/g, '\\$&')))
  await clock.advance(10_000)
  const told = async () => (await opened.ledger.read({})).filter((one) => isFact(jobKeptWaiting, one))
  await until(async () => (await told()).length > 0)
  const [first, ...others] = await told()
  assert.deepEqual(others, [])
  assert.ok(first && isFact(jobKeptWaiting, first) && first.payload.why.startsWith(why))
  await pool.labelLocal(['gpu'], 'user:admin')
  assert.equal((await execution).kind, 'ended')
  assert.deepEqual(await pool.waiting(), [])
})

test('after a day without a runner a job fails with the reason', async () => {
  await using test = await openTestPool()
  const { pool, clock } = test
  const execution = pool.executor.execute(order('train'), { labels: ['gpu'] }, unwanted, signals().both)
  await until(async () => (await pool.waiting()).length === 1)
  await clock.advance(10_000)
  await until(async () => clock.sleeping > 0)
  await clock.advance(24 * 60 * 60_000)
  const ended = await execution
  assert.match(
    ended.kind === 'refused' ? ended.failure.detail : ended.kind,
    /no runner has taken the job within 24 hours: no runner with labels \[gpu\]/,
  )
})

test('a job for a machine that only GitHub hosts is refused, and one that is cancelled while it waits never begins', async () => {
  await using test = await openTestPool()
  const { pool } = test
  const windows = await pool.executor.execute(order('win'), { labels: ['windows-latest'] }, unwanted, signals().both)
  assert.match(
    windows.kind === 'refused' ? windows.failure.detail : windows.kind,
    /only GitHub hosts windows-latest machines/,
  )
  const { cancel, both } = signals()
  const execution = pool.executor.execute(order('train'), { labels: ['gpu'] }, unwanted, both)
  await until(async () => (await pool.waiting()).length === 1)
  cancel.abort()
  assert.deepEqual(await execution, { kind: 'not begun' })
})

test('a thousand jobs that wait have their turn one after another', async () => {
  const order_: string[] = []
  const local: JobExecutor = {
    execute: async (one, ...rest) => {
      order_.push(one.key)
      return succeeding.execute(one, ...rest)
    },
  }
  await using test = await openTestPool(local)
  const keys = Array.from({ length: 1000 }, (_, place) => `job-${place}`)
  await Promise.all(
    keys.map((key) => test.pool.executor.execute(order(key), { labels: ['ubuntu-latest'] }, unwanted, signals().both)),
  )
  assert.deepEqual(order_, keys)
})

test('what a runner says is refused with the reason: another version, a label it may not claim, an old request', async () => {
  await using test = await openTestPool()
  const { pool } = test
  const { runner } = await pool.registry.register(
    { name: 'big', labels: ['gpu'], project: defaultProject },
    'user:admin',
  )
  const say = (about: Partial<ExchangeRequest>) => pool.exchange(runner.runner, asked(about), never)
  await assert.rejects(say({ version: '2' }), /this runner is version 2, the server is version 1/)
  await assert.rejects(say({ labels: ['gpu', 'production'] }), /may not claim the labels \[production\], only \[gpu\]/)
  assert.deepEqual(await say({ turn: 2 }), { leaseMs: 60_000, killMarginMs: 10_000, assigned: [], jobs: [] })
  await assert.rejects(say({ turn: 2 }), /an old one/)
  await assert.rejects(say({ session: 'session-0', turn: 1 }), /an old one/)
  await say({ session: 'session-2', turn: 1 })
  await assert.rejects(say({ turn: 3 }), /another process speaks with this token/)
  const unknown = { fence: 17, log: null, result: null, interrupted: null }
  const { jobs } = await say({ session: 'session-2', turn: 2, jobs: [unknown] })
  assert.deepEqual(jobs, [{ fence: 17, verdict: 'stop', isBegun: false, logBytes: 0 }])
})

test('a runner that says farewell is offline at once, until it comes again', async () => {
  await using test = await openTestPool()
  const { runner } = await test.pool.registry.register({ name: 'big', labels: null, project: null }, 'user:admin')
  const stateAfter = async (about: Partial<ExchangeRequest>) => {
    await test.pool.exchange(runner.runner, asked(about), never)
    return (await test.pool.runners()).find(({ name }) => name === 'big')?.state
  }
  const states = [
    await stateAfter({}),
    await stateAfter({ turn: 2, isFarewell: true }),
    await stateAfter({ session: 'session-2' }),
  ]
  assert.deepEqual(states, ['online', 'offline', 'online'])
})

test('a result counts only under the lease that holds, and only from its runner', async () => {
  await using test = await openTestPool()
  const { pool, opened } = test
  const [one, other] = await Promise.all(
    ['one', 'other'].map((name) => pool.registry.register({ name, labels: null, project: null }, 'user:admin')),
  )
  if (!one || !other) throw new Error('both are registered')
  const result = { ...noResult, conclusion: 'success' as const, failure: null }
  const claimed = { fence: 0, log: null, result, interrupted: null }
  const foreign = await pool.exchange(other.runner.runner, asked({ jobs: [{ ...claimed, fence: 1 }] }), never)
  assert.equal(foreign.jobs[0]?.verdict, 'stop')
  assert.deepEqual(
    (await opened.ledger.read({})).map(({ type }) => type),
    ['runner.registered', 'runner.registered'],
  )
})

test('runners are made, listed and ended by administrators; their tokens open nothing but their own door', async () => {
  await using test = await openTestPool()
  const { pool } = test
  const identify = (opened: TestApi) => ({
    identify: async (token: string) => (await pool.registry.identify(token)) ?? opened.access.identify(token),
  })
  await using plain = await openTestApi()
  await using api = await openTestApi({ routes: [runnerRoutes(pool)], api: { access: identify(plain) } })
  const administrator = await plain.token('administrator', null)
  const made = await api.read(administrator, 'POST', '/api/v1/runners', { name: 'big', labels: ['GPU'] })
  assert.ok(isRunnerToken(made.secret))
  assert.equal((await api.call(administrator, 'POST', '/api/v1/runners', { name: 'big' })).status, 409)
  assert.equal((await api.call(administrator, 'POST', '/api/v1/runners', { name: 'local' })).status, 400)
  const { runners } = await api.read(administrator, 'GET', '/api/v1/runners')
  assert.deepEqual(
    runners.map(({ name, state }: { name: string; state: string }) => [name, state]),
    [
      ['local', 'online'],
      ['big', 'offline'],
    ],
  )
  assert.ok(!JSON.stringify(runners).includes(made.secret))
  const exchanged = await api.call(made.secret, 'POST', '/api/v1/runner/exchange', asked())
  assert.equal(exchanged.status, 200)
  for (const path of ['/api/v1/me', '/api/v1/runners', '/api/v1/tokens'])
    assert.equal((await api.call(made.secret, 'GET', path)).status, 403, path)
  assert.equal((await api.call(administrator, 'POST', '/api/v1/runner/exchange', asked())).status, 403)
  await api.call(administrator, 'DELETE', `/api/v1/runners/${made.runner}`)
  assert.equal((await api.call(made.secret, 'POST', '/api/v1/runner/exchange', asked({ turn: 2 }))).status, 401)
})

/** Looks again each time the event loop has come round, as the ledger lives in a thread of its own. */
const until = async (isSo: () => Promise<boolean>): Promise<void> => {
  for (let round = 0; round < 20_000 && !(await isSo()); round += 1)
    await new Promise((resolve) => setImmediate(resolve))
}
