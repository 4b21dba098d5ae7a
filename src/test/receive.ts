import type { Annotation } from '../build/facts.ts'
import type { ReportFile, RunSource } from '../build/index.ts'
import { fact, type NewFact } from '../ledger/fact.ts'
import type { Commit } from './commits.ts'
import { testsReported } from './facts.ts'
import type { Locate } from './formats/case.ts'
import { type CaseResult, type Coverage, caseLabel, casesOf, type TestResults, totalsOf } from './results.ts'
import type { Shelf } from './shelf.ts'

/** A job that left reports. */
export type Reporting = {
  readonly source: RunSource
  /** As its facts call it. */
  readonly job: string
  /** As it is shown. */
  readonly jobName: string
}

/** What is recorded with the job's end, and what is shown at the lines of the code. */
export type Received = { readonly facts: readonly NewFact[]; readonly annotations: readonly Annotation[] }

/** How reports become results; the parsers are loaded when the first report comes. */
export type ReadReports = (files: readonly ReportFile[], locate: Locate) => Promise<TestResults>

const mostFailed = 20
const mostAnnotations = 50

export const nothingReceived: Received = { facts: [], annotations: [] }

/**
 * Reads the reports of a job and keeps what they hold. A file that stands in the commit as it is (an example, a test's input) was not
 * made by this job, and is left out.
 */
export const receiveReports = async (
  { source, job, jobName }: Reporting,
  files: readonly ReportFile[],
  parts: { readonly commit: Commit; readonly locate: Locate; readonly read: ReadReports; readonly shelf: Shelf },
): Promise<Received> => {
  const made = files.filter(({ path, text }) => !parts.commit.holds(path, text))
  if (made.length === 0) return nothingReceived
  const results = await parts.read(made, parts.locate)
  const cases = casesOf(results)
  const failed = cases.filter(({ outcome }) => outcome === 'failed')
  const { run, project, repository, ref, commit, attempt } = source
  const payload = {
    ...{ run, job, jobName, attempt, project, repository, ref, commit },
    tree: parts.commit.tree,
    isDefaultBranch: ref === `refs/heads/${source.defaultBranch}`,
    results: await parts.shelf.put(results),
    totals: totalsOf(cases),
    failed: failed
      .slice(0, mostFailed)
      .map(({ suite, name, file, line, message }) => ({ suite, name, file, line, message })),
    coverage: coverageOf([results], '.'),
    p95Ms: p95Of([results], '.'),
    notes: results.notes,
  }
  return {
    facts: [fact(testsReported, { subject: `run:${run}`, actor: 'system:test', payload })],
    annotations: failed
      .filter(({ file, line }) => file !== null && line !== null)
      .slice(0, mostAnnotations)
      .map(annotationOf),
  }
}

const annotationOf = (failed: CaseResult): Annotation => ({
  level: 'failure',
  message: failed.message ?? 'failed',
  title: caseLabel(failed),
  file: failed.file,
  line: failed.line,
  ...{ endLine: null, column: null, endColumn: null, step: 'tests' },
})

/** Whether a report was written in a service's folder; all are in the root. */
export const isIn = (folder: string, path: string): boolean => folder === '.' || path.startsWith(`${folder}/`)

/**
 * The coverage that the reports of jobs tell of a folder. Several reports of a job add up (one for each package); where a tool wrote
 * the same in two formats, the one that tells of more lines counts; of several jobs (a matrix) the one that covers most.
 */
export const coverageOf = (jobs: readonly TestResults[], folder: string): Coverage | null => {
  const ofJobs = jobs.flatMap(({ reports }) => {
    const byFormat = Map.groupBy(
      reports.filter(({ path, coverage }) => coverage !== null && isIn(folder, path)),
      ({ format }) => format,
    )
    const sums = [...byFormat.values()].map((some) =>
      some.reduce(
        (sum, { coverage }) => ({
          covered: sum.covered + (coverage?.covered ?? 0),
          total: sum.total + (coverage?.total ?? 0),
        }),
        { covered: 0, total: 0 },
      ),
    )
    return sums.toSorted((one, other) => other.total - one.total).slice(0, 1)
  })
  return ofJobs.toSorted((one, other) => other.covered / other.total - one.covered / one.total)[0] ?? null
}

/** The slowest that a load test's summary says. */
export const p95Of = (jobs: readonly TestResults[], folder: string): number | null => {
  const all = jobs.flatMap(({ reports }) =>
    reports.filter(({ path }) => isIn(folder, path)).flatMap(({ p95Ms }) => p95Ms ?? []),
  )
  return all.length === 0 ? null : Math.max(...all)
}
