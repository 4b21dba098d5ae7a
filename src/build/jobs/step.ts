import { describeError } from '../../problem.ts'
import type { Conclusion } from '../facts.ts'
import { flagFrom, numberFrom, textFrom } from '../workflow/evaluate.ts'
import { holds, type Json, type Scope } from '../workflow/expression.ts'
import { describeTemplate } from '../workflow/template.ts'
import type { Step } from '../workflow/workflow.ts'
import { remark } from './annotations.ts'
import { envOf, type Frame, scopeOf } from './frame.ts'
import { applyEnd, type JobRun } from './job-run.ts'
import { cancelUnlessItHolds, deadlineOf, isOver } from './limits.ts'
import { marked } from './output.ts'
import { failed, type StepEnd, type StepSignals } from './program.ts'

/** Something that is run as a step: a step itself, or what an action has before and after it. */
export type StepWork = {
  readonly step: Step
  readonly stage: 'pre' | 'main' | 'post'
  /** `github.action` */
  readonly id: string
  /** Undefined stands for `success()`. */
  readonly condition: string | undefined
  perform(call: StepCall): Promise<StepEnd>
}

/** What a step is given once it is known that it runs. */
export type StepCall = {
  readonly frame: Frame
  readonly step: Step
  readonly stage: 'pre' | 'main' | 'post'
  readonly name: string
  /** What the step and the composite steps around it say of the environment. */
  readonly env: Readonly<Record<string, string>>
  /** Where the `github` context differs from the frame's. */
  readonly github: Readonly<Record<string, Json>>
  readonly signals: StepSignals
  scope(): Scope
}

/** How a step ended; skipped ones have no end. */
export type StepOutcome = {
  readonly name: string
  readonly outcome: Conclusion
  readonly conclusion: Conclusion
  readonly end: StepEnd | null
  readonly durationMs: number
}

/**
 * The life of a step: its environment, its `if`, its name, its time limit, its work, `continue-on-error`, and what it changes for those
 * behind it. Never rejects: what goes wrong fails the step. Semantics: actions/runner, src/Runner.Worker/StepsRunner.cs.
 */
export const runStep = async (frame: Frame, work: StepWork): Promise<StepOutcome> => {
  const { step, stage } = work
  const { log, mask, annotations, clock } = frame.run.at
  const startedMs = clock.monotonicMs()
  const over = new AbortController()
  let name = prefixed(stage, step.name ? describeTemplate(step.name) : defaultName(step))
  let env: Readonly<Record<string, string>> = frame.env
  let end: StepEnd
  const github = { action: work.id, ...commandFilesOf(frame.run) }
  const scope = (): Scope => scopeOf(frame, env, github)
  try {
    env = await envOf(frame, step, github)
    if (!(await holds(work.condition, scope()))) {
      if (stage === 'main') remember(frame, step, 'skipped', 'skipped', {})
      return { name, outcome: 'skipped', conclusion: 'skipped', end: null, durationMs: 0 }
    }
    name = mask.hide(prefixed(stage, await nameOf(step, scope())))
    const minutes = (await numberFrom(step.timeoutMinutes, scope())) ?? 0
    const timeout =
      minutes > 0 ? AbortSignal.any([frame.timeout, deadlineOf(minutes, clock, over.signal)]) : frame.timeout
    const { limits } = frame.run
    const cancel = AbortSignal.any([frame.cancel, cancelUnlessItHolds(work.condition, limits, scope, over.signal)])
    const signals = { timeout, cancel, kill: limits.kill }
    log.write(marked('group', mask.hide(name)))
    end = await work.perform({ frame, step, stage, name, env, github, signals, scope })
    if (end.outcome === 'failure' && timeout.aborted)
      end = { ...end, detail: minutes > 0 ? `it took longer than ${minutes} minutes` : 'it took too long' }
  } catch (error) {
    end = failed(mask.hide(describeError(error)))
  } finally {
    over.abort(isOver)
  }
  applyEnd(frame.run, end)
  const isTolerated = end.outcome === 'failure' && (await continuesOnError(step, scope(), complain))
  const conclusion = isTolerated ? 'success' : end.outcome
  if (stage === 'main') remember(frame, step, end.outcome, conclusion, end.outputs)
  if (end.detail !== null) say(isTolerated ? 'warning' : 'error', mask.hide(end.detail))
  if (end.detail !== null && !end.isTold) annotate(mask.hide(saidOf(end, end.detail)))
  const durationMs = Math.round(clock.monotonicMs() - startedMs)
  return { name, outcome: end.outcome, conclusion, end, durationMs }

  function say(mark: 'warning' | 'error', message: string): void {
    log.write(marked(mark, `${name}: ${message}`))
  }
  function annotate(message: string): void {
    annotations.add({ ...remark('failure', message), step: name })
  }
  function complain(message: string): void {
    say('error', message)
    annotate(message)
  }
}

/** Where the step's program will write, by the names that `github` has for it (actions/runner, FileCommandManager.cs). */
const commandFilesOf = ({ at, progress }: JobRun): Record<string, string> => {
  const files = at.commandFolders.of(progress.started + 1)
  return {
    env: files.GITHUB_ENV,
    path: files.GITHUB_PATH,
    output: files.GITHUB_OUTPUT,
    state: files.GITHUB_STATE,
    step_summary: files.GITHUB_STEP_SUMMARY,
  }
}

/** As actions/runner, ScriptHandler.cs. */
const saidOf = ({ outcome, exitCode }: StepEnd, detail: string): string =>
  outcome === 'failure' && exitCode !== null && detail.endsWith(`exit code ${exitCode}`)
    ? `Process completed with exit code ${exitCode}.`
    : detail

const remember = (
  frame: Frame,
  { id }: Step,
  outcome: Conclusion,
  conclusion: Conclusion,
  outputs: Readonly<Record<string, string>>,
): void => {
  if (id !== null) frame.steps[id] = { outputs, outcome, conclusion }
}

const continuesOnError = async (step: Step, scope: Scope, complain: (message: string) => void): Promise<boolean> => {
  try {
    return (await flagFrom(step.continueOnError, scope)) ?? false
  } catch (error) {
    complain(`continue-on-error: ${describeError(error)}`)
    return false
  }
}

const nameOf = async (step: Step, scope: Scope): Promise<string> => {
  const name = step.name && firstLine(await textFrom(step.name, scope))
  return name || `Run ${firstLine(step.kind === 'run' ? await textFrom(step.script, scope) : step.action)}`
}
const defaultName = (step: Step): string =>
  `Run ${step.kind === 'run' ? firstLine(describeTemplate(step.script)) : step.action}`
const firstLine = (text: string | undefined): string => text?.trimStart().split(/\r?\n/)[0] ?? ''

const prefixed = (stage: StepWork['stage'], name: string): string =>
  stage === 'main' ? name : `${stage === 'pre' ? 'Pre' : 'Post'} ${name}`
