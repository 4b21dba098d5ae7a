/** The files by which a step tells the runner something; each step gets fresh ones. */
export const commandFiles = {
  GITHUB_ENV: 'env',
  GITHUB_OUTPUT: 'output',
  GITHUB_PATH: 'path',
  GITHUB_STATE: 'state',
  GITHUB_STEP_SUMMARY: 'summary',
} as const
export type CommandFile = keyof typeof commandFiles

/** The pairs of a file up to where it is wrong; `fault` says what is wrong there. */
export type Pairs = {
  readonly pairs: readonly (readonly [name: string, value: string])[]
  readonly fault: string | null
}

/**
 * The pairs of a GITHUB_ENV, GITHUB_OUTPUT or GITHUB_STATE file: lines `name=value`, or `name<<delimiter` with the value on
 * the lines up to the delimiter; whichever marker comes first counts. As actions/runner, FileCommandManager.cs,
 * `EnvFileKeyValuePairs`: only a line feed ends a line, and what stands before a fault counts.
 */
export const parsePairs = (text: string): Pairs => {
  const lines = text.split('\n')
  const pairs: [string, string][] = []
  const faulty = (fault: string): Pairs => ({ pairs, fault })
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? ''
    if (line === '') continue
    const equals = line.indexOf('=')
    const heredoc = line.indexOf('<<')
    const isPair = equals >= 0 && (heredoc < 0 || equals < heredoc)
    if (!isPair && heredoc < 0) return faulty(`Invalid format '${line}'`)
    const name = line.slice(0, isPair ? equals : heredoc)
    if (name === '') return faulty(`Invalid format '${line}'. Name must not be empty`)
    if (isPair) {
      pairs.push([name, line.slice(equals + 1)])
      continue
    }
    const delimiter = line.slice(heredoc + 2)
    if (delimiter === '')
      return faulty(`Invalid format '${line}'. Name must not be empty and delimiter must not be empty`)
    const end = lines.indexOf(delimiter, at + 1)
    if (end < 0)
      return faulty(
        text.endsWith('\n') || at === lines.length - 1
          ? `Invalid value. Matching delimiter not found '${delimiter}'`
          : 'Invalid value. EOF marker missing new line.',
      )
    pairs.push([name, lines.slice(at + 1, end).join('\n')])
    at = end
  }
  return { pairs, fault: null }
}

/** The folders of a GITHUB_PATH file, oldest first. */
export const parsePaths = (text: string): string[] => text.split(/\r?\n/).filter((line) => line !== '')

/** A PATH's folders with others put before them, the newest first and none twice. */
export const withPaths = (paths: readonly string[], added: readonly string[]): readonly string[] =>
  added.reduce<readonly string[]>((all, folder) => [folder, ...all.filter((one) => one !== folder)], paths)

/** What GITHUB_ENV must not set: it would change the programs that Headway itself runs for the step. */
export const isRefusedVariable = (name: string): boolean => name.toUpperCase() === 'NODE_OPTIONS'
