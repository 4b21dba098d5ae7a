import { createContext, Script } from 'node:vm'
import { z } from 'zod'
import { levelOf, type Remark, remark } from './annotations.ts'

const group = z.number().int().nonnegative().nullish()
const Pattern = z.object({
  regexp: z.string().max(4096),
  file: group,
  fromPath: group,
  line: group,
  column: group,
  severity: group,
  code: group,
  message: group,
  loop: z.boolean().nullish(),
})
const severity = z.preprocess(
  (value) => (typeof value === 'string' ? value.toLowerCase() : value),
  z.enum(['', 'error', 'warning', 'notice']).nullish(),
)
const MatcherFile = z.object({
  problemMatcher: z
    .array(
      z.object({
        owner: z.string().min(1, 'owner must not be empty'),
        severity,
        fromPath: z.string().nullish(),
        pattern: z.array(Pattern).min(1, 'a matcher needs a pattern').max(20),
      }),
    )
    .max(50)
    .nullish(),
})

type PatternText = z.infer<typeof Pattern>
type Field = 'file' | 'fromPath' | 'line' | 'column' | 'severity' | 'code' | 'message'
const fields: readonly Field[] = ['file', 'fromPath', 'line', 'column', 'severity', 'code', 'message']

/** Finds problems in the output of compilers and linters, line by line. Semantics: actions/runner, src/Runner.Worker/IssueMatcher.cs. */
export type ProblemMatcher = {
  readonly owner: string
  readonly severity: string
  readonly fromPath: string
  readonly patterns: readonly (Omit<PatternText, 'regexp'> & { readonly regexp: RegExp })[]
}

/** The matchers of a file in GitHub's format. Throws an Error that says what is wrong with it. */
export const parseMatchers = (text: string): readonly ProblemMatcher[] => {
  const matchers = (MatcherFile.parse(JSON.parse(text)).problemMatcher ?? []).map(
    ({ owner, severity: level, fromPath, pattern }) => ({
      owner,
      severity: level ?? '',
      fromPath: fromPath ?? '',
      patterns: pattern.map((one) => ({ ...one, regexp: new RegExp(one.regexp) })),
    }),
  )
  for (const matcher of matchers) mustBeSound(matcher)
  const double = matchers.find(({ owner }, at) => matchers.findIndex((one) => isOwnedBy(one, owner)) !== at)
  if (double) throw new Error(`Duplicate owner name '${double.owner}'`)
  return matchers
}

const mustBeSound = ({ owner, patterns }: ProblemMatcher): void => {
  const set = new Set<Field>()
  for (const [at, pattern] of patterns.entries()) {
    if (pattern.loop && (at === 0 || at !== patterns.length - 1))
      throw new Error(`${owner}: Only the last pattern in a multiline matcher may set 'loop'`)
    if (pattern.loop && pattern.message == null) throw new Error(`${owner}: The loop pattern must set 'message'`)
    const groups = (new RegExp(`${pattern.regexp.source}|`).exec('') ?? []).length
    for (const field of fields) {
      const index = pattern[field]
      if (index == null) continue
      if (set.has(field)) throw new Error(`${owner}: The property '${field}' is set twice`)
      if (index >= groups) throw new Error(`${owner}: The property '${field}' is set to ${index} which is out of range`)
      set.add(field)
    }
  }
  if (!set.has('message')) throw new Error(`${owner}: At least one pattern must set 'message'`)
}

const isOwnedBy = (matcher: ProblemMatcher, owner: string): boolean =>
  matcher.owner.toLowerCase() === owner.toLowerCase()

/** The matchers of a job; steps add and remove them, and they look at every later line. */
export type Matchers = {
  add(matchers: readonly ProblemMatcher[]): void
  removeOwners(owners: readonly string[]): void
  /** Newest first. */
  list(): readonly ProblemMatcher[]
}

export const createMatchers = (): Matchers => {
  let all: readonly ProblemMatcher[] = []
  const without = (owners: readonly string[]): readonly ProblemMatcher[] =>
    all.filter((one) => !owners.some((owner) => isOwnedBy(one, owner)))
  return {
    add: (matchers) => {
      all = [...matchers, ...without(matchers.map(({ owner }) => owner))]
    },
    removeOwners: (owners) => {
      all = without(owners)
    },
    list: () => all,
  }
}

type Match = Partial<Record<Field, string>>
/** A problem as its matcher found it; the file is as it was printed, `fromPath` what it is relative to. */
export type Problem = { readonly remark: Remark; readonly fromPath: string }

/** Reads one stream of a program: the lines that a problem has so far are remembered by matcher. */
export type MatchReader = {
  /** For each of the lines the problem that it completes, or null. */
  problemsOn(lines: readonly string[]): readonly (Problem | null)[]
}

/** Patterns may take this long for what came at once; JavaScript's expressions have no limit of their own. */
const longestMatchMs = 250
const longestLine = 8192
/** With the escape that starts a colour. */
const colours = /\u001b\[[0-9;]*m?/g

export const createMatchReader = (matchers: Matchers, warn: (message: string) => void): MatchReader => {
  const running = new Map<ProblemMatcher, (Match | null)[]>()
  const matchOf = (matcher: ProblemMatcher, line: string): Match | null => {
    const { patterns } = matcher
    const state = running.get(matcher) ?? []
    const last = patterns.length - 1
    for (let at = last; at >= 0; at -= 1) {
      const pattern = patterns[at]
      const before = at === 0 ? {} : state[at - 1]
      if (!pattern || !before) continue
      const groups = pattern.regexp.exec(line)
      if (at < last) state[at] = groups && merged(before, pattern, groups)
      else if (groups) {
        // Only a pattern that loops keeps the lines before it for the next one.
        running.set(matcher, pattern.loop ? [...Array.from({ length: last - 1 }, () => null), before] : [])
        return merged(before, pattern, groups)
      } else if (at > 0) state[at - 1] = null
    }
    running.set(matcher, state)
    return null
  }
  let current: ProblemMatcher | undefined
  const problemOn = (text: string): Problem | null => {
    const line = text.replaceAll(colours, '').slice(0, longestLine)
    for (const matcher of matchers.list()) {
      current = matcher
      const match = matchOf(matcher, line)
      if (match === null) continue
      for (const other of running.keys()) if (other !== matcher) running.delete(other)
      const problem = problemOf(match, matcher)
      if (problem) return problem
    }
    return null
  }
  const giveUpCurrent = (): void => {
    if (!current) return
    warn(`Removing issue matcher '${current.owner}'. It took longer than ${longestMatchMs} ms`)
    matchers.removeOwners([current.owner])
  }
  return {
    problemsOn: (lines) => {
      const problems: (Problem | null)[] = []
      const goOn = (): void => {
        while (problems.length < lines.length) problems.push(problemOn(lines[problems.length] ?? ''))
      }
      while (problems.length < lines.length) if (!isDoneInTime(goOn)) giveUpCurrent()
      return problems
    },
  }
}

const merged = (before: Match, pattern: ProblemMatcher['patterns'][number], groups: RegExpExecArray): Match => {
  const match: Match = {}
  for (const field of fields) {
    const index = pattern[field]
    const value = before[field] ?? (index == null ? undefined : (groups[index] ?? ''))
    if (value !== undefined) match[field] = value
  }
  return match
}

const problemOf = (match: Match, matcher: ProblemMatcher): Problem | null => {
  const level = (match.severity || matcher.severity || 'error').toLowerCase()
  if (level !== 'error' && level !== 'warning' && level !== 'notice') return null
  if (!match.message?.trim()) return null
  return {
    remark: {
      ...remark(levelOf(level), match.message),
      file: match.file?.trim() || null,
      line: integer(match.line),
      column: integer(match.column),
      title: match.code?.trim() || null,
    },
    fromPath: match.fromPath || matcher.fromPath,
  }
}

const integer = (text: string | undefined): number | null => (text && /^\d{1,9}$/.test(text) ? Number(text) : null)

const bench: { work: () => void } = { work: () => undefined }
let bounded: { readonly script: Script; readonly context: object } | undefined

/** Runs something synchronous that may not end by itself: only the engine's own limit stops an expression that backtracks. */
const isDoneInTime = (work: () => void): boolean => {
  bounded ??= { script: new Script('work()'), context: createContext(bench) }
  bench.work = work
  try {
    bounded.script.runInContext(bounded.context, { timeout: longestMatchMs })
    return true
  } catch (error) {
    // It comes from a realm of its own, and is no Error of this one.
    if (Object(error).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT') return false
    throw error
  }
}
