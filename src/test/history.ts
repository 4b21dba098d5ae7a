import type { ExpressionBuilder, Kysely } from 'kysely'
import type { CaseOutcome } from './results.ts'
import type { ReportRow, TestTables } from './views.ts'

/** How a case stands beside the default branch before it. */
export type CaseState = 'newly-failing' | 'failing' | 'fixed' | 'passing' | 'skipped'

/** What the reports before one say of its cases, by case id. */
export type Past = {
  /** Failed when they were last run on the default branch. */
  readonly failing: ReadonlySet<string>
  /** Passed and failed for one and the same tree, in the report and those before it: reruns, further pushes of the same code. */
  readonly flaky: ReadonlySet<string>
  /** Did so on the default branch for other code before. */
  readonly knownFlaky: ReadonlySet<string>
}

export const stateOf = (outcome: CaseOutcome, failedBefore: boolean): CaseState => {
  if (outcome === 'skipped') return 'skipped'
  if (outcome === 'failed') return failedBefore ? 'failing' : 'newly-failing'
  return failedBefore ? 'fixed' : 'passing'
}

/** Those of some cases that became flaky with this report. */
export const newlyFlaky = ({ flaky, knownFlaky }: Past): Set<string> =>
  new Set([...flaky].filter((id) => !knownFlaky.has(id)))

type Db = Kysely<TestTables>
type Place = Pick<ReportRow, 'seq' | 'project' | 'repository' | 'job_name' | 'tree'>

/** What the window holds about the job of a report, up to the report itself. */
export const pastOf = async (db: Db, report: Place): Promise<Past> => {
  const [failing, flaky, knownFlaky] = await Promise.all([
    failingBefore(db, report),
    mixedOutcomes(db, report, 'this tree'),
    mixedOutcomes(db, report, 'other trees of main'),
  ])
  return { failing, flaky, knownFlaky }
}

const failingBefore = async (db: Db, { seq, project, repository, job_name }: Place): Promise<Set<string>> => {
  const rows = await db
    .selectFrom('test_results as result')
    .innerJoin('test_reports as report', 'report.seq', 'result.seq')
    .select('result.case_id')
    .where('report.project', '=', project)
    .where('report.repository', '=', repository)
    .where('report.in_window', '=', 1)
    .where('report.job_name', '=', job_name)
    .where('report.on_main', '=', 1)
    .where('report.seq', '<', seq)
    .where('result.outcome', '=', 'failed')
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('test_results as later')
            .innerJoin('test_reports as its', 'its.seq', 'later.seq')
            .select('later.seq')
            .whereRef('later.case_id', '=', 'result.case_id')
            .whereRef('later.seq', '>', 'result.seq')
            .where('later.seq', '<', seq)
            .where('later.outcome', '!=', 'skipped')
            .where('its.on_main', '=', 1),
        ),
      ),
    )
    .execute()
  return new Set(rows.map(({ case_id }) => case_id))
}

/** Of the results of one case for one tree: some passed and some failed. */
export const outcomesDiffer = (eb: ExpressionBuilder<{ result: TestTables['test_results'] }, 'result'>) =>
  eb.or([eb(eb.fn.min('result.outcome'), '!=', eb.fn.max('result.outcome')), eb(eb.fn.max('result.is_flaky'), '=', 1)])

const mixedOutcomes = async (
  db: Db,
  { seq, project, repository, job_name, tree }: Place,
  among: 'this tree' | 'other trees of main',
): Promise<Set<string>> => {
  const rows = await db
    .selectFrom('test_results as result')
    .innerJoin('test_reports as report', 'report.seq', 'result.seq')
    .select('result.case_id')
    .where('report.project', '=', project)
    .where('report.repository', '=', repository)
    .where('report.in_window', '=', 1)
    .where('report.job_name', '=', job_name)
    .where('report.seq', '<=', seq)
    .$if(among === 'this tree', (query) => query.where('report.tree', '=', tree))
    .$if(among === 'other trees of main', (query) =>
      query.where('report.tree', '!=', tree).where('report.on_main', '=', 1),
    )
    .where('result.outcome', '!=', 'skipped')
    .groupBy(['result.case_id', 'report.tree'])
    .having(outcomesDiffer)
    .execute()
  return new Set(rows.map(({ case_id }) => case_id))
}
