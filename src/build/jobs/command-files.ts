/** The files by which a step tells the runner something; each step gets fresh ones. */
export const commandFiles = {
  GITHUB_ENV: 'env',
  GITHUB_OUTPUT: 'output',
  GITHUB_PATH: 'path',
  GITHUB_STATE: 'state',
  GITHUB_STEP_SUMMARY: 'summary',
} as const
export type CommandFile = keyof typeof commandFiles

/**
 * The pairs of a GITHUB_ENV, GITHUB_OUTPUT or GITHUB_STATE file: lines `name=value`, or `name<<delimiter` with the value on
 * the lines up to the delimiter; whichever marker comes first counts. Throws an Error that says which line is wrong.
 */
export const parsePairs = (text: string): [name: string, value: string][] => {
  const lines = text.split(/\r?\n/)
  const pairs: [string, string][] = []
  for (let at = 0; at < lines.length; at += 1) {
    const line = lines[at] ?? ''
    if (line === '') continue
    const equals = line.indexOf('=')
    const heredoc = line.indexOf('<<')
    if (equals >= 0 && (heredoc < 0 || equals < heredoc)) {
      pairs.push([named(line.slice(0, equals), line), line.slice(equals + 1)])
    } else if (heredoc >= 0) {
      const name = named(line.slice(0, heredoc), line)
      const delimiter = line.slice(heredoc + 2)
      const end = delimiter === '' ? -1 : lines.indexOf(delimiter, at + 1)
      if (end < 0) throw new Error(`Invalid value. Matching delimiter not found '${delimiter}'`)
      pairs.push([name, lines.slice(at + 1, end).join('\n')])
      at = end
    } else {
      throw new Error(`Invalid format '${line}'`)
    }
  }
  return pairs
}

/** The folders of a GITHUB_PATH file, newest first, as they go onto the PATH. */
export const parsePaths = (text: string): string[] =>
  text
    .split(/\r?\n/)
    .filter((line) => line !== '')
    .reverse()

/** What GITHUB_ENV must not set: it would change the programs that Headway itself runs for the step. */
export const isRefusedVariable = (name: string): boolean => name.toUpperCase() === 'NODE_OPTIONS'

const named = (name: string, line: string): string => {
  if (name === '') throw new Error(`Invalid format '${line}'. Name must not be empty`)
  return name
}
