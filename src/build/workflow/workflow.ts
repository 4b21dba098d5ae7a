import type { At, Template } from './template.ts'

/** A workflow as it was written, checked against GitHub's schema; its expressions are evaluated as the run goes on. */
export type Workflow = {
  /** The file's path in the repository, or what the generated one is called. */
  readonly file: string
  readonly name: string
  readonly on: readonly Trigger[]
  readonly env: Template | undefined
  readonly defaults: RunDefaults
  /** In the order of the file. */
  readonly jobs: readonly Job[]
}

/** One event that starts the workflow. Filters are as written; absent ones are undefined. */
export type Trigger = {
  readonly event: string
  readonly branches: readonly string[] | undefined
  readonly branchesIgnore: readonly string[] | undefined
  readonly tags: readonly string[] | undefined
  readonly tagsIgnore: readonly string[] | undefined
  readonly paths: readonly string[] | undefined
  readonly pathsIgnore: readonly string[] | undefined
}

/** An `if` as an expression without braces; undefined stands for `success()`. */
export type Condition = { readonly expression: string; readonly at: At }

export type RunDefaults = { readonly shell: Template | undefined; readonly workingDirectory: Template | undefined }

export type Job = {
  readonly id: string
  readonly at: At
  readonly name: Template | undefined
  readonly needs: readonly string[]
  readonly if: Condition | undefined
  readonly env: Template | undefined
  readonly outputs: Template | undefined
  readonly defaults: RunDefaults
  readonly timeoutMinutes: Template | undefined
  readonly continueOnError: Template | undefined
  readonly strategy: Strategy | undefined
  readonly steps: readonly Step[]
}

export type Strategy = {
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
  readonly with: Template | undefined
}

export type Step = RunStep | UsesStep
