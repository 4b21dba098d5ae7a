import type { ReportFile } from '../build/index.ts'
import { type CaseSink, caseFrom, type Locate } from './formats/case.ts'
import { readCobertura, readLcov } from './formats/coverage.ts'
import { readGoTest } from './formats/go-test.ts'
import { readJunit } from './formats/junit.ts'
import { readK6 } from './formats/k6.ts'
import { readTap } from './formats/tap.ts'
import type { CaseResult, ReportResult, TestResults } from './results.ts'

export { locatorFor } from './formats/locate.ts'

/** Of one job; a matrix has as many for each of its rows. */
const mostCases = 20_000
/** Beyond these only the line of a failure is kept. */
const mostDetails = 200
const mostNotes = 50

/**
 * What the reports of a job hold. They are hostile: what cannot be read is left out and noted, nothing throws. `locate` finds the
 * repository's file that a report names. Cases of the same name are told apart by a number behind the name.
 */
export const readReports = async (files: readonly ReportFile[], locate: Locate): Promise<TestResults> => {
  const notes: string[] = []
  const reports: ReportResult[] = []
  const names = new Map<string, number>()
  let casesLeft = mostCases
  let detailsLeft = mostDetails

  const keep = (cases: CaseResult[]): CaseSink => {
    return (found) => {
      if (casesLeft === 0) return false
      casesLeft -= 1
      const one = numbered(caseFrom(found, locate), names)
      if (one.detail !== null) detailsLeft -= 1
      cases.push(detailsLeft < 0 ? { ...one, detail: null } : one)
      return true
    }
  }
  for (const file of files) {
    const cases: CaseResult[] = []
    const {
      coverage = null,
      p95Ms = null,
      fault,
    } = await readOne(file, keep(cases)).catch(
      (error: unknown): Read => ({ fault: error instanceof Error ? error.message : String(error) }),
    )
    reports.push({ path: file.path, format: file.format, cases, coverage, p95Ms })
    if (fault !== null) notes.push(`${file.path}: ${fault.slice(0, 300)}`)
  }
  if (casesLeft === 0) notes.unshift(`only the first ${mostCases} cases were kept`)
  return { reports, notes: notes.slice(0, mostNotes) }
}

type Read = {
  readonly coverage?: ReportResult['coverage']
  readonly p95Ms?: number | null
  readonly fault: string | null
}

const readOne = async ({ format, text }: ReportFile, sink: CaseSink): Promise<Read> => {
  switch (format) {
    case 'junit':
      return { fault: await readJunit(text, sink) }
    case 'tap':
      return { fault: await readTap(text, sink) }
    case 'go-test':
      return { fault: await readGoTest(text, sink) }
    case 'lcov':
      return readLcov(text)
    case 'cobertura':
      return readCobertura(text)
    case 'k6':
      return readK6(text)
  }
}

/** A second case of one name is another one (a table of inputs), not another attempt, unless its report says so. */
const numbered = (one: CaseResult, names: Map<string, number>): CaseResult => {
  const key = `${one.suite}\0${one.name}`
  const number = (names.get(key) ?? 0) + 1
  names.set(key, number)
  return number === 1 ? one : { ...one, name: `${one.name} (${number})` }
}
