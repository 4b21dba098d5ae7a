import type { Readable } from 'node:stream'
import type { RunAs } from '../../processes/command.ts'
import type { RunSource } from './contexts.ts'
import type { StepEnd } from './step.ts'
import type { Workspace } from './workspace.ts'

/** What a built-in action is given. */
export type ActionCall = {
  /** `actions/checkout@v4` as written. */
  readonly uses: string
  /** By lower-case name; what was not given is not there. */
  readonly inputs: Readonly<Record<string, string>>
  readonly source: RunSource
  readonly workspace: Workspace
  readonly user: RunAs | null
  /** The environment that the step has. */
  readonly env: Readonly<Record<string, string>>
  /** The versions that this job has set up, by program; `actions/setup-*` adds to it. */
  readonly tools: Map<string, string>
  /** Runs a program as the job's user, its output into the log. */
  run(argv: readonly [string, ...string[]], options?: { cwd?: string; input?: Readable }): Promise<StepEnd>
  say(line: string): void
}

/** What an action changes for the steps behind it. */
export type ActionChanges = {
  readonly outputs?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  /** Folders for the PATH, newest first. */
  readonly paths?: readonly string[]
  /** Runs at the job's end, last in, first out; only when the job succeeded. */
  readonly afterSuccess?: () => Promise<void>
}

/** A built-in action: throws an Error that says why when it fails. */
export type Action = (call: ActionCall) => Promise<ActionChanges>

/** By name without version, in lower case: `actions/checkout`. */
export type Actions = ReadonlyMap<string, Action>

/** The action's name without its version. */
export const actionName = (uses: string): string => (uses.split('@')[0] ?? uses).toLowerCase()
