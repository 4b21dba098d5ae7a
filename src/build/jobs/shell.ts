/** How a `run` script is started: the program with its arguments, and what its file is called. */
export type ShellCommand = { readonly argv: readonly [string, ...string[]]; readonly extension: string }

/**
 * The command for a shell as written in a workflow; undefined stands for none named (bash where there is one, else sh).
 * `script` is the path of the file. Throws an Error when a custom shell has no `{0}`.
 */
export const shellCommand = (shell: string | undefined, script: string, hasBash: boolean): ShellCommand => {
  const [program, ...rest] = words(shell === undefined ? (hasBash ? 'bash -e {0}' : 'sh -e {0}') : lineOf(shell))
  const values = rest.map((word) => word.replaceAll('{0}', script))
  if (program === undefined || !rest.some((word) => word.includes('{0}')))
    throw new Error(`shell: ${shell} must have {0} where the script's file goes, or be one of ${known.join(', ')}`)
  return { argv: [program, ...values], extension: extensions[program] ?? '' }
}

const lineOf = (shell: string): string => templates[shell] ?? shell

const templates: Readonly<Record<string, string>> = {
  bash: 'bash --noprofile --norc -e -o pipefail {0}',
  sh: 'sh -e {0}',
  python: 'python {0}',
  pwsh: `pwsh -command ". '{0}'"`,
}
const known = Object.keys(templates)
const extensions: Readonly<Record<string, string>> = { bash: '.sh', sh: '.sh', python: '.py', pwsh: '.ps1' }

/** Splits at spaces, keeping what stands in double quotes together. */
const words = (line: string): string[] =>
  Array.from(line.matchAll(/"([^"]*)"|(\S+)/g), ([, quoted, plain]) => quoted ?? plain ?? '')
