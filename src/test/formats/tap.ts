import { parse } from 'yaml'
import { z } from 'zod'
import type { CaseSink, FoundCase } from './case.ts'
import { eachLine, eachUntil } from './lines.ts'

const longestLine = 10_000
const longestBlock = 32 * 1024
/** All the YAML of a report; further blocks are passed over. */
const longestBlocks = 2 * 1024 * 1024
const longestDiagnostics = 8 * 1024
const deepest = 50

/**
 * TAP 13 and 14 (https://testanything.org/tap-version-14-specification.html) with subtests in all three styles: announced by a comment,
 * bare, and buffered in braces (node-tap). What holds subtests is a suite; it counts as a case only when it failed without one of them.
 * Resolves to what was wrong with the report.
 */
export const readTap = async (text: string, sink: CaseSink): Promise<string | null> => {
  const reader = createReader()
  await eachLine(text, (line) => reader.take(line.slice(0, longestLine)))
  const { points, fault } = reader.end()
  await eachUntil(points, (point) => sink(found(point)))
  return fault
}

type Point = {
  readonly suites: string[]
  readonly name: string
  readonly isOk: boolean
  readonly directive: 'skip' | 'todo' | null
  readonly reason: string
  readonly indent: number
  durationMs: number | null
  /** What stood in its YAML block. */
  block: Diagnostics | null
  comments: string
}

const createReader = () => {
  /** Points by level, until the one above them names the suite that they are of. */
  const levels: Point[][] = [[]]
  const announced: (string | null)[] = []
  const braced: (Point | null)[] = []
  let last: Point | null = null
  let block: { readonly indent: number; readonly lines: string[]; sizeCharacters: number } | null = null
  let blocksLeft = longestBlocks
  let planned: number | null = null
  let seen = 0
  let fault: string | null = null

  const close = (level: number, point: Point): void => {
    const children = collapse(level + 1)
    for (const child of children) child.suites.unshift(point.name)
    const at = levelAt(level)
    at.push(...children)
    const isOnlySuite = children.length > 0 && (point.isOk || children.some(hasFailed))
    if (!isOnlySuite) at.push(point)
    last = point
  }

  /** All that is deeper than a level was never closed, or is closed now. */
  const collapse = (level: number): Point[] => {
    const own = levels[level] ?? []
    if (level + 1 < levels.length) {
      const name = braced[level]?.name ?? announced[level] ?? null
      for (const child of collapse(level + 1)) {
        if (name !== null) child.suites.unshift(name)
        own.push(child)
      }
    }
    levels.length = Math.min(levels.length, level)
    return own
  }

  const levelAt = (level: number): Point[] => {
    while (levels.length <= level) levels.push([])
    return levels[level] ?? []
  }

  const takeLine = (line: string): void => {
    const indent = line.length - line.trimStart().length
    const level = Math.min(Math.floor(indent / 4), deepest)
    const rest = line.trim()
    if (rest === '---' && last !== null && indent > last.indent && indent < last.indent + 4) {
      block = { indent, lines: [], sizeCharacters: 0 }
      return
    }
    const point = pointFrom(rest, indent)
    if (point) {
      if (level === 0) seen += 1
      if (rest.endsWith('{')) {
        levelAt(level)
        braced[level] = point
        last = point
      } else close(level, point)
    } else if (rest === '}' && braced[level]) {
      const opened = braced[level]
      braced[level] = null
      close(level, opened)
    } else if (rest.startsWith('# Subtest')) {
      levelAt(level)
      announced[level] = rest.replace(/^# Subtest:?\s*/, '')
    } else if (/^1\.\.\d+/.test(rest)) {
      if (level === 0) planned = Number(/^1\.\.(\d{1,9})/.exec(rest)?.[1] ?? 0)
    } else if (rest.startsWith('Bail out!')) {
      const reason = rest.slice('Bail out!'.length).trim()
      close(level, { ...noPoint, suites: [], name: 'Bail out!', indent, comments: reason })
    } else if (rest.startsWith('#') && last && !last.isOk && last.comments.length < longestDiagnostics)
      last.comments += `${rest.replace(/^#\s?/, '')}\n`
  }

  return {
    take: (line: string): void => {
      if (block === null) takeLine(line)
      else if (line.trim() === '...') {
        if (last && block.sizeCharacters <= Math.min(longestBlock, blocksLeft)) {
          blocksLeft -= block.sizeCharacters
          last.block = diagnosticsOf(block.lines, block.indent)
        }
        block = null
      } else {
        block.sizeCharacters += line.length + 1
        if (block.sizeCharacters <= longestBlock) block.lines.push(line)
      }
    },
    end: (): { points: Point[]; fault: string | null } => {
      if (block !== null) fault = 'it ends within a block of diagnostics'
      else if (planned !== null && planned !== seen) fault = `it announces ${planned} tests, and holds ${seen}`
      return { points: collapse(0), fault }
    },
  }
}

const noPoint = { isOk: false, directive: null, reason: '', durationMs: null, block: null, comments: '' } as const

const pointFrom = (text: string, indent: number): Point | null => {
  const match = /^(not )?ok\b\s*(\d+)?\s*(.*)$/s.exec(text)
  if (!match) return null
  const [, not, , rest = ''] = match
  const { description, directive, reason, durationMs } = directiveOf(rest.replace(/\s*\{$/, ''))
  const name = unescaped(description.replace(/^-\s*/, '').trim())
  return { ...noPoint, suites: [], name, isOk: not === undefined, directive, reason, indent, durationMs }
}

/** What stands behind the first ` #` that is not escaped. */
const directiveOf = (text: string) => {
  const at = /(?:^|[^\\])#\s*(skip\S*|todo|time=([\d.]+)(ms|s)?)\b[:\s]*(.*)$/is.exec(text)
  if (!at) return { description: text, directive: null, reason: '', durationMs: null }
  const description = text.slice(0, text[at.index] === '#' ? at.index : at.index + 1)
  const [, word = '', amount, unit, reason = ''] = at
  if (amount !== undefined)
    return { description, directive: null, reason: '', durationMs: Number(amount) * (unit === 's' ? 1000 : 1) }
  const directive = word.toLowerCase() === 'todo' ? ('todo' as const) : ('skip' as const)
  return { description, directive, reason, durationMs: null }
}

const unescaped = (text: string): string => text.replaceAll(/\\([#\\])/g, '$1')

/** What is read of a block: those keys that Node.js, node-tap and tape write. */
const Diagnostics = z.object({
  duration_ms: z.number().optional().catch(undefined),
  location: z.string().optional().catch(undefined),
  error: z.string().optional().catch(undefined),
  message: z.string().optional().catch(undefined),
  stack: z.string().optional().catch(undefined),
  at: z
    .union([
      z.string(),
      z.object({ fileName: z.string(), lineNumber: z.number() }),
      z.object({ file: z.string(), line: z.number() }),
    ])
    .optional()
    .catch(undefined),
})
type Diagnostics = z.infer<typeof Diagnostics>

/** Aliases are refused: a few lines of them stand for gigabytes. A block that is no YAML says nothing. */
const diagnosticsOf = (lines: readonly string[], indent: number): Diagnostics | null => {
  try {
    const text = lines.map((line) => line.slice(Math.min(indent, line.length - line.trimStart().length))).join('\n')
    return Diagnostics.parse(parse(text, { maxAliasCount: 0, uniqueKeys: false, logLevel: 'silent' }))
  } catch {
    return null
  }
}

const hasFailed = ({ isOk, directive }: Point): boolean => !isOk && directive === null

const found = (point: Point): FoundCase => {
  const { suites, name, isOk, directive, reason, block, comments } = point
  const isSkipped = directive === 'skip' || (directive === 'todo' && !isOk)
  const { file, line } = placeOf(block)
  const shared = { suite: suites.join(' › '), name, durationMs: block?.duration_ms ?? point.durationMs, file, line }
  if (isSkipped) return { ...shared, outcome: 'skipped', message: reason }
  if (isOk) return { ...shared, outcome: 'passed' }
  const detail = [block?.error ?? block?.message, block?.stack, comments].filter(Boolean).join('\n')
  return { ...shared, outcome: 'failed', message: block?.error ?? block?.message ?? null, detail }
}

/** `location: '/src/a.test.js:3:1'` of Node.js, `at` of node-tap and tape. */
const placeOf = (block: Diagnostics | null): { file: string | null; line: number | null } => {
  const at = block?.location ?? block?.at
  if (typeof at === 'object')
    return 'file' in at ? { file: at.file, line: at.line } : { file: at.fileName, line: at.lineNumber }
  const [, file, line] = /([^\s()]+):(\d+):\d+\)?$/.exec(at ?? '') ?? []
  return { file: file ?? null, line: line === undefined ? null : Number(line) }
}
