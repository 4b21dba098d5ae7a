import { type Frame, scopeOf } from '../jobs/frame.ts'
import { jobStatus } from '../jobs/job-run.ts'
import { type StepEnd, succeeded } from '../jobs/program.ts'
import type { StepCall, StepOutcome } from '../jobs/step.ts'
import { textFrom } from '../workflow/evaluate.ts'
import type { Step } from '../workflow/workflow.ts'
import type { Invocation } from './invocation.ts'
import type { CompositeRuns } from './manifest.ts'

/** How a step of a composite action is run; `child` where it uses an action itself. */
export type RunInner = (
  frame: Frame,
  step: Step,
  stage: StepCall['stage'],
  child: Invocation | null,
) => Promise<StepOutcome>

/**
 * Runs a stage of a composite action: its steps in a scope of their own, whose `success()` and `failure()` are about the action
 * alone, and then its outputs, even when one of them failed. Semantics: actions/runner,
 * src/Runner.Worker/Handlers/CompositeActionHandler.cs.
 */
export const runComposite = async (
  runs: CompositeRuns,
  directory: string,
  invocation: Invocation,
  inputs: Readonly<Record<string, string>>,
  call: StepCall,
  runInner: RunInner,
): Promise<StepEnd> => {
  const { frame, signals, stage } = call
  const { run } = frame
  let result: 'success' | 'failure' | 'cancelled' = 'success'
  let worst: StepOutcome | null = null
  const inner: Frame = {
    run,
    steps: invocation.steps,
    inputs,
    env: call.env,
    github: { ...frame.github, ...call.github, action_path: directory },
    defaults: [],
    depth: frame.depth + 1,
    timeout: signals.timeout,
    cancel: signals.cancel,
    status: () => {
      if (stage !== 'main') return jobStatus(run)
      const { cancelled } = jobStatus(run)
      return { success: result === 'success' && !cancelled, failure: result === 'failure', cancelled }
    },
  }
  const isOver = (): boolean => signals.timeout.aborted || signals.cancel.aborted || signals.kill.aborted
  for (const [step, child] of stepsOf(runs, invocation, stage)) {
    if (isOver()) break
    const github = { ...inner.github, action_status: result }
    const outcome = await runInner({ ...inner, github }, step, stage, child)
    if (outcome.conclusion !== 'failure' && outcome.conclusion !== 'cancelled') continue
    if (result === 'success' || outcome.conclusion === 'failure') {
      result = outcome.conclusion
      worst = outcome
    }
  }
  const outputs: Record<string, string> = {}
  if (stage === 'main')
    for (const { name, value } of runs.outputs) outputs[name] = (await textFrom(value, scopeOf(inner))) ?? ''
  if (result === 'success' && !isOver()) return succeeded({ outputs })
  const detail = worst ? `${worst.name}: ${worst.end?.detail ?? result}` : 'it was ended early'
  const outcome = signals.timeout.aborted ? 'failure' : result === 'success' ? 'cancelled' : result
  return { ...succeeded({ outputs }), outcome, detail, exitCode: worst?.end?.exitCode ?? null, isTold: worst !== null }
}

const stepsOf = (
  { steps }: CompositeRuns,
  { children, posts }: Invocation,
  stage: StepCall['stage'],
): readonly (readonly [Step, Invocation | null])[] => {
  if (stage === 'post') return posts.toReversed().map((child) => [child.step, child])
  if (stage === 'pre') return [...children]
  return steps.map((step) => [step, children.get(step) ?? null])
}
