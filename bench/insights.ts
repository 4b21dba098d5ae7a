import { join } from 'node:path'
import { assess, measure } from '../src/learn/dora/assess.ts'
import type { Span } from '../src/learn/dora/calendar.ts'
import { type Changes, collect, grainMs, rowOfCell } from '../src/learn/dora/cells.ts'
import { answerDora, type DoraQuestion } from '../src/learn/dora/question.ts'
import { deliveryDeployed } from '../src/learn/facts.ts'
import type { CommitRow, DeploymentRow, DoraTables } from '../src/learn/tables.ts'
import { doraView } from '../src/learn/views.ts'
import { fact } from '../src/ledger/fact.ts'
import type { View } from '../src/ledger/ledger.ts'
import { ledgerMigrations } from '../src/ledger/migrations.ts'
import { openLedger } from '../src/ledger/open.ts'
import { openTestLedger, type TestLedger } from '../src/ledger/testing.ts'
import { openViews } from '../src/ledger/views.ts'
import { EnvironmentName, ProjectName, ServiceName } from '../src/names.ts'
import { definitions } from '../src/server.ts'
import { migrate } from '../src/store/migrations.ts'
import { openPostgresStore } from '../src/store/postgres.ts'
import { startPostgres, type TestPostgres } from '../src/store/testing.ts'
import { testClock } from '../src/testing.ts'
import { measureFlow } from './flow.ts'
import { postgresRows, type RawRows, sqliteRows } from './raw-rows.ts'
import { measureRebuild } from './rebuild.ts'

type Say = (name: string, figure: string) => void

const services = 100
const projects = 10
const commitsEach = 10
const hourMs = 3_600_000
/** Beyond what the facts that follow are numbered by. */
const firstId = 1_000_000_000
const yearMs = 365 * grainMs.day
const until = Date.UTC(2026, 0, 1)
const spanAll: Span = { from: until - 3 * yearMs, until }
const production = EnvironmentName.parse('production')
const laneOf = (lane: number) => ({
  project: ProjectName.parse(`project${lane % projects}`),
  service: ServiceName.parse(`service${lane}`),
  environment: production,
})

/** Where rows and facts are kept while they are measured. */
type Engine = {
  readonly name: string
  open(options: { views: readonly View[] }): Promise<{ opened: BenchLedger; rows: () => Promise<RawRows> }>
}
type BenchLedger = AsyncDisposable & Pick<TestLedger, 'store' | 'ledger' | 'views'>

/**
 * Questions over three years of 100 services with so many deployments of ten commits each, beside plain SQL over the same raw rows; what one
 * more fact costs; and how fast a rebuild goes; on SQLite and on a PostgreSQL of its own, as it is without settings, where there is one on the machine.
 * The rows are written straight into the store, as the views would have written them. HEADWAY_BENCH_STORES names one of them.
 */
export const measureInsights = async (say: Say): Promise<void> => {
  const stores = (process.env.HEADWAY_BENCH_STORES ?? 'sqlite,postgres').split(',')
  if (stores.includes('sqlite')) {
    await measureEngine(sqliteEngine, '10000,100000,1000000', say)
    for (const pushes of (process.env.HEADWAY_BENCH_PUSHES ?? '1000,10000').split(',').map(Number))
      await measureRebuild(pushes, say)
  }
  if (!stores.includes('postgres')) return
  const postgres = await startPostgres({ isDurable: true })
  try {
    await measureEngine(postgresEngine(postgres), '10000,100000', say)
  } finally {
    await postgres.stop()
  }
}

const measureEngine = async (engine: Engine, sizes: string, say: Say): Promise<void> => {
  say(engine.name, '')
  for (const deployments of (process.env.HEADWAY_BENCH_DEPLOYMENTS ?? sizes).split(',').map(Number))
    await measureSize(engine, deployments, say)
  const facts = (process.env.HEADWAY_BENCH_FACTS ?? '10000,100000').split(',').map(Number)
  for (const deliveries of facts) await measureDeliveries(engine, deliveries, say)
  for (const aWeek of (process.env.HEADWAY_BENCH_CHANGES ?? '1000,10000').split(',').map(Number)) {
    const { opened, rows: openRows } = await engine.open({ views: [doraView] })
    await using _ = opened
    const rows = await openRows()
    await measureFlow(opened.store, rows, aWeek, say)
    await rows.close()
  }
}

const sqliteEngine: Engine = {
  name: 'SQLite',
  open: async ({ views }) => {
    const opened = await openTestLedger({ definitions, views })
    return {
      opened,
      rows: async () => sqliteRows(join(opened.directory, 'headway.db'), ['learn_commits', 'learn_deployments']),
    }
  },
}

const postgresEngine = (postgres: TestPostgres): Engine => ({
  name: 'PostgreSQL',
  open: async (options) => {
    const url = await postgres.createDatabase()
    const store = await openPostgresStore(url)
    const clock = testClock()
    await migrate(store, { migrations: ledgerMigrations, program: 'bench', clock })
    const ledger = await openLedger({ store, definitions, clock })
    const views = await openViews({ store, ledger, views: options.views })
    const close = async (): Promise<void> => {
      await views.stop()
      await store.close()
    }
    return { opened: { store, ledger, views, [Symbol.asyncDispose]: close }, rows: () => postgresRows(url) }
  },
})

const measureSize = async (engine: Engine, deployments: number, say: Say): Promise<void> => {
  const { opened, rows: openRows } = await engine.open({ views: [doraView] })
  await using _ = opened
  const began = performance.now()
  const rows = await openRows()
  await fill(rows, deployments)
  const size = `${deployments.toLocaleString('en')} deployments`
  say(`${size}: written in, s`, ((performance.now() - began) / 1000).toFixed(0))
  const db = opened.store.tables<DoraTables>()
  const everything = { project: null, services: [], environment: 'production' }
  const questions: readonly (readonly [string, DoraQuestion, Span])[] = [
    ['everything, three years by the month', ask(everything, spanAll, 'month', 'UTC'), spanAll],
    ['everything, three years by the day in Berlin', ask(everything, spanAll, 'day', 'Europe/Berlin'), spanAll],
    ['everything, three years by the week in Kathmandu', ask(everything, spanAll, 'week', 'Asia/Kathmandu'), spanAll],
    ['everything, three years by the day in Kathmandu', ask(everything, spanAll, 'day', 'Asia/Kathmandu'), spanAll],
    [
      'a project, three years by the week',
      ask({ ...everything, project: 'project3' }, spanAll, 'week', 'Europe/Berlin'),
      spanAll,
    ],
    [
      'a service, a year by the week',
      ask({ ...everything, project: 'project3', services: ['service13'] }, lastYear, 'week', 'Europe/Berlin'),
      lastYear,
    ],
  ]
  for (const [name, question, span] of questions) {
    const times: number[] = []
    const processor: number[] = []
    for (let round = 0; round < 12; round += 1) {
      const before = performance.now()
      const used = process.cpuUsage()
      await answerDora(db, question, until)
      const { user, system } = process.cpuUsage(used)
      if (round <= 1) continue
      times.push(performance.now() - before)
      processor.push((user + system) / 1_000)
    }
    say(`${size}: ${name}, ms`, `${spread(times)}; of the processor ${median(processor).toFixed(1)}`)
    if (question.bucket === 'day' || question.zone === 'Asia/Kathmandu') continue
    const plain = await plainSql(rows, question, span)
    say(
      '  baseline: total only, by plain SQL over the raw rows, ms',
      `${plain.toFixed(0)}; ratio ${(median(times) / plain).toFixed(4)}`,
    )
  }
  await rows.close()
  await measureOneMore(opened, size, say)
}

/** What one more delivery costs: until it is recorded for good, and until all views have it. */
const measureOneMore = async ({ ledger, views }: BenchLedger, size: string, say: Say): Promise<void> => {
  const [recorded, viewed, processor]: [number[], number[], number[]] = [[], [], []]
  for (let place = 0; place < 600; place += 1) {
    const used = process.cpuUsage()
    const before = performance.now()
    await ledger.append([delivery(place)])
    const between = performance.now()
    await views.reach()
    const { user, system } = process.cpuUsage(used)
    // What is run for the first time is compiled.
    if (place < 200) continue
    recorded.push(between - before)
    viewed.push(performance.now() - between)
    processor.push((user + system) / 1_000)
  }
  say(`${size}: one more with ${commitsEach} commits, in all views, ms`, spread(viewed))
  say('  recorded before that, durably, ms', spread(recorded))
  say('  both, ms of the processor', spread(processor))
}

const lastYear: Span = { from: until - yearMs, until }
const ask = (
  scope: Pick<DoraQuestion, 'project' | 'services' | 'environment'>,
  span: Span,
  bucket: DoraQuestion['bucket'],
  zone: string,
): DoraQuestion => ({ ...scope, span, bucket, zone })

/** The same for everybody who runs it. */
const randomFrom = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}

const fill = async (rows: RawRows, deployments: number): Promise<void> => {
  const random = randomFrom(7)
  for (let lane = 1; lane <= services; lane += 1) rows.insert('learn_lanes', { lane, ...laneOf(lane) })
  const open: Changes = new Map()
  const every = (spanAll.until - spanAll.from) / deployments
  for (let place = 0; place < deployments; place += 1) {
    const liveAt = Math.floor(spanAll.from + place * every)
    const lane = 1 + (place % services)
    const commits = Array.from({ length: commitsEach }, (_, at) => commitRow(lane, place, at, liveAt, random))
    const row = deploymentRow(lane, place, liveAt, commits, random)
    rows.insert('learn_deployments', row)
    for (const commit of commits) rows.insert('learn_commits', commit)
    collect(open, row, laneOf(lane), 1)
    if (place % 5_000 !== 4_999) continue
    flush(open, liveAt, rows)
    await rows.save()
    bar('rows of deployments', place + 1, deployments)
  }
  flush(open, Number.POSITIVE_INFINITY, rows)
  await rows.finish()
}

const commitRow = (lane: number, place: number, at: number, liveAt: number, random: () => number): CommitRow => ({
  ...{
    lane,
    commit_id: `${Math.floor(random() * 2 ** 48)
      .toString(16)
      .padStart(12, '0')}${place}x${at}`.padEnd(40, '0'),
  },
  ...{ deployment: firstId + place, repository: 'code', is_merge: 0, reverts: null },
  // Log-normal around six hours, as such times are.
  committed_at: Math.floor(liveAt - 6 * hourMs * Math.exp(gauss(random) * 1.3)),
})

const gauss = (random: () => number): number =>
  Math.sqrt(-2 * Math.log(random() + 1e-12)) * Math.cos(2 * Math.PI * random())

const deploymentRow = (
  lane: number,
  place: number,
  liveAt: number,
  commits: readonly CommitRow[],
  random: () => number,
): DeploymentRow => {
  const failed = random() < 0.08
  const told: DeploymentRow = {
    ...{
      id: firstId + place,
      key: `bench:${place}`,
      lane,
      environment: 'production',
      source: 'bench',
      state: 'succeeded',
    },
    ...{ kind: random() < 0.05 ? 'hotfix' : 'planned', rolls_back: null, revision: `r${place}`, started_at: null },
    ...{ live_at: liveAt, reverted_at: null, automatic: 1, lines: 100, said_failure: null, said_rework: null },
    ...{ held_at: null, granted_at: null, watched_at: null, undone_by_machine: null },
    ...{ counted: 1, pending: 0, failed: 0, failed_how: null, rework: 0, restored_at: null },
    ...{ leads: new Uint8Array(), commits: 0, again: 0, merges: 0, unknown: 0, negative: 0, first: 0 },
  }
  const incidents = failed ? [{ how: 'said' as const, resolved_at: liveAt + Math.floor(hourMs * (1 + random())) }] : []
  return { ...told, ...assess(told, { mended: [], incidents, mends: false }), ...measure(told, commits, false) }
}

/** Writes the cells that nothing will be added to any more. */
const flush = (open: Changes, before: number, rows: RawRows): void => {
  for (const [name, change] of open) {
    if (change.key.start + grainMs[change.key.grain] > before) continue
    rows.insert('learn_cells', rowOfCell(change.key, change.tally))
    open.delete(name)
  }
}

/** Counts, and the median and 90th percentile of lead times, as somebody would ask raw rows for them. */
const plainSql = async (
  rows: RawRows,
  { project, services: named }: DoraQuestion,
  { from, until: end }: Span,
): Promise<number> => {
  const of = `FROM learn_deployments d JOIN learn_lanes l ON l.lane = d.lane
    WHERE d.environment = 'production' AND d.live_at >= ${from} AND d.live_at < ${end}
    ${project ? `AND l.project = '${project}'` : ''} ${named[0] ? `AND l.service = '${named[0]}'` : ''}`
  const before = performance.now()
  await rows.ask(`SELECT count(*), sum(failed), sum(rework), avg(restored_at - live_at) ${of}`)
  await rows.ask(
    `WITH leads AS (SELECT d.live_at - c.committed_at AS lead FROM learn_commits c JOIN
       (SELECT d.id, d.live_at ${of}) d ON c.deployment = d.id WHERE c.is_merge = 0),
     ranked AS (SELECT lead, row_number() OVER (ORDER BY lead) AS rank, count(*) OVER () AS n FROM leads)
     SELECT lead FROM ranked WHERE rank IN ((n + 1) / 2, (n + 2) / 2, n * 9 / 10)`,
  )
  return performance.now() - before
}

const delivery = (place: number) => {
  const lane = laneOf(1 + (place % services))
  const finishedAt = until + (place + 1) * 60_000
  return fact(deliveryDeployed, {
    ...{ subject: `delivery:new:${place}`, actor: 'user:bench' },
    payload: {
      ...{ key: `new:${place}`, source: 'bench', received: null, ...lane, startedAt: null, finishedAt },
      ...{ outcome: 'succeeded', revision: `n${place}`, lines: 10, kind: 'planned', rollsBack: null, automatic: true },
      commits: Array.from({ length: commitsEach }, (_, at) => ({
        ...{ repository: 'code', commit: `n${place}x${at}`.padEnd(40, '0'), isMerge: false, reverts: null },
        committedAt: finishedAt - (at + 1) * hourMs,
      })),
    },
  })
}

/** From the ledger's first fact: deliveries of ten commits, which are the dearest facts there are for these views. */
const measureDeliveries = async (engine: Engine, deliveries: number, say: Say): Promise<void> => {
  const { opened } = await engine.open({ views: [] })
  await using _ = opened
  const { store, ledger } = opened
  for (let place = 0; place < deliveries; place += 500)
    await ledger.append(Array.from({ length: Math.min(500, deliveries - place) }, (_, at) => delivery(place + at)))
  const used = process.cpuUsage()
  const began = performance.now()
  const progress = (applied: number, total: number): void => bar('facts', applied, total)
  const views = await openViews({ store, ledger, views: [doraView], progress })
  const perFactMs = (performance.now() - began) / deliveries
  const { user, system } = process.cpuUsage(used)
  await views.stop()
  say(
    `rebuild from ${deliveries.toLocaleString('en')} deliveries, ms each`,
    `${perFactMs.toFixed(3)}; of the processor ${((user + system) / 1_000 / deliveries).toFixed(3)}`,
  )
  say('  at that rate 1,000,000 deliveries take, minutes', ((perFactMs * 1e6) / 60_000).toFixed(1))
}

const bar = (what: string, applied: number, total: number): void => {
  if (!process.stderr.isTTY) return
  const done = Math.round((applied / total) * 30)
  process.stderr.write(
    `\r[${'#'.repeat(done).padEnd(30, '.')}] ${applied} of ${total} ${what}${applied >= total ? '\n' : ''}`,
  )
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
const spread = (values: readonly number[]): string =>
  `${median(values).toFixed(1)} (${Math.min(...values).toFixed(1)} to ${Math.max(...values).toFixed(1)}, n ${values.length})`
