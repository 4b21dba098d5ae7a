import type { CaseOutcome, CaseResult } from '../results.ts'

/** A case as a parser finds it, before its texts are cut and its place is looked for. */
export type FoundCase = {
  readonly suite: string
  readonly name: string
  readonly outcome: CaseOutcome
  readonly durationMs?: number | null
  readonly isFlaky?: boolean
  readonly message?: string | null
  readonly detail?: string | null
  readonly file?: string | null
  readonly line?: number | null
}

/** Takes cases one after another; false once there are too many, and the rest need not be read. */
export type CaseSink = (found: FoundCase) => boolean

/** The file of the repository that a name in a report stands for; null for those of others. `suite` helps where several end alike. */
export type Locate = (name: string, suite: string) => string | null

const longestSuite = 300
const longestName = 500
const longestMessage = 500
const longestDetail = 4000
/** So much of a failure's text is searched for a place. */
const longestSearched = 20_000

/** A case as it is kept: texts that a store and a terminal can take, a duration that is one, a place in the repository. */
export const caseFrom = (found: FoundCase, locate: Locate): CaseResult => {
  const { durationMs = null, line = null } = found
  const suite = inLine(found.suite, longestSuite)
  const detail = textOrNull(found.detail, longestDetail)
  const named = textOrNull(found.file, longestSuite)
  const file = named === null ? null : locate(named, suite)
  const place = found.outcome === 'failed' ? placeIn(found.detail ?? '', suite, file, locate) : null
  return {
    suite,
    name: inLine(found.name, longestName) || '(no name)',
    file: place?.file ?? file,
    line: place?.line ?? (file !== null && line !== null && Number.isSafeInteger(line) && line > 0 ? line : null),
    outcome: found.outcome,
    durationMs: durationMs !== null && Number.isFinite(durationMs) && durationMs >= 0 ? rounded(durationMs) : null,
    isFlaky: found.isFlaky ?? false,
    message:
      textOrNull(found.message, longestMessage) ?? textOrNull(detail?.split('\n').find(isSaying), longestMessage),
    detail,
  }
}

const inLine = (text: string, longest: number): string => plain(text, longest).replaceAll(/\s+/g, ' ')

/** Without control characters and halves of surrogate pairs, which a database refuses, and at most so long. */
export const plain = (text: string, longest: number): string =>
  text
    .slice(0, longest * 2)
    .replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '')
    .slice(0, longest)
    .toWellFormed()
    .trim()

const textOrNull = (text: string | null | undefined, longest: number): string | null =>
  text === null || text === undefined ? null : plain(text, longest) || null

const isSaying = (line: string): boolean => line.trim() !== ''
const rounded = (ms: number): number => Math.round(ms * 1000) / 1000

const placeInText = /(?:^|[\s("'])((?:file:\/\/)?[\w@./+-]{1,200}\.\w{1,8}):(\d{1,7})(?::\d{1,7})?(?=[\s:)"',]|$)/gm
/** Bats: `# (in test file test/a.bats, line 8)`. */
const placeInWords = /\bfile ([\w@./+-]{1,200}), line (\d{1,7})/g

/**
 * The place that a failure names: the first in the case's own file, else the first in the repository. Where runners print the
 * innermost frame first (Node.js, Go) and where they print it last (pytest), the first in the own file is a line of the test.
 */
const placeIn = (
  detail: string,
  suite: string,
  file: string | null,
  locate: Locate,
): { file: string; line: number } | null => {
  const text = detail.slice(0, longestSearched)
  let other: { file: string; line: number } | null = null
  for (const [, name = '', digits = ''] of [...text.matchAll(placeInText), ...text.matchAll(placeInWords)]) {
    const found = locate(name, suite)
    const line = Number(digits)
    if (found === null || line === 0) continue
    if (file === null || found === file) return { file: found, line }
    other ??= { file: found, line }
  }
  return file === null ? other : null
}
