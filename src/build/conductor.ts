import type { Clock } from '../clock.ts'
import type { Home } from '../home.ts'
import type { NewFact } from '../ledger/fact.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { CommitId, ProjectName, RepositoryName } from '../names.ts'
import type { Annotation, Conclusion, Failure } from './facts.ts'
import type { RunSource } from './jobs/contexts.ts'
import type { ReportFile } from './jobs/result.ts'
import type { LogBook } from './logs.ts'
import type { RunInput, RunState } from './run.ts'
import type { JobExecutor } from './runners/executor.ts'
import type { Waits } from './waits.ts'
import type { OpenRepository, WorkflowTree } from './workflow/call.ts'
import type { InputValue } from './workflow/inputs.ts'
import type { Permissions } from './workflow/permissions.ts'
import type { Job, Workflow } from './workflow/workflow.ts'

/**
 * What jobs are given by name. Only names that the workflow mentions are asked for; with an environment, its own values stand before
 * those of the project.
 */
export type JobSettings = {
  secrets(
    source: RunSource,
    names: readonly string[],
    environment?: string | null,
  ): Promise<Readonly<Record<string, string>>>
  variables(
    source: RunSource,
    names: readonly string[],
    environment?: string | null,
  ): Promise<Readonly<Record<string, string>>>
  /** Whether a ref is a branch that rules protect; left out where there are no rules. */
  isProtected?(place: Pick<RunSource, 'project' | 'repository' | 'ref'>): Promise<boolean>
}

/** Reads the reports that a job left; the facts are recorded together with the job's end, or not at all. */
export type ReadReports = (
  about: { readonly source: RunSource; readonly job: string; readonly jobName: string },
  reports: readonly ReportFile[],
) => Promise<{ readonly facts: readonly NewFact[]; readonly annotations: readonly Annotation[] }>

/**
 * Asked once all runs of a push or an event have succeeded, and before that is said: why they are not to count as a success; null when
 * they are. Asked again after a crash, it answers the same.
 */
export type JudgeQuality = (question: {
  /** One of both; the other is null. */
  readonly push: string | null
  readonly event: string | null
  readonly project: ProjectName
  readonly repository: RepositoryName
  readonly ref: string
  readonly commit: CommitId
  readonly runs: readonly string[]
  /** Who pushed it, as recorded. */
  readonly actor: string
  /** The commit of its target that a change stands on; null for what is no change. */
  readonly base: CommitId | null
}) => Promise<Failure | null>

export type ConductorTools = {
  readonly ledger: Ledger
  readonly clock: Clock
  readonly home: Home
  /** Where jobs run. */
  readonly executor: JobExecutor
  /** How jobs are kept apart, as the run says. */
  readonly isolation: string
  /** Whether somebody, as recorded (`user:alice`, `token:alice/ci`), is an administrator of the instance. */
  readonly isAdministrator: (actor: string) => Promise<boolean>
  readonly settings: JobSettings
  readonly logs: LogBook
  readonly serverUrl: () => string
  /** Absent: reports are not looked into. */
  readonly readReports?: ReadReports
  /** The one job that a run is limited to, with those that it needs; null: none is. */
  readonly onlyJob?: (source: RunSource) => string | null
  /** Left out for a run that stands alone, as of a working tree: nothing waits for others, and only its own files are called. */
  readonly surroundings?: Surroundings
}

/** What a run has around it on a server. */
export type Surroundings = {
  readonly waits: Waits
  readonly openRepository: OpenRepository
  /** What else is to be recorded with these facts of the run: the events that other workflows follow. */
  consequences(state: RunState, facts: readonly NewFact[]): Promise<readonly NewFact[]>
}

export type RunSignals = { readonly cancel: AbortSignal; readonly kill: AbortSignal }

/** A run that is being conducted, at the jobs of one workflow: its own, or one that a job calls. */
export type Conduct = {
  readonly state: () => RunState
  readonly tell: (...inputs: RunInput[]) => Promise<void>
  readonly tree: WorkflowTree
  /** The tree's own. */
  readonly workflow: Workflow
  readonly source: RunSource
  readonly secrets: Readonly<Record<string, string>>
  readonly vars: Readonly<Record<string, string>>
  readonly inputs: Readonly<Record<string, InputValue>>
  /** What tokens of these jobs may do at most; null: nothing above says. */
  readonly ceiling: Permissions | null
  /** Stands before the keys of the jobs: empty, or the key of the calling job and a dot. */
  readonly prefix: string
  /** Stands before their names: empty, or `Caller / `. */
  readonly label: string
  /** The keys of what the calling job waited for, and so do those that need nothing else; empty at the top. */
  readonly neededByCaller: readonly string[]
  /** The files that jobs' reports are in, as patterns. */
  readonly reports: readonly string[]
  readonly isByAdministrator: boolean
  readonly tools: ConductorTools
  readonly signals: RunSignals
  /** The removals of finished jobs' directories, which go on while other jobs run. */
  readonly cleaning: Promise<void>[]
  /** Conducts the jobs of a workflow that a job calls. */
  readonly conductCalled: (called: Conduct, isAnew: boolean) => Promise<ReadonlyMap<string, JobEnd>>
}

/** How a job ended, all its rows together. */
export type JobEnd = {
  readonly conclusion: Conclusion
  readonly outputs: Readonly<Record<string, string>>
  /** In an attempt that only repeats what did not succeed: whether it ran in this one, so that what needs it must too. */
  readonly isAnew: boolean
}

/** The keys of the jobs that must be over before this one starts, as its facts name them; nothing where there are none. */
export const neededFor = ({ workflow, prefix, neededByCaller }: Conduct, job: Job): { needs?: string[] } => {
  const idOf = (need: string): string =>
    workflow.jobs.find(({ id }) => id.toLowerCase() === need.toLowerCase())?.id ?? need
  const needs = job.needs.length === 0 ? [...neededByCaller] : job.needs.map((need) => `${prefix}${idOf(need)}`)
  return needs.length === 0 ? {} : { needs }
}

/** The conclusion of several together. */
export const worstOf = (conclusions: readonly Conclusion[]): Conclusion =>
  (['failure', 'cancelled', 'success'] as const).find((one) => conclusions.includes(one)) ?? 'skipped'
