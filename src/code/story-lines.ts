import type { z } from 'zod'
import type { Conclusion, Failure, mainBroken } from '../build/facts.ts'
import type { migrationAdvised } from '../deploy/facts.ts'
import { shortCommit } from '../names.ts'
import { gateName } from '../test/facts.ts'
import { plainText } from './plain-text.ts'

/** One aligned line of a push's story: how it went, what it was, how long it took. */
export const mark = (sign: '✓' | '✗' | '·' | '-', what: string, took = '', more = ''): string =>
  `  ${sign} ${what.padEnd(22)} ${took.padStart(8)}   ${more}`.trimEnd()
export const note = (text: string): string => mark('-', plainText(text))
export const detailLine = (text: string): string => `      ${plainText(text)}`
export const nextLine = (next: string | null): string[] => (next === null ? [] : [detailLine(`next: ${next}`)])
export const quoted = (lines: readonly string[], most = 12): string[] =>
  lines.slice(-most).map((line) => `      | ${plainText(line)}`)

export const branchName = (ref: string): string => plainText(ref.replace(/^refs\/heads\//, ''))

/** A default branch is red: since when, who is told, and what to do. */
export const brokenLines = (broken: z.infer<typeof mainBroken.payload>): string[] => {
  const { ref, commit, wasBroken, brokenSince, author, pusher, owners } = broken
  const since = new Date(brokenSince).toISOString().replace('T', ' ').slice(0, 16)
  const told = [
    author ? `${author.name} <${author.email}> (author)` : `${pusher} (pushed it)`,
    ...owners.map((owner) => `${owner} (owner)`),
  ]
  return [
    mark('✗', `${branchName(ref)} is ${wasBroken ? 'still ' : ''}red`, '', wasBroken ? `since ${since} UTC` : ''),
    detailLine(`told: ${told.join(', ')}`),
    ...nextLine(`push what mends it, or headway revert ${shortCommit(commit)}`),
  ]
}

/** Statements that the running version may not survive; many of one kind are told as one. */
export const adviceLines = (findings: z.infer<typeof migrationAdvised.payload>['findings']): string[] => {
  const told = findings.slice(0, 5).map(({ file, line, statement }) => detailLine(`${file}:${line} ${statement}`))
  const more = findings.length > told.length ? [detailLine(`and ${findings.length - told.length} more`)] : []
  const advice = [...new Set(findings.map((one) => one.advice))].map((text) => detailLine(text))
  return [note('advice: the running version may not survive this migration'), ...told, ...more, ...advice]
}

/** How many failures are told in full, and how many of the last lines of each where they are several. */
const mostFailures = 5
const linesOfEach = 6

/** How the verification of a push or a change ended, when it did not end well; and what does not happen therefore. */
export const verdictLines = (
  conclusion: Conclusion,
  failures: readonly Failure[],
  runs: readonly string[],
  verdict = 'not deployed',
): string[] => {
  if (conclusion === 'skipped') return ['nothing to run and nothing to deploy']
  const more = runs.map((run) => detailLine(`more: headway runs ${run}`))
  const [failure, ...others] = failures
  if (conclusion === 'cancelled')
    return [`${verdict}: the pipeline was cancelled`, ...(failure ? [detailLine(failure.detail)] : [])]
  if (!failure) return [`${verdict}: the pipeline failed`, ...more]
  if (failure.job === gateName && failure.step === null) return ['not deployed: the quality gate is not met', ...more]
  if (others.length === 0) return [`${verdict}: ${whatFailed(failure)} failed`, ...whyLines(failure), ...more]
  const left = failures.length - mostFailures
  return [
    `${verdict}: ${failures.length} ${failures.every(({ job }) => job !== null) ? 'jobs failed' : 'failures'}`,
    ...failures.slice(0, mostFailures).flatMap((one) => [mark('✗', whatFailedIn(one)), ...whyLines(one, linesOfEach)]),
    ...(left > 0 ? [detailLine(`and ${left} more`)] : []),
    ...more,
  ]
}

const whatFailed = ({ job, step }: Failure): string =>
  step ? `the step "${plainText(step)}"` : job ? `the job "${plainText(job)}"` : 'the pipeline'

const whatFailedIn = ({ job, step, where }: Failure): string =>
  [job ?? where?.file ?? 'the pipeline', ...(step ? [step] : [])].map(plainText).join(': ')

const whyLines = ({ command, exitCode, detail, lastLines, where }: Failure, most?: number): string[] => {
  const ending = exitCode === null ? '' : `   exit code ${exitCode}`
  const place = where ? [where.file, where.line, where.column].filter((part) => part !== undefined).join(':') : ''
  const isSaid = command !== null && ending !== '' && detail.endsWith(ending.trimStart())
  return [
    ...(command ? [detailLine(`$ ${command.trim().split('\n').join(' && ')}${ending}`)] : []),
    ...(detail && !isSaid ? [detailLine(place ? `${place}: ${detail}` : detail)] : []),
    ...quoted(lastLines, most),
  ]
}
