import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { nextNumber } from '../jobs/job-run.ts'
import { failed, runProgram, type StepEnd } from '../jobs/program.ts'
import type { StepCall } from '../jobs/step.ts'
import { variablesOf } from '../jobs/variables.ts'
import { inputVariables, stateVariables } from './inputs.ts'
import type { Invocation } from './invocation.ts'
import type { JavaScriptRuns } from './manifest.ts'

/** Runs a stage of a JavaScript action by the Node.js that runs Headway, whatever version it asks for. */
export const runJavaScript = async (
  runs: JavaScriptRuns,
  directory: string,
  invocation: Invocation,
  inputs: Readonly<Record<string, string>>,
  call: StepCall,
): Promise<StepEnd> => {
  const { run } = call.frame
  const script = call.stage === 'main' ? runs.main : runs[call.stage]
  if (script === null) return failed(`${invocation.step.action} has nothing to run there`)
  const file = join(directory, script)
  if (!existsSync(file)) return failed(`${invocation.step.action} lacks its ${script}`)
  const node = await run.place.findNode()
  const { NODE_ICU_DATA: _, ...env } = {
    ...variablesOf(call),
    ...run.services,
    ...inputVariables(inputs),
    ...stateVariables(invocation.state),
  }
  const program = { number: nextNumber(run), step: call.name, cwd: run.at.workspace.work, signals: call.signals }
  // Its own words say why it failed: as actions/runner, NodeScriptActionHandler.cs, an exit code alone is no annotation.
  const end = await runProgram({ ...program, argv: [node, file], env }, run.at)
  return { ...end, isTold: end.exitCode !== null && end.exitCode !== 0 }
}
