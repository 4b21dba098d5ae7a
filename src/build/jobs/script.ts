import { join, resolve } from 'node:path'
import { textFrom } from '../workflow/evaluate.ts'
import type { Scope } from '../workflow/expression.ts'
import type { Template } from '../workflow/template.ts'
import type { RunStep } from '../workflow/workflow.ts'
import { scopeOf } from './frame.ts'
import { nextNumber } from './job-run.ts'
import { failed, runProgram, type StepEnd } from './program.ts'
import { describeMissingProgram, findProgram, type ShellCommand, scriptText, shellCommand } from './shell.ts'
import type { StepCall } from './step.ts'
import { variablesOf } from './variables.ts'
import { writeForJob } from './workspace.ts'

/** Runs a `run` step: its script goes into a file, which its shell runs. */
export const runScript = async (step: RunStep, call: StepCall): Promise<StepEnd> => {
  const { frame } = call
  const { at, place } = frame.run
  const { log, mask, workspace, cell } = at
  const hasBash = place.hasBash && cell.hasHostTools // in a container of its own a job's default is sh
  const script = (await textFrom(step.script, call.scope())) ?? ''
  const shell = await firstOf(step.shell, ({ shell: one }) => one, call)
  const folder = await firstOf(step.workingDirectory, ({ workingDirectory }) => workingDirectory, call)
  const number = nextNumber(frame.run)
  const { extension } = shellCommand(shell, '', hasBash)
  const file = join(workspace.files, `${number}-script${extension}`)
  const cwd = resolve(workspace.work, folder ?? '')
  const env = { ...variablesOf(call), ...identityVariables(frame.run.services) }
  // What a container has is not to be seen from here.
  const isHere = (program: string): boolean => !cell.hasHostTools || findProgram(program, env.PATH ?? '', cwd) !== null
  const command = pythonAs(isHere, shellCommand(shell, file, hasBash))

  const said = Object.entries(call.env).map(([name, value]) => `  ${name}: ${value}\n`)
  const header = `${script.trimEnd()}\nshell: ${shellCommand(shell, '{0}', hasBash).argv.join(' ')}\n`
  log.write(mask.hide(`${header}${said.length > 0 ? `env:\n${said.join('')}` : ''}`).replaceAll(/^##\[/gm, ' ##['))
  log.write('##[endgroup]\n')
  log.markTail()

  const [program] = command.argv
  if (!isHere(program)) return { ...failed(describeMissingProgram(program, env.PATH ?? '')), command: script.trim() }
  writeForJob(file, scriptText(script, command), at.user)
  const end = await runProgram({ number, step: call.name, argv: command.argv, cwd, env, signals: call.signals }, at)
  const hint = end.exitCode === 127 ? missingIn(log.lastLines(5), env.PATH ?? '') : null
  return { ...end, command: script.trim(), ...(hint === null ? {} : { detail: `${end.detail}: ${hint}` }) }
}

/** `shell: python` is any Python of GitHub's machines; some systems have it as python3 only. */
const pythonAs = (isHere: (program: string) => boolean, command: ShellCommand): ShellCommand => {
  const [program, ...rest] = command.argv
  const isOther = program === 'python' && !isHere('python') && isHere('python3')
  return isOther ? { ...command, argv: ['python3', ...rest] } : command
}

/** What a shell says of a program that it did not find, such as `line 3: node: command not found`. */
const missingIn = (lines: readonly string[], path: string): string | null => {
  const program = lines
    .map((line) => /(?:^|[\s:])([A-Za-z0-9][\w.+-]*): (?:command )?not found\s*$/.exec(line)?.[1])
    .findLast((name) => name !== undefined)
  return program === undefined ? null : describeMissingProgram(program, path)
}

/** A script may ask who its job is, where the job may say so; the other services are for actions only (actions/runner, ScriptHandler.cs). */
const identityVariables = (services: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(services).filter(([name]) => name.startsWith('ACTIONS_ID_TOKEN_REQUEST_')))

/** What the step says, else the job, else the workflow. */
const firstOf = async (
  own: Template | undefined,
  ofDefaults: (defaults: StepCall['frame']['defaults'][number]) => Template | undefined,
  { frame, scope }: StepCall,
): Promise<string | undefined> => {
  const candidates: readonly (readonly [Template | undefined, Scope])[] = [
    [own, scope()],
    ...frame.defaults.map((one) => [ofDefaults(one), scopeOf(frame)] as const),
  ]
  for (const [template, seen] of candidates) {
    const text = await textFrom(template, seen)
    if (text) return text
  }
  return undefined
}
