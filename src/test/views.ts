import { createHash } from 'node:crypto'
import type { Kysely, Transaction } from 'kysely'
import { isFact, type RecordedFact } from '../ledger/fact.ts'
import type { View } from '../ledger/ledger.ts'
import { qualityEvaluated, testsReported } from './facts.ts'
import { type CaseOutcome, type CaseResult, casesOf, type TestResults } from './results.ts'
import type { Shelf } from './shelf.ts'

/** One row for each job that left reports. `in_window`: its cases are in the history. */
export type ReportRow = {
  seq: number
  run: string
  job: string
  job_name: string
  attempt: number
  project: string
  repository: string
  ref: string
  commit_id: string
  tree: string
  on_main: number
  at: number
  results: string
  total: number
  passed: number
  failed: number
  skipped: number
  flaky: number
  duration_ms: number
  covered: number | null
  coverable: number | null
  p95_ms: number | null
  notes: string
  in_window: number
}
/** One row for each case of a repository's history. */
export type CaseRow = {
  project: string
  repository: string
  case_id: string
  job_name: string
  suite: string
  name: string
  file: string | null
  line: number | null
  last_seq: number
}
/** What became of a case in a report. */
export type ResultRow = {
  seq: number
  case_id: string
  outcome: CaseOutcome
  is_flaky: number
  duration_ms: number | null
  message: string | null
}
export type VerdictRow = {
  seq: number
  subject: string
  project: string
  repository: string
  ref: string
  commit_id: string
  runs: string
  is_met: number
  services: string
  at: number
}
export type TestTables = {
  test_reports: ReportRow
  test_cases: CaseRow
  test_results: ResultRow
  test_verdicts: VerdictRow
}

/**
 * How far a case's history goes back: so many reports of its job on the default branch, and as many of others (which must not push
 * main's out); fewer where they hold very many cases.
 */
export const windowOf = { reports: 30, fewest: 5, results: 60_000, messageCharacters: 300 } as const

/** A case is the same in the next run when its repository, job, suite and name are. */
export const caseId = (
  { project, repository, jobName }: { readonly project: string; readonly repository: string; readonly jobName: string },
  { suite, name }: Pick<CaseResult, 'suite' | 'name'>,
): string =>
  createHash('sha256').update([project, repository, jobName, suite, name].join('\0')).digest('hex').slice(0, 20)

/**
 * The view reads the results of a report where they lie, as they are too many for a fact. What is in the window is what was
 * reported last, and those results are kept: a rebuild ends with the same rows.
 */
export const createTestView = (shelf: Pick<Shelf, 'get'>): View<TestTables> => ({
  name: 'test',
  version: 2,
  create: createTables,
  drop: async (db) => {
    for (const table of ['test_verdicts', 'test_results', 'test_cases', 'test_reports'] as const)
      await db.schema.dropTable(table).ifExists().execute()
  },
  apply: async (tx, fact) => {
    if (isFact(testsReported, fact)) {
      await insertReport(tx, fact)
      const results = await shelf.get(fact.payload.results)
      if (results) await insertResults(tx, fact, results)
      await leaveWindow(tx, fact)
    } else if (isFact(qualityEvaluated, fact)) {
      const { project, repository, ref, commit, runs, isMet, services } = fact.payload
      await tx
        .insertInto('test_verdicts')
        .values({
          ...{ seq: fact.seq, subject: fact.subject, at: fact.at, project, repository, ref, commit_id: commit },
          ...{ runs: JSON.stringify(runs), is_met: isMet ? 1 : 0, services: JSON.stringify(services) },
        })
        .execute()
    }
  },
})

type Reported = RecordedFact<'tests.reported', ReturnType<typeof testsReported.payload.parse>>
type Tx = Transaction<TestTables>

const insertReport = async (tx: Tx, { seq, at, payload }: Reported): Promise<void> => {
  const { totals, coverage } = payload
  await tx
    .insertInto('test_reports')
    .values({
      seq,
      at,
      run: payload.run,
      job: payload.job,
      job_name: payload.jobName,
      attempt: payload.attempt,
      project: payload.project,
      repository: payload.repository,
      ref: payload.ref,
      commit_id: payload.commit,
      tree: payload.tree,
      on_main: payload.isDefaultBranch ? 1 : 0,
      results: payload.results,
      total: totals.total,
      passed: totals.passed,
      failed: totals.failed,
      skipped: totals.skipped,
      flaky: totals.flaky,
      duration_ms: totals.durationMs,
      covered: coverage?.covered ?? null,
      coverable: coverage?.total ?? null,
      p95_ms: payload.p95Ms,
      notes: JSON.stringify(payload.notes),
      in_window: 1,
    })
    .execute()
}

/** So many rows in one statement: far below what SQLite and PostgreSQL take. */
const rowsAtOnce = 500

const insertResults = async (tx: Tx, { seq, payload }: Reported, results: TestResults): Promise<void> => {
  const { project, repository, jobName } = payload
  const cases = new Map(casesOf(results).map((one) => [caseId(payload, one), one]))
  const rows = [...cases]
  for (let at = 0; at < rows.length; at += rowsAtOnce) {
    const slice = rows.slice(at, at + rowsAtOnce)
    await tx
      .insertInto('test_cases')
      .values(
        slice.map(([case_id, { suite, name, file, line }]) => ({
          ...{ project, repository, case_id, job_name: jobName, suite, name, file, line, last_seq: seq },
        })),
      )
      .onConflict((conflict) =>
        conflict.column('case_id').doUpdateSet((row) => ({
          file: row.ref('excluded.file'),
          line: row.ref('excluded.line'),
          last_seq: row.ref('excluded.last_seq'),
        })),
      )
      .execute()
    await tx
      .insertInto('test_results')
      .values(
        slice.map(([case_id, one]) => ({
          ...{ seq, case_id, outcome: one.outcome, is_flaky: one.isFlaky ? 1 : 0, duration_ms: one.durationMs },
          message: one.message?.slice(0, windowOf.messageCharacters).toWellFormed() ?? null,
        })),
      )
      .execute()
  }
}

/** What a new report pushes out of its job's window, and the cases of which nothing is left there. */
const leaveWindow = async (tx: Tx, { payload }: Reported): Promise<void> => {
  const { project, repository, jobName } = payload
  const inWindow = await tx
    .selectFrom('test_reports')
    .select(['seq', 'total', 'on_main'])
    .where('project', '=', project)
    .where('repository', '=', repository)
    .where('job_name', '=', jobName)
    .where('in_window', '=', 1)
    .orderBy('seq', 'desc')
    .execute()
  const lane = inWindow.filter(({ on_main }) => on_main === (payload.isDefaultBranch ? 1 : 0))
  let results = 0
  const leaving = lane.filter(({ total }, place) => {
    results += total
    return place >= windowOf.reports || (place >= windowOf.fewest && results > windowOf.results)
  })
  if (leaving.length === 0) return
  const seqs = leaving.map(({ seq }) => seq)
  await tx.deleteFrom('test_results').where('seq', 'in', seqs).execute()
  await tx.updateTable('test_reports').set({ in_window: 0 }).where('seq', 'in', seqs).execute()
  const staying = inWindow.map(({ seq }) => seq).filter((seq) => !seqs.includes(seq))
  await tx
    .deleteFrom('test_cases')
    .where('project', '=', project)
    .where('repository', '=', repository)
    .where('job_name', '=', jobName)
    .where('last_seq', 'not in', staying)
    .execute()
}

const createTables = async (db: Kysely<TestTables>): Promise<void> => {
  await db.schema
    .createTable('test_reports')
    .addColumn('seq', 'bigint', (column) => column.primaryKey().notNull())
    .addColumn('run', 'text', (column) => column.notNull())
    .addColumn('job', 'text', (column) => column.notNull())
    .addColumn('job_name', 'text', (column) => column.notNull())
    .addColumn('attempt', 'integer', (column) => column.notNull())
    .addColumn('project', 'text', (column) => column.notNull())
    .addColumn('repository', 'text', (column) => column.notNull())
    .addColumn('ref', 'text', (column) => column.notNull())
    .addColumn('commit_id', 'text', (column) => column.notNull())
    .addColumn('tree', 'text', (column) => column.notNull())
    .addColumn('on_main', 'integer', (column) => column.notNull())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('results', 'text', (column) => column.notNull())
    .addColumn('total', 'integer', (column) => column.notNull())
    .addColumn('passed', 'integer', (column) => column.notNull())
    .addColumn('failed', 'integer', (column) => column.notNull())
    .addColumn('skipped', 'integer', (column) => column.notNull())
    .addColumn('flaky', 'integer', (column) => column.notNull())
    .addColumn('duration_ms', 'double precision', (column) => column.notNull())
    .addColumn('covered', 'integer')
    .addColumn('coverable', 'integer')
    .addColumn('p95_ms', 'double precision')
    .addColumn('notes', 'text', (column) => column.notNull())
    .addColumn('in_window', 'integer', (column) => column.notNull())
    .execute()
  await db.schema.createIndex('test_reports_run').on('test_reports').column('run').execute()
  await db.schema
    .createIndex('test_reports_window')
    .on('test_reports')
    .columns(['project', 'repository', 'in_window', 'seq'])
    .execute()
  await db.schema
    .createTable('test_cases')
    .addColumn('case_id', 'text', (column) => column.primaryKey().notNull())
    .addColumn('project', 'text', (column) => column.notNull())
    .addColumn('repository', 'text', (column) => column.notNull())
    .addColumn('job_name', 'text', (column) => column.notNull())
    .addColumn('suite', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('file', 'text')
    .addColumn('line', 'bigint')
    .addColumn('last_seq', 'bigint', (column) => column.notNull())
    .execute()
  await db.schema
    .createIndex('test_cases_repository')
    .on('test_cases')
    .columns(['project', 'repository', 'job_name'])
    .execute()
  await db.schema
    .createTable('test_results')
    .addColumn('seq', 'bigint', (column) => column.notNull())
    .addColumn('case_id', 'text', (column) => column.notNull())
    .addColumn('outcome', 'text', (column) => column.notNull())
    .addColumn('is_flaky', 'integer', (column) => column.notNull())
    .addColumn('duration_ms', 'double precision')
    .addColumn('message', 'text')
    .addPrimaryKeyConstraint('test_results_key', ['seq', 'case_id'])
    .execute()
  await db.schema.createIndex('test_results_case').on('test_results').columns(['case_id', 'seq']).execute()
  await db.schema
    .createTable('test_verdicts')
    .addColumn('seq', 'bigint', (column) => column.primaryKey().notNull())
    .addColumn('subject', 'text', (column) => column.notNull())
    .addColumn('project', 'text', (column) => column.notNull())
    .addColumn('repository', 'text', (column) => column.notNull())
    .addColumn('ref', 'text', (column) => column.notNull())
    .addColumn('commit_id', 'text', (column) => column.notNull())
    .addColumn('runs', 'text', (column) => column.notNull())
    .addColumn('is_met', 'integer', (column) => column.notNull())
    .addColumn('services', 'text', (column) => column.notNull())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .execute()
  await db.schema
    .createIndex('test_verdicts_repository')
    .on('test_verdicts')
    .columns(['project', 'repository', 'seq'])
    .execute()
}
