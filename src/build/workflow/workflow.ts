import type { InputDefinition, SecretDefinition } from './inputs.ts'
import type { Permissions } from './permissions.ts'
import type { At, Template } from './template.ts'

/** A workflow as it was written, checked against GitHub's schema; its expressions are evaluated as the run goes on. */
export type Workflow = {
  /** The file's path in the repository, or what the generated one is called. */
  readonly file: string
  /** Where a called workflow of another repository is from; absent: from the repository and commit of the run. */
  readonly origin?: WorkflowOrigin
  readonly name: string
  readonly runName: Template | undefined
  readonly on: readonly Trigger[]
  readonly env: Template | undefined
  readonly defaults: RunDefaults
  /** Undefined: what a token may do by default. */
  readonly permissions: Permissions | undefined
  readonly concurrency: GroupTemplate | undefined
  /** What other workflows may call it with; undefined: they may not. */
  readonly callable: Callable | undefined
  /** In the order of the file. */
  readonly jobs: readonly Job[]
}

/** A repository as `owner/name`, the full ref by which it was called (a commit where that was named), and the commit there. */
export type WorkflowOrigin = { readonly repository: string; readonly ref: string; readonly commit: string }

/** One event that starts the workflow. Filters are as written; absent ones are undefined. */
export type Trigger = {
  readonly event: string
  readonly at: At
  readonly types: readonly string[] | undefined
  readonly branches: readonly string[] | undefined
  readonly branchesIgnore: readonly string[] | undefined
  readonly tags: readonly string[] | undefined
  readonly tagsIgnore: readonly string[] | undefined
  readonly paths: readonly string[] | undefined
  readonly pathsIgnore: readonly string[] | undefined
  /** Of `workflow_run`: the names of the workflows. */
  readonly workflows: readonly string[] | undefined
  /** Of `schedule`. */
  readonly schedules: readonly ScheduleEntry[]
  /** Of `workflow_dispatch`. */
  readonly inputs: readonly InputDefinition[]
}

/** `timezone` is an IANA name; undefined: UTC. */
export type ScheduleEntry = { readonly cron: string; readonly timezone: string | undefined; readonly at: At }

/** `on.workflow_call` */
export type Callable = {
  readonly inputs: readonly InputDefinition[]
  readonly secrets: readonly SecretDefinition[]
  readonly outputs: readonly { readonly name: string; readonly value: Template }[]
}

/** A concurrency group as written. */
export type GroupTemplate = {
  readonly group: Template
  readonly cancelInProgress: Template | undefined
  readonly queue: 'single' | 'max'
  readonly at: At
}

/** An `if` as an expression without braces; undefined stands for `success()`. */
export type Condition = { readonly expression: string; readonly at: At }

export type RunDefaults = { readonly shell: Template | undefined; readonly workingDirectory: Template | undefined }

export type Job = {
  readonly id: string
  readonly at: At
  readonly name: Template | undefined
  readonly needs: readonly string[]
  /** Where they stand. */
  readonly needsAt: At
  readonly if: Condition | undefined
  /** Labels, or `{ group, labels }`. */
  readonly runsOn: Template | undefined
  readonly env: Template | undefined
  readonly outputs: Template | undefined
  readonly defaults: RunDefaults
  readonly timeoutMinutes: Template | undefined
  readonly continueOnError: Template | undefined
  readonly strategy: Strategy | undefined
  readonly permissions: Permissions | undefined
  readonly concurrency: GroupTemplate | undefined
  readonly environment: EnvironmentTemplate | undefined
  /** The container that its steps run in. */
  readonly container: Template | undefined
  /** What runs beside it, databases and the like, in containers of their own. */
  readonly services: Template | undefined
  /** A reusable workflow in place of steps. */
  readonly call: Call | undefined
  readonly steps: readonly Step[]
}

export type EnvironmentTemplate = { readonly name: Template; readonly url: Template | undefined }

/** `uses` of a job with what it is given. */
export type Call = {
  /** `./.github/workflows/x.yml` or `owner/repository/.github/workflows/x.yml@ref` */
  readonly uses: string
  readonly at: At
  readonly with: Template | undefined
  /** By name, or all that the caller has. */
  readonly secrets: Template | 'inherit' | undefined
}

export type Strategy = {
  readonly at: At
  readonly matrix: Template | undefined
  readonly failFast: Template | undefined
  readonly maxParallel: Template | undefined
}

type StepCommon = {
  readonly at: At
  /** As written, or null; the `steps` context has only those that were written. */
  readonly id: string | null
  readonly name: Template | undefined
  readonly if: Condition | undefined
  readonly env: Template | undefined
  readonly timeoutMinutes: Template | undefined
  readonly continueOnError: Template | undefined
}

export type RunStep = StepCommon & {
  readonly kind: 'run'
  readonly script: Template
  readonly shell: Template | undefined
  readonly workingDirectory: Template | undefined
}

export type UsesStep = StepCommon & {
  readonly kind: 'uses'
  /** `actions/checkout@v4` */
  readonly action: string
  readonly actionAt: At
  readonly with: Template | undefined
}

export type Step = RunStep | UsesStep
