import type { Kysely } from 'kysely'
import { z } from 'zod'
import type { Views } from '../ledger/ledger.ts'
import { Digest } from '../names.ts'
import { QualityCheck } from './facts.ts'
import { idIn, newestReports } from './gate.ts'
import { newlyFlaky, outcomesDiffer, type Past, pastOf, stateOf } from './history.ts'
import { CaseOutcome, type CaseResult, casesOf, percentOf, Totals } from './results.ts'
import type { Shelf } from './shelf.ts'
import type { ReportRow, TestTables } from './views.ts'

/** The reports of one job. Times in milliseconds since 1970, `coverage` in per cent of the lines. */
export const TestReport = z
  .object({
    run: z.string(),
    job: z.string(),
    jobName: z.string(),
    attempt: z.number(),
    ref: z.string(),
    commit: z.string(),
    at: z.number(),
    totals: Totals,
    coverage: z.number().nullable(),
    p95Ms: z.number().nullable(),
    notes: z.array(z.string()),
  })
  .meta({ id: 'TestReport' })
export type TestReport = z.infer<typeof TestReport>

const CaseState = z.enum(['newly-failing', 'failing', 'fixed', 'passing', 'skipped'])

export const TestCase = z
  .object({
    /** Names it in its repository; see its history. */
    case: z.string(),
    jobName: z.string(),
    suite: z.string(),
    name: z.string(),
    file: z.string().nullable(),
    line: z.number().nullable(),
    outcome: CaseOutcome,
    /** Beside the default branch before. */
    state: CaseState,
    /** Passed and failed for the same code; `isNewlyFlaky`: for the first time. */
    isFlaky: z.boolean(),
    isNewlyFlaky: z.boolean(),
    durationMs: z.number().nullable(),
    message: z.string().nullable(),
    /** The trace of a failure; only beside a run. */
    detail: z.string().nullable(),
  })
  .meta({ id: 'TestCase' })
export type TestCase = z.infer<typeof TestCase>

const Verdict = z.object({
  isMet: z.boolean(),
  services: z.array(z.object({ service: z.string(), path: z.string(), checks: z.array(QualityCheck) })),
})

export const RunTests = z
  .object({
    reports: z.array(TestReport),
    cases: z.array(TestCase),
    /** How many there are before `limit`. */
    matching: z.number(),
    /** The newest that this run was judged by; null where nobody asked for a gate, or it was not judged yet. */
    quality: Verdict.nullable(),
  })
  .meta({ id: 'RunTests' })
export type RunTests = z.infer<typeof RunTests>

export const RepositoryTests = z
  .object({
    cases: z.array(TestCase),
    matching: z.number(),
    /** The newest reports of the default branch, or of any where it has none: how numbers and durations went. */
    trend: z.array(TestReport),
  })
  .meta({ id: 'RepositoryTests' })
export type RepositoryTests = z.infer<typeof RepositoryTests>

export const CaseHistory = z
  .object({
    case: z.string(),
    jobName: z.string(),
    suite: z.string(),
    name: z.string(),
    file: z.string().nullable(),
    line: z.number().nullable(),
    /** Medians of the newer and the older half of those that passed. */
    durations: z.object({ newerMs: z.number().nullable(), olderMs: z.number().nullable() }),
    /** For how many commits it both passed and failed. */
    flakyCommits: z.number(),
    /** Newest first. */
    history: z.array(
      z.object({
        run: z.string(),
        ref: z.string(),
        commit: z.string(),
        at: z.number(),
        outcome: CaseOutcome,
        isFlaky: z.boolean(),
        durationMs: z.number().nullable(),
        message: z.string().nullable(),
      }),
    ),
  })
  .meta({ id: 'TestCaseHistory' })
export type CaseHistory = z.infer<typeof CaseHistory>

/** Which cases are asked for: `failed` are failing or newly failing ones, `slowest` is all in the order of their durations. */
export const CaseFilter = z.enum(['all', 'failed', 'newly-failing', 'fixed', 'flaky', 'slowest'])
export type CaseFilter = z.infer<typeof CaseFilter>
export type CaseQuery = { readonly state: CaseFilter; readonly search?: string | undefined; readonly limit: number }

export type TestQueries = {
  /** Null when there is no report of such a run. */
  ofRun(project: string, run: string, query: CaseQuery): Promise<RunTests | null>
  ofRepository(project: string, repository: string, query: CaseQuery): Promise<RepositoryTests>
  history(project: string, repository: string, id: string): Promise<CaseHistory | null>
}

export type QueryParts = {
  readonly db: Kysely<TestTables>
  readonly views: Pick<Views, 'reach'>
  readonly shelf: Shelf
}

const trendReports = 30

export const createQueries = ({ db, views, shelf }: QueryParts): TestQueries => ({
  ofRun: async (project, run, query) => {
    await views.reach()
    const rows = (await newestReports(db, [run])).filter((row) => row.project === project)
    if (rows.length === 0) return null
    const cases: TestCase[] = []
    for (const row of rows) {
      const results = await shelf.get(Digest.parse(row.results))
      const past = await pastOf(db, row)
      for (const one of results ? casesOf(results) : []) cases.push(caseOf(row, one, past))
    }
    const [verdict] = await db
      .selectFrom('test_verdicts')
      .selectAll()
      .where('project', '=', project)
      .where('repository', '=', rows[0]?.repository ?? '')
      .where('runs', 'like', `%"${run.replaceAll(/[%_]/g, '')}"%`)
      .orderBy('seq', 'desc')
      .limit(1)
      .execute()
    return {
      reports: rows.map(reportOf),
      ...picked(cases, query),
      quality: verdict ? Verdict.parse({ isMet: verdict.is_met === 1, services: JSON.parse(verdict.services) }) : null,
    }
  },

  ofRepository: async (project, repository, query) => {
    await views.reach()
    const window = await db
      .selectFrom('test_reports')
      .selectAll()
      .where('project', '=', project)
      .where('repository', '=', repository)
      .where('in_window', '=', 1)
      .orderBy('seq', 'desc')
      .execute()
    const onMain = window.filter(({ on_main }) => on_main === 1)
    const trend = onMain.length > 0 ? onMain : window
    const newest = [...new Map(trend.toReversed().map((row) => [row.job_name, row])).values()]
    const cases: TestCase[] = []
    for (const row of newest) cases.push(...(await casesIn(db, row)))
    // What is flaky shows where runs are repeated, which is rarely in the newest one.
    const flaky = query.state === 'flaky' ? await everFlaky(db, project, repository) : null
    const known = flaky ? cases.map((one) => ({ ...one, isFlaky: flaky.has(one.case) })) : cases
    return { ...picked(known, query), trend: trend.slice(0, trendReports).map(reportOf) }
  },

  history: async (project, repository, id) => {
    await views.reach()
    const known = await db
      .selectFrom('test_cases')
      .selectAll()
      .where('case_id', '=', id)
      .where('project', '=', project)
      .where('repository', '=', repository)
      .executeTakeFirst()
    if (!known) return null
    const rows = await db
      .selectFrom('test_results as result')
      .innerJoin('test_reports as report', 'report.seq', 'result.seq')
      .select(['report.run', 'report.ref', 'report.commit_id', 'report.tree', 'report.at'])
      .select(['result.outcome', 'result.is_flaky', 'result.duration_ms', 'result.message'])
      .where('result.case_id', '=', id)
      .orderBy('result.seq', 'desc')
      .execute()
    const trees = Map.groupBy(rows, ({ tree }) => tree)
    return {
      case: id,
      ...{ jobName: known.job_name, suite: known.suite, name: known.name, file: known.file, line: known.line },
      durations: durationsOf(rows),
      flakyCommits: [...trees.values()].filter((some) => isMixed(some)).length,
      history: rows.map((row) => ({
        ...{ run: row.run, ref: row.ref, commit: row.commit_id, at: Number(row.at), outcome: row.outcome },
        ...{ isFlaky: row.is_flaky === 1, durationMs: row.duration_ms, message: row.message },
      })),
    }
  },
})

type Outcome = { readonly outcome: CaseOutcome; readonly is_flaky: number; readonly duration_ms: number | null }

const isMixed = (results: readonly Outcome[]): boolean =>
  results.some(({ is_flaky }) => is_flaky === 1) ||
  (results.some(({ outcome }) => outcome === 'passed') && results.some(({ outcome }) => outcome === 'failed'))

const durationsOf = (newestFirst: readonly Outcome[]): CaseHistory['durations'] => {
  const passed = newestFirst.flatMap(({ outcome, duration_ms }) =>
    outcome === 'passed' && duration_ms !== null ? [duration_ms] : [],
  )
  const half = Math.ceil(passed.length / 2)
  return { newerMs: medianOf(passed.slice(0, half)), olderMs: medianOf(passed.slice(half)) }
}

const medianOf = (values: readonly number[]): number | null =>
  values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? null

/** The cases of a report of the window as the store has them: all but the trace of a failure. */
const casesIn = async (db: Kysely<TestTables>, row: ReportRow): Promise<TestCase[]> => {
  const past = await pastOf(db, row)
  const rows = await db
    .selectFrom('test_results as result')
    .innerJoin('test_cases as one', 'one.case_id', 'result.case_id')
    .select(['one.suite', 'one.name', 'one.file', 'one.line'])
    .select(['result.outcome', 'result.is_flaky', 'result.duration_ms', 'result.message'])
    .where('result.seq', '=', row.seq)
    .execute()
  return rows.map(({ suite, name, file, line, outcome, is_flaky, duration_ms, message }) =>
    caseOf(
      row,
      { suite, name, file, line, outcome, isFlaky: is_flaky === 1, durationMs: duration_ms, message, detail: null },
      past,
    ),
  )
}

/** The cases that passed and failed for one tree, anywhere in the window of a repository. */
const everFlaky = async (db: Kysely<TestTables>, project: string, repository: string): Promise<Set<string>> => {
  const rows = await db
    .selectFrom('test_results as result')
    .innerJoin('test_reports as report', 'report.seq', 'result.seq')
    .select('result.case_id')
    .where('report.project', '=', project)
    .where('report.repository', '=', repository)
    .where('report.in_window', '=', 1)
    .where('result.outcome', '!=', 'skipped')
    .groupBy(['result.case_id', 'report.tree'])
    .having(outcomesDiffer)
    .execute()
  return new Set(rows.map(({ case_id }) => case_id))
}

const caseOf = (row: ReportRow, one: CaseResult, past: Past): TestCase => {
  const id = idIn(row, one)
  const { suite, name, file, line, outcome, durationMs, message, detail } = one
  return {
    ...{ case: id, jobName: row.job_name, suite, name, file, line, outcome },
    state: stateOf(outcome, past.failing.has(id)),
    isFlaky: one.isFlaky || past.flaky.has(id),
    isNewlyFlaky: newlyFlaky(past).has(id),
    ...{ durationMs, message, detail },
  }
}

const picked = (cases: readonly TestCase[], { state, search, limit }: CaseQuery) => {
  const wanted = search?.toLowerCase()
  const matching = cases
    .filter((one) => isWanted(one, state))
    .filter(({ suite, name }) => wanted === undefined || `${suite} › ${name}`.toLowerCase().includes(wanted))
    .toSorted(state === 'slowest' ? bySlowness : byConcern)
  return { cases: matching.slice(0, limit), matching: matching.length }
}

const isWanted = (one: TestCase, state: CaseFilter): boolean => {
  switch (state) {
    case 'failed':
      return one.outcome === 'failed'
    case 'flaky':
      return one.isFlaky
    case 'newly-failing':
    case 'fixed':
      return one.state === state
    case 'all':
    case 'slowest':
      return true
  }
}

const bySlowness = (one: TestCase, other: TestCase): number =>
  (other.durationMs ?? 0) - (one.durationMs ?? 0) || byName(one, other)

/** What somebody must look at first. */
const concerns = ['newly-failing', 'failing', 'fixed', 'passing', 'skipped'] as const
const byConcern = (one: TestCase, other: TestCase): number =>
  concerns.indexOf(one.state) - concerns.indexOf(other.state) ||
  Number(other.isFlaky) - Number(one.isFlaky) ||
  byName(one, other)

/** Down to the job: a store gives rows in any order. */
const byName = (one: TestCase, other: TestCase): number => {
  const [first, second] = [nameOf(one), nameOf(other)]
  return first === second ? 0 : first < second ? -1 : 1
}

const nameOf = ({ suite, name, jobName }: TestCase): string => `${suite}\0${name}\0${jobName}`

const reportOf = (row: ReportRow): TestReport => ({
  ...{ run: row.run, job: row.job, jobName: row.job_name, attempt: row.attempt, ref: row.ref, commit: row.commit_id },
  at: Number(row.at),
  totals: {
    ...{ total: row.total, passed: row.passed, failed: row.failed, skipped: row.skipped, flaky: row.flaky },
    durationMs: row.duration_ms,
  },
  coverage:
    row.covered === null || row.coverable === null ? null : percentOf({ covered: row.covered, total: row.coverable }),
  p95Ms: row.p95_ms,
  notes: z.array(z.string()).parse(JSON.parse(row.notes)),
})
