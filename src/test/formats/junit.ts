import { lastAttempts } from './attempts.ts'
import type { CaseSink, FoundCase } from './case.ts'
import { readXml, type XmlFault } from './xml.ts'

/** A failure's text is cut later; it need not be gathered beyond this. */
const longestText = 20_000
const longestSuite = 300

/**
 * JUnit's XML in the dialects of pytest, Surefire, jest-junit, gotestsum, Playwright and Node.js: suites nested or not, reruns of
 * Surefire (https://maven.apache.org/surefire/maven-surefire-plugin/xsd/surefire-test-report.xsd) and of gotestsum.
 * Resolves to what was wrong with the document.
 */
export const readJunit = async (text: string, sink: CaseSink): Promise<XmlFault | null> => {
  const suites: Suite[] = []
  let current: Draft | null = null
  let gathered: Gathered | null = null
  let isWanted = true

  const begin = (name: string, attributes: Attributes): void => {
    if (name === 'testsuite' || name === 'testsuites') suites.push(suiteFrom(name, attributes, suites.at(-1)))
    else if (name === 'property') {
      const suite = suites.at(-1)
      if (suite && attributes.name === 'go.version') suite.isGo = true
    } else if (name === 'testcase') current = { attributes, suite: suites.at(-1) ?? noSuite, verdict: null, reruns: 0 }
    else if (current && name in verdicts) {
      const kind = verdicts[name]
      if (kind === 'rerun') current.reruns += 1
      else if (kind && current.verdict === null) {
        // Of several verdicts the first counts: Node.js writes that a case is to do before it writes how it failed.
        gathered = { pieces: [], sizeCharacters: 0 }
        current.verdict = {
          kind,
          type: attributes.type ?? '',
          message: attributes.message ?? null,
          text: gathered.pieces,
        }
      }
    }
  }

  const end = (name: string): void => {
    if (name === 'testsuite' || name === 'testsuites') {
      const suite = suites.pop()
      if (suite) for (const found of lastAttempts(suite.attempts)) isWanted &&= sink(found)
    } else if (name === 'testcase' && current) {
      const found = caseOf(current)
      if (current.suite.isGo) current.suite.attempts.push(found)
      else isWanted &&= sink(found)
      current = null
      gathered = null
    } else if (name in verdicts) gathered = null
  }

  return readXml(text, {
    open: (name, attributes) => {
      begin(name, attributes)
      return isWanted
    },
    text: (piece) => {
      if (gathered === null || gathered.sizeCharacters > longestText) return
      gathered.pieces.push(piece)
      gathered.sizeCharacters += piece.length
    },
    close: end,
  })
}

type Gathered = { readonly pieces: string[]; sizeCharacters: number }
type Attributes = Readonly<Record<string, string>>

type Suite = {
  readonly path: string
  readonly file: string | null
  readonly isPytest: boolean
  /** Names are unique in a package of Go: what comes twice was run twice. */
  isGo: boolean
  readonly attempts: FoundCase[]
}
type Draft = {
  readonly attributes: Attributes
  readonly suite: Suite
  verdict: {
    readonly kind: 'failed' | 'skipped'
    readonly type: string
    readonly message: string | null
    readonly text: string[]
  } | null
  reruns: number
}

const noSuite: Suite = { path: '', file: null, isPytest: false, isGo: false, attempts: [] }

const verdicts: Readonly<Record<string, 'failed' | 'skipped' | 'rerun'>> = {
  failure: 'failed',
  error: 'failed',
  skipped: 'skipped',
  rerunFailure: 'rerun',
  rerunError: 'rerun',
  flakyFailure: 'rerun',
  flakyError: 'rerun',
}

const suiteFrom = (element: string, attributes: Attributes, above: Suite | undefined): Suite => {
  // The outermost element is named after the tool (`jest tests`), or not at all.
  const name = element === 'testsuites' ? '' : (attributes.name ?? '').slice(0, longestSuite)
  return {
    path: [above?.path ?? '', name].filter((part) => part !== '').join(' › '),
    file: attributes.file ?? attributes.filepath ?? above?.file ?? null,
    isPytest: attributes.name === 'pytest' || (above?.isPytest ?? false),
    isGo: above?.isGo ?? false,
    attempts: [],
  }
}

const caseOf = ({ attributes, suite, verdict, reruns }: Draft): FoundCase => {
  const { name = '', classname = '' } = attributes
  const file = attributes.file ?? suite.file
  // Node.js says `test` or repeats the suites, jest-junit repeats the name.
  const isTelling = !['', 'test', name, suite.path.replaceAll(' › ', '.')].includes(classname)
  // A file that fails as a whole is a case of its own name.
  const inFile = !isTelling && file !== null && suite.path !== file && !file.endsWith(name) ? [file] : []
  const outcome = verdict?.kind ?? 'passed'
  const detail = outcome === 'failed' ? (verdict?.text.join('') ?? null) : null
  return {
    suite: isTelling ? classname : [...inFile, suite.path].filter((part) => part !== '').join(' › '),
    name,
    outcome,
    durationMs: millisecondsOf(attributes.time),
    isFlaky: reruns > 0 && outcome === 'passed',
    // Node.js writes `true` for a case that is skipped without a reason.
    message: verdict?.message === 'true' ? null : verdict?.message || null,
    detail,
    file,
    line: lineOf(attributes, suite),
  }
}

/** pytest counts lines from 0 (`location` of its reports). */
const lineOf = ({ line, lineno }: Attributes, { isPytest }: Suite): number | null => {
  const text = line ?? lineno
  return text === undefined || !/^\d{1,8}$/.test(text) ? null : Number(text) + (isPytest ? 1 : 0)
}

/** Seconds; Surefire groups thousands by commas. */
const millisecondsOf = (time: string | undefined): number | null => {
  const seconds = time === undefined || time === '' ? Number.NaN : Number(time.replaceAll(',', ''))
  return Number.isFinite(seconds) ? seconds * 1000 : null
}
