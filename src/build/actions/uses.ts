import type { ActionCall } from '../jobs/actions.ts'
import { describeRemark } from '../jobs/annotations.ts'
import type { Frame } from '../jobs/frame.ts'
import { hashFiles } from '../jobs/hash-files.ts'
import { nextNumber } from '../jobs/job-run.ts'
import { marked } from '../jobs/output.ts'
import { failed, runProgram, type StepEnd, succeeded } from '../jobs/program.ts'
import { runScript } from '../jobs/script.ts'
import { runStep, type StepCall, type StepOutcome } from '../jobs/step.ts'
import { variablesOf } from '../jobs/variables.ts'
import type { Json } from '../workflow/expression.ts'
import type { Step } from '../workflow/workflow.ts'
import { runComposite } from './composite.ts'
import { runContainer, runImage } from './container.ts'
import { inputsFor, inputsOf } from './inputs.ts'
import type { Definition, Invocation, Preparation } from './invocation.ts'
import { runJavaScript } from './javascript.ts'
import { describeReference } from './reference.ts'

/** Told when an action has something to do at the end: what surrounds it keeps that in mind. */
export type OnPost = (invocation: Invocation) => void

/** Runs steps of any kind, with the actions that they use. */
export type StepRunner = {
  /** A stage of a step; `invocation` where it uses an action. */
  run(
    frame: Frame,
    step: Step,
    stage: StepCall['stage'],
    invocation: Invocation | null,
    id: string,
    onPost: OnPost,
  ): Promise<StepOutcome>
}

export const createStepRunner = (preparation: Preparation): StepRunner => {
  const run: StepRunner['run'] = (frame, step, stage, invocation, id, onPost) =>
    runStep(frame, {
      step,
      stage,
      id,
      condition: conditionOf(step, stage, invocation),
      perform: (call) => {
        if (step.kind === 'run') return runScript(step, call)
        return invocation
          ? perform(invocation, call, onPost)
          : Promise.resolve(failed(`${step.action} was not prepared`))
      },
    })

  const perform = async (invocation: Invocation, given: StepCall, onPost: OnPost): Promise<StepEnd> => {
    const definition = await preparation.load(invocation, given.frame.depth)
    const call = { ...given, github: { ...given.github, ...sourceOf(invocation) } }
    const remember = (): void => onPost(invocation)
    const end = await performStage(definition, invocation, call, remember)
    Object.assign(invocation.state, end.state)
    return { ...end, command: `uses: ${invocation.step.action}` }
  }

  const performStage = async (
    definition: Definition,
    invocation: Invocation,
    call: StepCall,
    remember: () => void,
  ): Promise<StepEnd> => {
    if (definition.kind === 'built-in') return performBuiltIn(definition.action, invocation, call, remember)
    if (definition.kind === 'image') {
      const inputs = await inputsOf(invocation.step, call.scope())
      sayInputs(inputs, call)
      return runImage(definition.image, invocation, inputs, call)
    }
    const { manifest, directory } = definition
    const { runs } = manifest
    const { inputs, remarks } = await inputsFor(invocation.step, manifest, call.scope())
    sayInputs(inputs, call)
    const { log, mask, annotations } = call.frame.run.at
    const isLocal = invocation.reference.kind === 'local'
    if (call.stage === 'main') {
      for (const remark of remarks) {
        annotations.add({ ...remark, message: mask.hide(remark.message), step: call.name })
        log.write(marked('warning', mask.hide(describeRemark(remark))))
      }
      if (isLocal && runs.kind !== 'composite' && runs.pre !== null)
        log.write(
          marked('warning', `\`pre\` execution is not supported for local action from '${invocation.step.action}'`),
        )
    }
    if (runs.kind === 'composite')
      return runComposite(runs, directory, invocation, inputs, call, (frame, step, stage, child) =>
        run(frame, step, stage, child, String(call.github.action ?? ''), (inner) => {
          if (!invocation.posts.includes(inner)) invocation.posts.push(inner)
          remember()
        }),
      )
    if (runs.post !== null && call.stage !== 'post') remember()
    return runs.kind === 'javascript'
      ? runJavaScript(runs, directory, invocation, inputs, call)
      : runContainer(runs, directory, invocation, inputs, call)
  }
  return { run }
}

/** Whether an action has a stage before the job's steps. */
export const hasPre = ({ definition, children, reference }: Invocation): boolean => {
  if (definition?.kind !== 'manifest' || reference.kind === 'local') return false
  const { runs } = definition.manifest
  return runs.kind === 'composite' ? [...children.values()].some(hasPre) : runs.pre !== null
}

const conditionOf = (step: Step, stage: StepCall['stage'], invocation: Invocation | null): string | undefined => {
  if (stage === 'main') return step.if?.expression
  if (stage === 'pre' && invocation && !hasPre(invocation)) return 'false'
  const { definition = null, post = null } = invocation ?? {}
  if (definition?.kind === 'built-in') return post?.condition
  if (definition?.kind !== 'manifest' || definition.manifest.runs.kind === 'composite') return 'always()'
  const { preIf, postIf } = definition.manifest.runs
  return stage === 'pre' ? preIf : postIf
}

const performBuiltIn = async (
  action: NonNullable<Extract<Definition, { kind: 'built-in' }>>['action'],
  invocation: Invocation,
  call: StepCall,
  remember: () => void,
): Promise<StepEnd> => {
  const { run } = call.frame
  const inputs = await inputsOf(invocation.step, call.scope())
  sayInputs(inputs, call)
  const env = { ...variablesOf(call), ...run.services }
  // It runs beside the job, not in its container: it reaches the server where this machine does.
  const { serverUrl, services } = run.place
  const reached = run.services.ACTIONS_RESULTS_URL ? { ACTIONS_RESULTS_URL: `${serverUrl}/` } : {}
  const { timeout, cancel, kill } = call.signals
  const own: ActionCall = {
    uses: invocation.step.action,
    inputs,
    source: run.order.source,
    origin: { url: textOf(run.github.repositoryUrl), token: textOf(run.github.token) },
    workspace: run.at.workspace,
    user: run.at.user,
    env,
    services: { ...run.services, ...reached },
    certificate: services?.certificate ?? null,
    tools: run.tools,
    signal: AbortSignal.any([timeout, cancel, kill]),
    run: (argv, options = {}) => {
      const program = { number: nextNumber(run), step: call.name, cwd: run.at.workspace.work, signals: call.signals }
      return runProgram({ ...program, argv, env, ...options }, run.at)
    },
    hashFiles: (patterns) => hashFiles(patterns, run.at),
    endProcesses: () => run.at.cell.endAll(),
    say: (line) => run.at.log.write(`${run.at.mask.hide(line)}\n`),
    hide: run.at.mask.hide,
  }
  if (call.stage === 'post') {
    await invocation.post?.run(own)
    return succeeded()
  }
  const { post, ...changes } = await action(own)
  if (post) {
    invocation.post = post
    remember()
  }
  return succeeded(changes)
}

const textOf = (value: Json | undefined): string => (typeof value === 'string' ? value : '')

/** The head of the step's log: what the action is given. */
const sayInputs = (inputs: Readonly<Record<string, string>>, { stage, env, frame }: StepCall): void => {
  const { log, mask } = frame.run.at
  const lines = (what: string, values: Readonly<Record<string, string>>): string[] => {
    const said = Object.entries(values).flatMap(([name, value]) => (value === '' ? [] : [`  ${name}: ${value}\n`]))
    return said.length === 0 ? [] : [`${what}:\n`, ...said]
  }
  const text = stage === 'post' ? 'Post job cleanup.\n' : [...lines('with', inputs), ...lines('env', env)].join('')
  if (text !== '') log.write(mask.hide(text).replaceAll(/^##\[/gm, ' ##['))
  log.write('##[endgroup]\n')
  log.markTail()
}

/** What the `github` context says of where an action is from. */
const sourceOf = ({ reference }: Invocation): Readonly<Record<string, Json>> =>
  reference.kind === 'remote'
    ? { action_repository: `${reference.owner}/${reference.repository}`, action_ref: reference.ref }
    : { action_repository: '', action_ref: '' }

/** `github.action` of a job's steps: their ids, else names of their own, numbered where they would be the same. */
export const idsOf = (steps: readonly Step[]): readonly string[] => {
  const counts = new Map<string, number>()
  return steps.map((step) => {
    if (step.id !== null) return step.id
    const base =
      step.kind === 'run' ? '__run' : `__${step.action.replace(/@.*$/, '').replaceAll(/[^A-Za-z0-9_-]+/g, '_')}`
    const count = (counts.get(base) ?? 0) + 1
    counts.set(base, count)
    return count === 1 ? base : `${base}_${count}`
  })
}

export const describeInvocation = ({ reference }: Invocation): string => describeReference(reference)
