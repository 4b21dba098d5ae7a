import type { z } from 'zod'
import { describeDuration } from '../duration.ts'
import type { qualityEvaluated, testsReported } from '../test/facts.ts'
import { plainText } from './plain-text.ts'
import { detailLine, mark, nextLine } from './story-lines.ts'

/** Failing cases that are named; the step's own last lines and `headway tests` tell of the others. */
const mostNamed = 5

/** What the reports of a job say: how many cases, and the first that failed with their places. */
export const testLines = (reported: z.infer<typeof testsReported.payload>, isOnlyJob: boolean): string[] => {
  const { totals, failed, coverage, jobName, run } = reported
  if (totals.total === 0 && coverage === null) return []
  const numbers = [
    ...(totals.failed > 0 ? [`${totals.failed} failed`] : []),
    ...(totals.total > 0 ? [`${totals.passed} passed`] : []),
    ...(totals.skipped > 0 ? [`${totals.skipped} skipped`] : []),
    ...(totals.flaky > 0 ? [`${totals.flaky} flaky`] : []),
    ...(coverage === null || coverage.total === 0
      ? []
      : [`${Math.floor((coverage.covered / coverage.total) * 100)} % of the lines covered`]),
  ].join(', ')
  const what = isOnlyJob ? 'tests' : `${jobName}: tests`
  const took = totals.durationMs > 0 ? describeDuration(totals.durationMs) : ''
  return [
    mark(totals.failed > 0 ? '✗' : '✓', plainText(what), took, numbers),
    ...failed.slice(0, mostNamed).map(failedLine),
    ...(totals.failed > mostNamed
      ? [detailLine(`and ${totals.failed - mostNamed} more: headway tests ${run} --failed`)]
      : []),
  ]
}

const failedLine = ({ suite, name, file, line, message }: z.infer<typeof testsReported.payload>['failed'][number]) => {
  const place = file === null ? '' : ` (${file}${line === null ? '' : `:${line}`})`
  const why = message === null ? '' : `: ${message.split('\n')[0] ?? ''}`
  return detailLine(`${suite === '' ? name : `${suite} › ${name}`}${place}${why}`)
}

/** What became of each rule of the quality gates, and what to do about those that are not met. */
export const gateLines = ({ isMet, services }: z.infer<typeof qualityEvaluated.payload>): string[] => {
  const checks = services.flatMap(({ service, checks }) =>
    checks.map((check) => ({ ...check, whose: services.length > 1 ? `${service}: ` : '' })),
  )
  if (checks.length === 0) return []
  const broken = checks.filter((check) => !check.isMet)
  const [only] = checks
  const told = checks.length === 1 && only ? plainText(only.detail) : `${checks.length} rules met`
  return [
    mark(isMet ? '✓' : '✗', 'quality gate', '', isMet ? told : ''),
    ...broken.flatMap(({ whose, detail, next }) => [detailLine(`${whose}${detail}`), ...nextLine(next)]),
  ]
}
