import { z } from 'zod'

export const CaseOutcome = z.enum(['passed', 'failed', 'skipped'])
export type CaseOutcome = z.infer<typeof CaseOutcome>

/** One test case as a report tells it. */
export const CaseResult = z.object({
  /** What groups it in its report: a class, a package, nested suites joined by ` › `. */
  suite: z.string(),
  name: z.string(),
  /** From the repository's root. */
  file: z.string().nullable(),
  /** Where it failed, else where it stands; counts from 1. */
  line: z.number().int().nullable(),
  outcome: CaseOutcome,
  durationMs: z.number().nullable(),
  /** It was run more than once for this report, and passed and failed. */
  isFlaky: z.boolean(),
  /** Why it failed or was skipped, in a line. */
  message: z.string().nullable(),
  /** The trace or output of a failure. */
  detail: z.string().nullable(),
})
export type CaseResult = z.infer<typeof CaseResult>

/** How many lines of code the tests ran, of those that could be run. */
export const Coverage = z.object({ covered: z.number().int(), total: z.number().int() })
export type Coverage = z.infer<typeof Coverage>

/** What one report file held. */
export const ReportResult = z.object({
  /** From the workspace's root. */
  path: z.string(),
  format: z.string(),
  cases: z.array(CaseResult),
  coverage: Coverage.nullable(),
  /** The 95th percentile of the durations of requests, from a k6 summary. */
  p95Ms: z.number().nullable(),
})
export type ReportResult = z.infer<typeof ReportResult>

/** All that the reports of one job held: what is kept as a blob. */
export const TestResults = z.object({
  reports: z.array(ReportResult),
  /** What could not be read or was left out, and why. */
  notes: z.array(z.string()),
})
export type TestResults = z.infer<typeof TestResults>

/** Numbers of cases by outcome; `durationMs` is the sum of their durations. */
export const Totals = z.object({
  total: z.number().int(),
  passed: z.number().int(),
  failed: z.number().int(),
  skipped: z.number().int(),
  flaky: z.number().int(),
  durationMs: z.number(),
})
export type Totals = z.infer<typeof Totals>

export const totalsOf = (cases: Iterable<CaseResult>): Totals => {
  const totals = { total: 0, passed: 0, failed: 0, skipped: 0, flaky: 0, durationMs: 0 }
  for (const { outcome, durationMs, isFlaky } of cases) {
    totals.total += 1
    totals[outcome] += 1
    if (isFlaky) totals.flaky += 1
    totals.durationMs += durationMs ?? 0
  }
  return { ...totals, durationMs: Math.round(totals.durationMs) }
}

export const casesOf = ({ reports }: TestResults): CaseResult[] => reports.flatMap(({ cases }) => cases)

/** A case's name in full, as people read it. */
export const caseLabel = ({ suite, name }: Pick<CaseResult, 'suite' | 'name'>): string =>
  suite === '' ? name : `${suite} › ${name}`

/** In per cent, to two places downwards, so that 79.999 % does not pass for 80. */
export const percentOf = ({ covered, total }: Coverage): number =>
  total === 0 ? 100 : Math.floor((covered / total) * 10_000) / 100
