import type { Annotation } from '../facts.ts'

/** What is said of a place in the code before it is known which step said it. */
export type Remark = Omit<Annotation, 'step'>

/** The annotations of one job. */
export type Annotations = {
  add(annotation: Annotation): void
  /** In the order in which they were made, at most 50; where there are more, failures go before warnings before notices. */
  kept(): readonly Annotation[]
}

/** As actions/runner, src/Runner.Worker/ExecutionContext.cs: `_maxCountPerIssueType` of a step. */
const mostOfLevelInStep = 10
const mostInJob = 50
/** As there: `_maxIssueMessageLength`. */
const longestMessage = 4096

export const createAnnotations = (): Annotations => {
  const all: Annotation[] = []
  const counts = new Map<string, number>()
  return {
    add: (annotation) => {
      const key = `${annotation.level} ${annotation.step}`
      const count = counts.get(key) ?? 0
      counts.set(key, count + 1)
      if (count >= mostOfLevelInStep) return
      all.push({ ...annotation, message: annotation.message.slice(0, longestMessage) })
    },
    kept: () => {
      const wanted = new Set(levels.flatMap((level) => all.filter((one) => one.level === level)).slice(0, mostInJob))
      return all.filter((one) => wanted.has(one))
    },
  }
}

const levels = ['failure', 'warning', 'notice'] as const

/** The level of `::error::`, `::warning::` and `::notice::`. */
export const levelOf = (severity: 'error' | 'warning' | 'notice'): Annotation['level'] =>
  severity === 'error' ? 'failure' : severity

/** A remark about no place. */
export const remark = (level: Annotation['level'], message: string): Remark => ({
  level,
  message,
  title: null,
  ...nowhere,
})

const nowhere = { file: null, line: null, endLine: null, column: null, endColumn: null }

/**
 * The remark of an annotating command. Lines and columns that contradict one another are dropped as by actions/runner,
 * ActionCommandManager.cs, `ValidateLinesAndColumns`.
 */
export const remarkOf = (
  level: Annotation['level'],
  message: string,
  properties: Readonly<Record<string, string>>,
): Remark => {
  const endLine = integer(properties.endline)
  const line = integer(properties.line) ?? endLine
  const endColumn = integer(properties.endcolumn)
  const column = integer(properties.col) ?? endColumn
  const isOrdered = line === null || endLine === null || endLine >= line
  const hasColumns =
    line !== null &&
    (endLine === null || endLine === line) &&
    (column === null || endColumn === null || endColumn >= column)
  return {
    level,
    message,
    title: properties.title || null,
    file: properties.file || null,
    line: isOrdered ? line : null,
    endLine: isOrdered ? endLine : null,
    column: hasColumns ? column : null,
    endColumn: hasColumns ? endColumn : null,
  }
}

const integer = (text: string | undefined): number | null =>
  text !== undefined && /^\s*[+-]?\d{1,9}\s*$/.test(text) ? Number(text) : null

/** `a.js:3:7: Oh: It broke`, for the log. */
export const describeRemark = ({ message, title, file, line, column }: Remark): string => {
  const place = [file, line, column].filter((part) => part !== null).join(':')
  return `${place ? `${place}: ` : ''}${title ? `${title}: ` : ''}${message}`
}
