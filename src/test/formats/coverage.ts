import type { Coverage } from '../results.ts'
import { eachLine } from './lines.ts'
import { readXml } from './xml.ts'

/** A report of more is no report of one repository. */
const mostLines = 1_000_000

type CoverageReading = { readonly coverage: Coverage | null; readonly fault: string | null }

/**
 * The lines of an lcov tracefile (geninfo(1)): those of a file that several tests tell of count once, and are covered when one of
 * them ran them. Without DA records, the sums of a file (LF, LH) count.
 */
export const readLcov = async (text: string): Promise<CoverageReading> => {
  const lines = createLines()
  let file = ''
  let sums: Coverage = { covered: 0, total: 0 }
  let own = { covered: 0, total: 0, hasLines: false }
  let isTooLong = false
  await eachLine(text, (line) => {
    const [, tag = '', value = ''] = /^([A-Z]{2,4}):(.*)$/.exec(line) ?? []
    if (tag === 'SF') {
      file = value
      own = { covered: 0, total: 0, hasLines: false }
    } else if (tag === 'DA') {
      const [number = '', hits = ''] = value.split(',')
      own.hasLines = true
      isTooLong ||= !lines.add(file, number, Number(hits) > 0)
    } else if (tag === 'LF') own.total = countOf(value)
    else if (tag === 'LH') own.covered = countOf(value)
    else if (line.startsWith('end_of_record') && !own.hasLines)
      sums = { covered: sums.covered + Math.min(own.covered, own.total), total: sums.total + own.total }
  })
  if (isTooLong) return tooLong
  const { covered, total } = lines.sum()
  const coverage = { covered: covered + sums.covered, total: total + sums.total }
  return coverage.total === 0 ? { coverage: null, fault: 'it tells of no lines' } : { coverage, fault: null }
}

/**
 * The lines of a Cobertura report (https://cobertura.sourceforge.net/xml/coverage-04.dtd); a line that stands beneath a method and
 * beneath its class counts once.
 */
export const readCobertura = async (text: string): Promise<CoverageReading> => {
  const lines = createLines()
  let file = ''
  let isTooLong = false
  const fault = await readXml(text, {
    open: (name, attributes) => {
      if (name === 'class') file = attributes.filename ?? ''
      else if (name === 'line' && attributes.number !== undefined)
        isTooLong = !lines.add(file, attributes.number, Number(attributes.hits) > 0)
      return !isTooLong
    },
    text: () => undefined,
    close: () => undefined,
  })
  if (isTooLong) return tooLong
  const coverage = lines.sum()
  // A part of the lines says nothing of their share.
  if (fault !== null || coverage.total === 0) return { coverage: null, fault: fault ?? 'it tells of no lines' }
  return { coverage, fault: null }
}

const tooLong = { coverage: null, fault: `it tells of more than ${mostLines} lines` }

const createLines = () => {
  const covered = new Map<string, Map<string, boolean>>()
  let count = 0
  return {
    /** False when there are too many. */
    add: (file: string, line: string, isCovered: boolean): boolean => {
      if (count > mostLines) return false
      const known = covered.get(file) ?? new Map<string, boolean>()
      if (known.size === 0) covered.set(file, known)
      if (!known.has(line)) count += 1
      known.set(line, isCovered || known.get(line) === true)
      return count <= mostLines
    },
    sum: (): Coverage => {
      let hit = 0
      for (const lines of covered.values()) for (const isCovered of lines.values()) if (isCovered) hit += 1
      return { covered: hit, total: count }
    },
  }
}

const countOf = (text: string): number => (/^\d{1,9}$/.test(text) ? Number(text) : 0)
