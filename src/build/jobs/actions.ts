import type { Readable } from 'node:stream'
import type { RunAs } from '../../processes/command.ts'
import type { RunSource } from './contexts.ts'
import type { StepEnd } from './program.ts'
import type { Workspace } from './workspace.ts'

/** What a built-in action is given. */
export type ActionCall = {
  /** `actions/checkout@v4` as written. */
  readonly uses: string
  /** By lower-case name; what was not given is not there. */
  readonly inputs: Readonly<Record<string, string>>
  readonly source: RunSource
  /** Where the job's steps reach its repository, and the token by which (`github.token`); empty where there is none. */
  readonly origin: { readonly url: string; readonly token: string }
  readonly workspace: Workspace
  readonly user: RunAs | null
  /** The environment that the step has, with what leads actions to Headway's own services. */
  readonly env: Readonly<Record<string, string>>
  /** What leads to Headway's own services, untouched by the job; empty where there are none. */
  readonly services: Readonly<Record<string, string>>
  /** See `JobServices`. */
  readonly certificate: string | null
  /** The versions that this job has set up, by program; `actions/setup-*` adds to it. */
  readonly tools: Map<string, string>
  /** Aborts when the step is to end: on its time limit, when it is cancelled, when the job is killed. */
  readonly signal: AbortSignal
  /** Runs a program as the job's user, its output into the log. */
  run(argv: readonly [string, ...string[]], options?: RunOptions): Promise<StepEnd>
  /** As the function of expressions. */
  hashFiles(patterns: readonly string[]): Promise<string>
  /** Kills what the job's steps left running; for an action that keeps files of the job. */
  endProcesses(): Promise<void>
  say(line: string): void
  /** The text without the job's secrets. */
  hide(text: string): string
}

export type RunOptions = {
  readonly cwd?: string
  readonly input?: Readable
  /** Takes what it prints to standard output, which is then not in the log. */
  readonly take?: (stdout: Readable) => void
}

/** What an action changes for the steps behind it. */
export type ActionChanges = {
  readonly outputs?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  /** Folders for the PATH, oldest first. */
  readonly paths?: readonly string[]
  /** Runs at the job's end as a step of its own. */
  readonly post?: PostAction
}

/** Of several, the last comes first; all when the steps are over, also after a cancellation. */
export type PostAction = {
  /** A condition as in `post-if`, such as `success()`. */
  readonly condition: string
  /** Given the same inputs, and what the step's environment is by then. Throws an Error that says why it fails. */
  run(call: ActionCall): Promise<void>
}

/** A built-in action: throws an Error that says why when it fails. */
export type Action = (call: ActionCall) => Promise<ActionChanges>

/** By name without version, in lower case: `actions/checkout`. */
export type Actions = ReadonlyMap<string, Action>
