import {
  type Conclusion,
  type Failure,
  jobFinished,
  jobKeptWaiting,
  jobStarted,
  jobWaiting,
  mainBroken,
  mainMended,
  pushVerified,
  runFinished,
  runQueued,
  runRerunRequested,
  runStarted,
} from '../build/facts.ts'
import { describeDuration, describeSize } from '../duration.ts'
import { isFact, type RecordedFact } from '../ledger/fact.ts'
import { shortDigest } from '../names.ts'
import { pushPackaged, releaseCreated, releaseFailed } from '../package/facts.ts'
import { qualityEvaluated, testsReported } from '../test/facts.ts'
import { deploymentFacts, tellDeployment } from './deployment-lines.ts'
import { plainText } from './plain-text.ts'
import { branchName, brokenLines, detailLine, mark, nextLine, note, quoted, verdictLines } from './story-lines.ts'
import { concluded, ended, type Narration, silent, type Told, told } from './telling.ts'
import { gateLines, testLines } from './test-lines.ts'

/** Everything that a narration listens to. */
export const narratedFacts: readonly string[] = [
  runQueued,
  runRerunRequested,
  runStarted,
  jobWaiting,
  jobStarted,
  jobKeptWaiting,
  jobFinished,
  testsReported,
  runFinished,
  qualityEvaluated,
  mainBroken,
  mainMended,
  pushVerified,
  releaseCreated,
  releaseFailed,
  pushPackaged,
  ...deploymentFacts,
].map(({ type }) => type)

/** What a fact adds to the story of a push: the lines to show, and the story as it then stands. Facts of others add nothing. */
export const narrate = (narration: Narration, fact: RecordedFact): Told => {
  if (narration.ended) return { narration, lines: [] }
  return (
    tellRun(narration, fact) ??
    tellTests(narration, fact) ??
    tellPackage(narration, fact) ??
    tellDeployment(narration, fact) ??
    silent(narration)
  )
}

const tellRun = (narration: Narration, fact: RecordedFact): Told | null => {
  if (isFact(runQueued, fact)) {
    const { push, run, name } = fact.payload
    if (push !== narration.push) return null
    return silent({ ...narration, runs: { ...narration.runs, [run]: { name } } })
  }
  if (isFact(runStarted, fact)) {
    const run = narration.runs[fact.payload.run]
    return run ? told(narration, [mark('·', `pipeline ${plainText(run.name)}`, '', fact.payload.run)]) : null
  }
  if (isFact(jobStarted, fact)) {
    const { run, job, name } = fact.payload
    return narration.runs[run]
      ? silent({ ...narration, jobs: { ...narration.jobs, [`${run}/${job}`]: { name, startedAt: fact.at } } })
      : null
  }
  if (isFact(jobWaiting, fact)) {
    const { run, name, wait } = fact.payload
    if (!narration.runs[run] || wait.kind !== 'approval') return null
    const line = mark('·', plainText(name), '', `waits for an approval of ${plainText(wait.environment)}`)
    return told(narration, [line, ...nextLine(`headway approve ${run} ${wait.environment}`)])
  }
  if (isFact(mainBroken, fact) && fact.payload.push === narration.push)
    return told(narration, brokenLines(fact.payload))
  if (isFact(mainMended, fact) && fact.payload.push === narration.push)
    return told(narration, [
      mark('✓', `${branchName(fact.payload.ref)} is mended`, describeDuration(fact.at - fact.payload.brokenSince)),
    ])
  if (isFact(jobKeptWaiting, fact)) {
    const { run, name, why } = fact.payload
    return narration.runs[run] ? told(narration, [mark('·', plainText(name), '', plainText(`waits: ${why}`))]) : null
  }
  if (isFact(jobFinished, fact)) {
    const { run, conclusion, failure } = fact.payload
    const next = conclusion === 'failure' ? withFailure(narration, run, failure) : narration
    return narration.runs[run] ? told(next, jobLines(narration, fact)) : null
  }
  if (isFact(runRerunRequested, fact) && narration.runs[fact.payload.run]) {
    const { run } = fact.payload
    const failures = narration.failures.filter((one) => one.run !== run)
    return silent({ ...narration, failures, failedRuns: narration.failedRuns.filter((one) => one !== run) })
  }
  if (isFact(runFinished, fact) && narration.runs[fact.payload.run]) {
    const { run, conclusion, failure } = fact.payload
    if (conclusion !== 'failure') return silent(narration)
    return silent(withFailure({ ...narration, failedRuns: [...narration.failedRuns, run] }, run, failure))
  }
  if (isFact(pushVerified, fact) && fact.payload.push === narration.push) {
    const { conclusion, failure, runs, notes = [] } = fact.payload
    if (conclusion === 'success') return silent({ ...narration, verifiedAt: fact.at })
    const lines = [
      ...notes.map(note),
      ...verdictLines(conclusion, failuresOf(narration, failure), runsToOpen(narration, runs)),
    ]
    return ended({ ...narration, hasFailed: conclusion !== 'skipped' }, lines)
  }
  return null
}

/** A run's failure is that of its first job which failed. */
const withFailure = (narration: Narration, run: string, failure: Failure | null | undefined): Narration =>
  failure && !narration.failures.some((known) => JSON.stringify(known) === JSON.stringify({ run, failure }))
    ? { ...narration, failures: [...narration.failures, { run, failure }] }
    : narration

/** Why it failed: by what was heard of its jobs, else by the verdict. */
export const failuresOf = ({ failures }: Narration, verdict: Failure | null): readonly Failure[] =>
  failures.length > 0 ? failures.map(({ failure }) => failure) : verdict ? [verdict] : []
/** Where there is more to read: in the runs that failed. */
export const runsToOpen = ({ failedRuns }: Narration, runs: readonly string[]): readonly string[] =>
  failedRuns.length > 0 ? failedRuns : runs

const tellTests = (narration: Narration, fact: RecordedFact): Told | null => {
  if (isFact(testsReported, fact) && narration.runs[fact.payload.run])
    return told(narration, testLines(fact.payload, Object.keys(narration.jobs).length === 1))
  if (isFact(qualityEvaluated, fact) && fact.payload.push === narration.push)
    return told(narration, gateLines(fact.payload))
  return null
}

const tellPackage = (narration: Narration, fact: RecordedFact): Told | null => {
  if (isFact(releaseCreated, fact) && fact.payload.push === narration.push) {
    const { service, digest, sizeBytes } = fact.payload
    const arrivals = narration.way.map(({ environment }) => ({ service, environment }))
    const pending = [...narration.pending, ...arrivals]
    const known = { ...narration, released: [...narration.released, service], pending }
    const took = describeDuration(fact.at - (narration.verifiedAt ?? fact.at))
    return told(known, [mark('✓', `package ${service}`, took, `${shortDigest(digest)}  ${describeSize(sizeBytes)}`)])
  }
  if (isFact(releaseFailed, fact) && fact.payload.push === narration.push) {
    const { service, detail, lastLines, next } = fact.payload
    return told({ ...narration, hasFailed: true }, [
      mark('✗', `package ${service}`),
      detailLine(detail),
      ...quoted(lastLines),
      ...nextLine(next),
    ])
  }
  if (isFact(pushPackaged, fact) && fact.payload.push === narration.push) {
    const { released, failed } = fact.payload
    const packaged = { ...narration, isPackaged: true }
    if (released.length === 0 && failed.length > 0) return ended(packaged, ['not deployed: there is no release'])
    if (released.length === 0) return ended(packaged, ['verified; only headway.yaml on the default branch is deployed'])
    return concluded(packaged, [])
  }
  return null
}

type JobFinished = RecordedFact<'job.finished', ReturnType<typeof jobFinished.payload.parse>>

/** What went well in no time to speak of is not worth a line; nor is fetching the code, unless it was slow. */
const isWorthTelling = ({ name, outcome, durationMs }: Step): boolean =>
  outcome === 'failure' ||
  (outcome === 'success' && durationMs >= (/^run (actions|headway)\//i.test(name) ? 1000 : 100))
type Step = JobFinished['payload']['steps'][number]

const jobLines = (narration: Narration, { at, payload }: JobFinished): string[] => {
  const { run, job, conclusion, steps, failure } = payload
  const isOnly = Object.keys(narration.jobs).length === 1
  const started = narration.jobs[`${run}/${job}`]
  const jobName = payload.name ?? started?.name ?? job
  const labelled = (name: string): string => plainText(isOnly ? lowered(name) : `${jobName}: ${lowered(name)}`)
  if (conclusion === 'skipped') return [mark('-', plainText(jobName), '', 'skipped')]
  const lines = steps.filter(isWorthTelling).map((step) => {
    const sign = step.outcome === 'success' ? '✓' : '✗'
    return mark(sign, labelled(step.name), describeDuration(step.durationMs), toleratedOf(step, conclusion))
  })
  const isExplained = conclusion === 'success' ? lines.length > 0 : steps.some(({ outcome }) => outcome === 'failure')
  if (isExplained && conclusion !== 'cancelled') return lines
  const took = started === undefined ? '' : describeDuration(at - started.startedAt)
  const sign = conclusion === 'success' ? '✓' : '✗'
  const why = failure ? `: ${plainText(failure.detail)}` : ''
  return [...lines, mark(sign, plainText(jobName), took, conclusion === 'cancelled' ? `cancelled${why}` : '')]
}

const lowered = (name: string): string => name.replace(/^[A-Z](?=[a-z ])/, (first) => first.toLowerCase())

/** `continue-on-error` of the step or of its job. */
const toleratedOf = ({ outcome, conclusion }: Step, ofJob: Conclusion): string =>
  outcome === 'failure' && (conclusion === 'success' || ofJob === 'success') ? 'failed, which it may' : ''
