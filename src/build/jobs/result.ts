import type { Annotation, Conclusion, Failure } from '../facts.ts'

/** How one step ended. */
export type StepRecord = {
  readonly name: string
  /** Before `continue-on-error`. */
  readonly outcome: Conclusion
  /** After it. */
  readonly conclusion: Conclusion
  readonly exitCode: number | null
  readonly durationMs: number
}

/** What kind of report a file is; told by how it begins, not by its name. */
export type ReportFormat = 'junit' | 'tap' | 'go-test' | 'lcov' | 'cobertura' | 'k6'

/** A report that a job left in its workspace, as it was found there; secrets hidden, paths in it from the workspace's root. */
export type ReportFile = {
  /** From the workspace's root. */
  readonly path: string
  readonly format: ReportFormat
  readonly text: string
}

/** How a job ended. Secrets are hidden in all of it. */
export type JobResult = {
  readonly conclusion: Conclusion
  readonly outputs: Readonly<Record<string, string>>
  readonly steps: readonly StepRecord[]
  readonly failure: Failure | null
  /** At most 50: failures first where there are more. */
  readonly annotations: readonly Annotation[]
  /** What the steps wrote into GITHUB_STEP_SUMMARY, in Markdown; at most 1 MiB. */
  readonly summary: string
  readonly reports: readonly ReportFile[]
  /** Where its environment is reached, as it says; null where it says nothing. */
  readonly environmentUrl: string | null
}

/** The result of a job that ran no step. */
export const noResult = { outputs: {}, steps: [], annotations: [], summary: '', reports: [], environmentUrl: null }
