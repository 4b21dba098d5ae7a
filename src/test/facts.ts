import { z } from 'zod'
import { defineFact } from '../ledger/fact.ts'
import { CommitId, Digest, ProjectName, RepositoryName } from '../names.ts'
import { Coverage, Totals } from './results.ts'

const source = { project: ProjectName, repository: RepositoryName, ref: z.string(), commit: CommitId }

/** A case that failed, as a person finds it. */
export const FailedCase = z.object({
  suite: z.string(),
  name: z.string(),
  file: z.string().nullable(),
  line: z.number().int().nullable(),
  message: z.string().nullable(),
})
export type FailedCase = z.infer<typeof FailedCase>

/** The reports of one job were read. Recorded together with the job's end. Subject `run:<id>`. */
export const testsReported = defineFact(
  'tests.reported',
  1,
  z.object({
    run: z.string(),
    job: z.string(),
    /** As shown: `test (20, linux)`; with it a case's history goes on in the next run. */
    jobName: z.string(),
    attempt: z.number().int().positive(),
    ...source,
    /** The Git tree of the commit: runs of one tree tested the same. */
    tree: z.string(),
    isDefaultBranch: z.boolean(),
    /** Of the blob that holds every case. */
    results: Digest,
    totals: Totals,
    /** The first 20. */
    failed: z.array(FailedCase),
    coverage: Coverage.nullable(),
    p95Ms: z.number().nullable(),
    notes: z.array(z.string()),
  }),
)

/** What the failure of a push is the failure of, where a gate is not met. */
export const gateName = 'quality gate'

/** One rule of a quality gate and what became of it. */
export const QualityCheck = z.object({
  rule: z.enum(['coverage', 'coverage-drop', 'p95', 'newly-failing', 'newly-flaky']),
  isMet: z.boolean(),
  detail: z.string(),
  /** What to do, where it is not met. */
  next: z.string().nullable(),
})
export type QualityCheck = z.infer<typeof QualityCheck>

/**
 * The gates of a commit's `headway.yaml` files were judged, once all its runs had succeeded. Subject: what started them, `push:<id>`
 * or `event:<id>`.
 */
export const qualityEvaluated = defineFact(
  'quality.evaluated',
  1,
  z.object({
    ...source,
    push: z.string().nullable(),
    event: z.string().nullable(),
    runs: z.array(z.string()),
    /** The `tests.reported` that it was judged by. */
    reports: z.array(z.number().int()),
    isMet: z.boolean(),
    services: z.array(z.object({ service: z.string(), path: z.string(), checks: z.array(QualityCheck) })),
  }),
)

export const testFacts = [testsReported, qualityEvaluated] as const
