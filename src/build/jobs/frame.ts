import { textsFrom } from '../workflow/evaluate.ts'
import type { Json, Scope, Status } from '../workflow/expression.ts'
import type { RunDefaults, Step } from '../workflow/workflow.ts'
import { hashFiles } from './hash-files.ts'
import { type JobRun, jobStatus, statusWord } from './job-run.ts'

/** What surrounds a step: the job, or the composite action that it is a step of. */
export type Frame = {
  readonly run: JobRun
  /** The `steps` context: each frame has its own. */
  readonly steps: Record<string, Json>
  readonly inputs: Readonly<Record<string, Json>>
  /** The environment of the composite steps around. */
  readonly env: Readonly<Record<string, string>>
  /** Where the `github` context differs from the job's. */
  readonly github: Readonly<Record<string, Json>>
  /** Where a `run` step finds what it does not say itself, the nearest first; nothing in a composite action. */
  readonly defaults: readonly RunDefaults[]
  /** How many composite actions there are around. */
  readonly depth: number
  /** The time limit and the cancellation of the composite steps around. */
  readonly timeout: AbortSignal
  readonly cancel: AbortSignal
  status(): Status
}

const never = new AbortController().signal

/** The frame of a job's own steps. */
export const jobFrame = (run: JobRun): Frame => ({
  run,
  steps: run.progress.steps,
  inputs: run.order.inputs,
  env: {},
  github: {},
  defaults: [run.order.job.defaults, run.order.workflow.defaults],
  depth: 0,
  timeout: never,
  cancel: never,
  status: () => jobStatus(run),
})

/** What an expression of a step sees, with the step's own environment and what `github` has of it. */
export const scopeOf = (
  frame: Frame,
  env: Readonly<Record<string, string>> = frame.env,
  github: Readonly<Record<string, Json>> = {},
): Scope => {
  const { run } = frame
  const { order, progress, at } = run
  const isJob = frame.depth === 0
  return {
    contexts: {
      github: { ...run.github, ...frame.github, ...github },
      env: { ...progress.env, ...env },
      inputs: frame.inputs,
      steps: frame.steps,
      job: { ...run.identity, ...at.cell.contexts, status: statusWord(run) },
      runner: run.runner,
      strategy: order.strategy,
      matrix: order.matrix,
      // A composite action sees no secrets but those that are handed to it as inputs.
      ...(isJob ? { vars: order.vars, secrets: order.secrets, needs: order.needs } : {}),
    },
    status: frame.status(),
    hashFiles: (patterns) => hashFiles(patterns, at),
  }
}

/** The environment that a step says itself, with what the composite steps around it say. */
export const envOf = async (
  frame: Frame,
  step: Step,
  github: Readonly<Record<string, Json>>,
): Promise<Record<string, string>> => ({
  ...frame.env,
  ...(await textsFrom(step.env, scopeOf(frame, frame.env, github))),
})
