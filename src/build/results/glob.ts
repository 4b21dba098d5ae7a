import { posix } from 'node:path'

/** One line of a `path` input: which paths it means, absolutely. */
export type PathPattern = {
  readonly isExclusion: boolean
  /** The folder or file before the first wildcard: where to look. */
  readonly root: string
  /** How far below the root it can match; null: without end. */
  readonly depth: number | null
  matches(path: string): boolean
}

export type PatternPlace = {
  readonly work: string
  readonly home: string
  /** Whether a folder that matches stands for all that is in it. */
  readonly withDescendants: boolean
}

/**
 * The lines of a `path` input as @actions/glob reads them (packages/glob, internal-pattern.ts): `*`, `?`, `[...]` and `**`, names that
 * begin with a dot included, `!` takes away again, `#` is a comment, `~` is the home, and what is not absolute is below the workspace.
 */
export const parsePatterns = (text: string, place: PatternPlace): PathPattern[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => patternOf(line, place))

/** Whether a path is meant: the last pattern that matches it decides. */
export const isMeant = (patterns: readonly PathPattern[], path: string): boolean =>
  patterns.reduce((is, pattern) => (pattern.matches(path) ? !pattern.isExclusion : is), false)

/** Where to look: the roots of the patterns, without those that lie below another. */
export const searchRoots = (patterns: readonly PathPattern[]): readonly PathPattern[] => {
  const wanted = patterns.filter(({ isExclusion }) => !isExclusion)
  const covers = (one: PathPattern, other: PathPattern): boolean =>
    one.root === other.root || other.root.startsWith(one.root === '/' ? '/' : `${one.root}/`)
  return wanted.filter(
    (one, index) =>
      !wanted.some((other, at) => at !== index && covers(other, one) && (!covers(one, other) || at < index)),
  )
}

/** The deepest folder that holds all of these paths. */
export const commonAncestor = (paths: readonly string[]): string => {
  const [first = [], ...others] = paths.map((path) => path.split('/'))
  const same = first.findIndex((segment, at) => others.some((other) => other[at] !== segment))
  return first.slice(0, same < 0 ? first.length : same).join('/') || '/'
}

const patternOf = (line: string, { work, home, withDescendants }: PatternPlace): PathPattern => {
  const marks = /^!*/.exec(line)?.[0].length ?? 0
  const bare = line.slice(marks).trim()
  const rooted = /^~(\/|$)/.test(bare) ? `${escaped(home)}${bare.slice(1)}` : bare
  const absolute = posix
    .normalize(rooted.startsWith('/') ? rooted : `${escaped(work)}/${rooted}`)
    .replace(/(.)\/$/, '$1')
  const segments = absolute.split('/').filter((segment) => segment !== '')
  const firstWild = segments.findIndex((segment) => isWild(segment))
  const literal = segments.slice(0, firstWild < 0 ? segments.length : firstWild)
  const isDeep = withDescendants || segments.includes('**')
  const expression = new RegExp(
    `^${segments.map(segmentExpression).join('')}${withDescendants ? '(?:/.*)?' : ''}$`,
    's',
  )
  return {
    isExclusion: marks % 2 === 1,
    root: `/${literal.map(unescaped).join('/')}`,
    depth: isDeep ? null : segments.length - literal.length,
    matches: (path) => expression.test(path),
  }
}

const isWild = (segment: string): boolean => /[*?[]/.test(segment.replace(/\\./g, ''))
const unescaped = (segment: string): string => segment.replace(/\\(.)/g, '$1')
const escaped = (path: string): string => path.replace(/[\\*?[\]]/g, '\\$&')

const segmentExpression = (segment: string, index: number, all: readonly string[]): string => {
  if (segment === '**') return index === all.length - 1 ? '(?:/[^/]+)+' : '(?:/[^/]+)*'
  const parts = segment.match(/\\.|\[[!^]?\]?[^\]]*\]|[\s\S]/g) ?? []
  return `/${parts.map(partExpression).join('')}`
}

const partExpression = (part: string): string => {
  if (part === '*') return '[^/]*'
  if (part === '?') return '[^/]'
  if (part.length > 2 && part.startsWith('[')) {
    const isNegated = /^\[[!^]/.test(part)
    return `[${isNegated ? '^' : ''}${part.slice(isNegated ? 2 : 1, -1).replace(/[\\[\]^]/g, '\\$&')}]`
  }
  return (part.startsWith('\\') && part.length === 2 ? part.slice(1) : part).replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
}
