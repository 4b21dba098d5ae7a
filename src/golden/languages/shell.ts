/**
 * A shell line as a start command that gets signals itself: without a shell where the line is plain words, by `exec` where it
 * is one command with variables, and through the shell only where it is more than one command.
 */
export const startOf = (line: string): readonly [string, ...string[]] => {
  const [program, ...rest] = line.trim().split(/\s+/)
  if (program && /^[\w@%+:,./ \t-]+$/.test(line) && !builtIn.has(program)) return [program, ...rest]
  const several = /[;&|\n]|^\s*\w+=/.test(line)
  return ['sh', '-c', several ? line : `exec ${line}`]
}

const builtIn = new Set(['cd', 'exec', 'export', 'source', '.', 'set', 'if', 'while', 'for', 'until', 'trap', 'ulimit'])
