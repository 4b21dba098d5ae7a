import { accessSync, constants, statSync } from 'node:fs'
import { isAbsolute, join } from 'node:path'

/** How a `run` script is started: the program with its arguments, and what its file is called. */
export type ShellCommand = { readonly argv: readonly [string, ...string[]]; readonly extension: string }

/**
 * The command for a shell as written in a workflow; empty or undefined stands for none named (bash where there is one, else sh).
 * `script` is the path of the file. Throws an Error when a custom shell has no `{0}`. As actions/runner,
 * src/Runner.Worker/Handlers/ScriptHandlerHelpers.cs.
 */
export const shellCommand = (shell: string | undefined, script: string, hasBash: boolean): ShellCommand => {
  const line = shell?.trim() ? (templates[shell.trim()] ?? shell) : hasBash ? 'bash -e {0}' : 'sh -e {0}'
  const [program, ...rest] = words(line)
  const values = rest.map((word) => word.replaceAll('{0}', script))
  if (program === undefined || !rest.some((word) => word.includes('{0}')))
    throw new Error(`shell: ${shell} must have {0} where the script's file goes, or be one of ${known.join(', ')}`)
  return { argv: [program, ...values], extension: extensions[program] ?? '' }
}

/** A script with what its shell needs around it. */
export const scriptText = (script: string, { extension }: ShellCommand): string => {
  const text = script.endsWith('\n') ? script : `${script}\n`
  return extension === '.ps1'
    ? `$ErrorActionPreference = 'stop'\n${text}if ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit $LASTEXITCODE }\n`
    : text
}

/** Where a program is on a PATH; null where it is nowhere. */
export const findProgram = (program: string, path: string, cwd: string): string | null => {
  const candidates = program.includes('/')
    ? [isAbsolute(program) ? program : join(cwd, program)]
    : path.split(':').flatMap((folder) => (folder.startsWith('/') ? [join(folder, program)] : []))
  return candidates.find(isProgram) ?? null
}

/** What to tell somebody whose step needs a program that this machine lacks. */
export const describeMissingProgram = (program: string, path: string): string => {
  const looked = path.split(':').filter(Boolean).join(', ')
  return `${program} is not on this machine for the job's user: looked in ${looked}; ${remedies[program] ?? 'install it for all users, or bring it with an earlier step and GITHUB_PATH'}`
}

const isProgram = (file: string): boolean => {
  try {
    // Most folders of a PATH do not have it: an error for each would cost more than the look.
    if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) return false
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const templates: Readonly<Record<string, string>> = {
  bash: 'bash --noprofile --norc -e -o pipefail {0}',
  sh: 'sh -e {0}',
  python: 'python {0}',
  pwsh: `pwsh -command ". '{0}'"`,
  powershell: `powershell -command ". '{0}'"`,
  cmd: 'cmd /D /E:ON /V:OFF /S /C {0}',
}
const known = ['bash', 'sh', 'python', 'pwsh']
const extensions: Readonly<Record<string, string>> = {
  bash: '.sh',
  sh: '.sh',
  python: '.py',
  pwsh: '.ps1',
  powershell: '.ps1',
  cmd: '.cmd',
}
const remedies: Readonly<Record<string, string>> = {
  python: 'add a step with `uses: actions/setup-python@v5` before this one, or install Python for all users',
  pwsh: "install PowerShell for all users, or write the step for `shell: bash`, which is every runner's default",
  powershell: 'Windows PowerShell runs on Windows only; use `shell: pwsh` or `shell: bash`',
  cmd: 'it runs on Windows only; use `shell: bash`',
  docker: 'install a Docker Engine, or run the job on a runner that has one',
  python3: 'add a step with `uses: actions/setup-python@v5` before this one, or install Python for all users',
  npm: 'add a step with `uses: actions/setup-node@v4` before this one, or install Node.js for all users',
  go: 'add a step with `uses: actions/setup-go@v5` before this one, or install Go for all users',
  node: 'add a step with `uses: actions/setup-node@v4` before this one, or install Node.js for all users',
}

/** Splits at spaces, keeping what stands in double quotes together, and drops the quotes. */
const words = (line: string): string[] =>
  Array.from(line.matchAll(/(?:[^\s"]|"[^"]*"?)+/g), ([word]) => word.replaceAll('"', ''))
