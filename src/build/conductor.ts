import type { Clock } from '../clock.ts'
import type { Home } from '../home.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Conclusion } from './facts.ts'
import type { RunSource } from './jobs/contexts.ts'
import type { LogBook } from './logs.ts'
import type { RunInput, RunState } from './run.ts'
import type { JobExecutor } from './runners/executor.ts'
import type { Workflow } from './workflow/workflow.ts'

/** What jobs are given by name. Only names that the workflow mentions are asked for. */
export type JobSettings = {
  secrets(source: RunSource, names: readonly string[]): Promise<Readonly<Record<string, string>>>
  variables(source: RunSource, names: readonly string[]): Promise<Readonly<Record<string, string>>>
}

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
}

export type RunSignals = { readonly cancel: AbortSignal; readonly kill: AbortSignal }

/** A run that is being conducted. */
export type Conduct = {
  readonly state: () => RunState
  readonly tell: (...inputs: RunInput[]) => Promise<void>
  readonly workflow: Workflow
  readonly source: RunSource
  readonly secrets: Readonly<Record<string, string>>
  readonly vars: Readonly<Record<string, string>>
  readonly notes: readonly string[]
  readonly isByAdministrator: boolean
  readonly tools: ConductorTools
  readonly signals: RunSignals
  /** The removals of finished jobs' directories, which go on while other jobs run. */
  readonly cleaning: Promise<void>[]
}

/** How a job ended, all its rows together. */
export type JobEnd = { readonly conclusion: Conclusion; readonly outputs: Readonly<Record<string, string>> }
