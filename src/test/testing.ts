import type { ReportFile } from '../build/index.ts'
import { locatorFor } from './formats/locate.ts'
import { readReports } from './read.ts'
import type { CaseResult, TestResults } from './results.ts'

/** What a report of this text says, in a repository of these files. */
export const reading = (
  format: ReportFile['format'],
  text: string,
  files: readonly string[] = [],
): Promise<TestResults> => readReports([{ path: `report.${format}`, format, text }], locatorFor(files))

/** A case as a test compares it: `suite › name: outcome`, with what else is known. */
export const told = ({ suite, name, outcome, file, line, isFlaky, durationMs, message }: CaseResult): string =>
  [
    `${suite} › ${name}: ${outcome}`,
    ...(isFlaky ? ['flaky'] : []),
    ...(durationMs === null ? [] : [`${durationMs} ms`]),
    ...(file === null ? [] : [`at ${file}${line === null ? '' : `:${line}`}`]),
    ...(message === null ? [] : [`"${message}"`]),
  ].join(', ')

export const toldOf = ({ reports }: TestResults): string[] => reports.flatMap(({ cases }) => cases.map(told))
