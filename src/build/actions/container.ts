import { join } from 'node:path'
import { nextNumber } from '../jobs/job-run.ts'
import { failed, runProgram, type StepEnd } from '../jobs/program.ts'
import type { StepCall } from '../jobs/step.ts'
import { variablesOf } from '../jobs/variables.ts'
import { textFrom, textsFrom } from '../workflow/evaluate.ts'
import type { Scope } from '../workflow/expression.ts'
import { inputVariables, stateVariables } from './inputs.ts'
import type { Invocation } from './invocation.ts'
import type { ContainerRuns } from './manifest.ts'

/** Runs a stage of a container action. Semantics: actions/runner, src/Runner.Worker/Handlers/ContainerActionHandler.cs. */
export const runContainer = async (
  runs: ContainerRuns,
  directory: string,
  invocation: Invocation,
  inputs: Readonly<Record<string, string>>,
  call: StepCall,
): Promise<StepEnd> => {
  const { containers } = call.frame.run.at.cell
  if (!containers) return failed(`${invocation.step.action} runs in a container, and there is no engine here`)
  const scope: Scope = { ...call.scope(), contexts: { ...call.scope().contexts, inputs } }
  const args: string[] = []
  for (const arg of runs.args ?? []) args.push((await textFrom(arg, scope)) ?? '')
  const image = runs.image.startsWith('docker://')
    ? runs.image.slice('docker://'.length)
    : await containers.build(join(directory, runs.image))
  return start(invocation, call, {
    image,
    entrypoint: call.stage === 'main' ? (runs.main ?? inputs.entrypoint ?? null) : runs[call.stage],
    args: runs.args ? args : words(inputs.args ?? ''),
    env: await textsFrom(runs.env, scope),
    inputs,
  })
}

/** Runs a `docker://` step: an image whose entry point and arguments are inputs. */
export const runImage = (
  image: string,
  invocation: Invocation,
  inputs: Readonly<Record<string, string>>,
  call: StepCall,
): Promise<StepEnd> =>
  start(invocation, call, {
    image,
    entrypoint: inputs.entrypoint ?? null,
    args: words(inputs.args ?? ''),
    env: {},
    inputs,
  })

type Started = {
  readonly image: string
  readonly entrypoint: string | null
  readonly args: readonly string[]
  /** What the step's own environment says counts more. */
  readonly env: Readonly<Record<string, string>>
  readonly inputs: Readonly<Record<string, string>>
}

const start = async (
  invocation: Invocation,
  call: StepCall,
  { image, entrypoint, args, env, inputs }: Started,
): Promise<StepEnd> => {
  const { run } = call.frame
  const { PATH: _, ...variables } = variablesOf(call)
  const program = { number: nextNumber(run), step: call.name, cwd: run.at.workspace.work, signals: call.signals }
  const own = { ...inputVariables(inputs), ...stateVariables(invocation.state) }
  const all = { ...env, ...variables, ...run.services, ...own }
  const end = await runProgram({ ...program, argv: [entrypoint ?? '', ...args], env: all, image }, run.at)
  return { ...end, isTold: end.exitCode !== null && end.exitCode !== 0 }
}

/** `with.args` of a step is one line, split at spaces except in quotes. */
const words = (line: string): string[] =>
  Array.from(line.matchAll(/(?:[^\s"']|"[^"]*"?|'[^']*'?)+/g), ([word]) =>
    word.replaceAll(
      /"([^"]*)"?|'([^']*)'?/g,
      (_, double: string | undefined, single: string | undefined) => double ?? single ?? '',
    ),
  )
