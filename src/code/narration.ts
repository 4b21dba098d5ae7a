import {
  type Conclusion,
  jobFinished,
  jobKeptWaiting,
  jobStarted,
  jobWaiting,
  mainBroken,
  mainMended,
  pushVerified,
  runFinished,
  runQueued,
  runStarted,
} from '../build/facts.ts'
import {
  deploymentFinished,
  deploymentRequested,
  migrationAdvised,
  migrationFinished,
  rolloutShifted,
  rolloutStarted,
  rolloutStepStarted,
} from '../deploy/facts.ts'
import { describeDuration, describeSize } from '../duration.ts'
import { isFact, type RecordedFact } from '../ledger/fact.ts'
import { shortCommit, shortDigest } from '../names.ts'
import { pushPackaged, releaseCreated, releaseFailed } from '../package/facts.ts'
import { qualityEvaluated, testsReported } from '../test/facts.ts'
import { plainText } from './plain-text.ts'
import {
  adviceLines,
  branchName,
  brokenLines,
  detailLine,
  mark,
  nextLine,
  note,
  quoted,
  verdictLines,
} from './story-lines.ts'
import { gateLines, testLines } from './test-lines.ts'

/** Everything that a narration listens to. */
export const narratedFacts: readonly string[] = [
  runQueued,
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
  deploymentRequested,
  migrationAdvised,
  migrationFinished,
  rolloutStarted,
  rolloutStepStarted,
  rolloutShifted,
  deploymentFinished,
].map(({ type }) => type)

/** One ref of a push and what its narration knows so far. Times in milliseconds since 1970. */
export type Narration = {
  readonly push: string
  /** The environment that is waited for. */
  readonly environment: string
  readonly receivedAt: number
  /** When the change was committed; null when unknown. */
  readonly committedAt: number | null
  readonly runs: Readonly<Record<string, { readonly name: string }>>
  readonly jobs: Readonly<Record<string, number>>
  readonly verifiedAt: number | null
  /** Services that were released and whose deployment has not concluded. */
  readonly pending: readonly string[]
  readonly released: readonly string[]
  readonly isPackaged: boolean
  readonly deployments: Readonly<Record<string, Deployment>>
  readonly ended: boolean
  /** Something of it was refused, broke, or was not deployed. */
  readonly hasFailed: boolean
}
type Deployment = {
  readonly service: string
  readonly requestedAt: number
  readonly instances: number | null
  readonly shifted: boolean
  readonly isJudged: boolean
  /** For how long it will be watched once it has all traffic. */
  readonly watchMs: number
}

export type Told = { readonly narration: Narration; readonly lines: readonly string[] }

export const beginNarration = (
  about: Pick<Narration, 'push' | 'environment' | 'receivedAt' | 'committedAt'>,
): Narration => ({
  ...about,
  runs: {},
  jobs: {},
  verifiedAt: null,
  pending: [],
  released: [],
  isPackaged: false,
  deployments: {},
  ended: false,
  hasFailed: false,
})

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
    const { run, job } = fact.payload
    return narration.runs[run]
      ? silent({ ...narration, jobs: { ...narration.jobs, [`${run}/${job}`]: fact.at } })
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
  if (isFact(jobFinished, fact))
    return narration.runs[fact.payload.run] ? told(narration, jobLines(narration, fact)) : null
  if (isFact(pushVerified, fact) && fact.payload.push === narration.push) {
    const { conclusion, failure, runs, notes = [] } = fact.payload
    if (conclusion === 'success') return silent({ ...narration, verifiedAt: fact.at })
    const lines = [...notes.map(note), ...verdictLines(conclusion, failure, runs)]
    return ended({ ...narration, hasFailed: conclusion !== 'skipped' }, lines)
  }
  return null
}

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
    const known = { ...narration, released: [...narration.released, service], pending: [...narration.pending, service] }
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

const tellDeployment = (narration: Narration, fact: RecordedFact): Told | null => {
  if (isFact(deploymentRequested, fact)) {
    const { push, deployment, service, environment } = fact.payload
    if (push !== narration.push || environment !== narration.environment) return null
    const begun = { service, requestedAt: fact.at, instances: null, shifted: false, isJudged: false, watchMs: 0 }
    return silent({ ...narration, deployments: { ...narration.deployments, [deployment]: begun } })
  }
  if (isFact(migrationAdvised, fact)) {
    const { deployment, findings } = fact.payload
    return narration.deployments[deployment] ? told(narration, adviceLines(findings)) : null
  }
  if (isFact(migrationFinished, fact)) {
    const { deployment, outcome, durationMs } = fact.payload
    const known = narration.deployments[deployment]
    if (!known || outcome === 'not-begun') return null
    const sign = outcome === 'succeeded' ? '✓' : '✗'
    return told(narration, [mark(sign, `migrate ${known.service}`, describeDuration(durationMs))])
  }
  if (isFact(rolloutStarted, fact)) {
    const { deployment, instances, isJudged, watch } = fact.payload
    return changed(narration, deployment, { instances: instances.length, isJudged, watchMs: watch.timeMs })
  }
  if (isFact(rolloutStepStarted, fact)) {
    const { deployment, service, step, weightPercent } = fact.payload
    const known = narration.deployments[deployment]
    if (!known?.isJudged || step > 0) return null
    const share = weightPercent === 0 ? 'with copies of requests' : `with ${weightPercent} % of the traffic`
    return goesOn(narration, service, [
      mark(
        '✓',
        `deploy ${service}`,
        describeDuration(fact.at - known.requestedAt),
        `${share}, judged while it is used`,
      ),
      `headway rollout ${service} shows how it goes on`,
    ])
  }
  if (isFact(rolloutShifted, fact)) {
    const { deployment, instances } = fact.payload
    const known = narration.deployments[deployment]
    if (!known) return null
    if (known.isJudged) return null
    const count = instances.length
    const line = mark(
      '✓',
      `deploy ${known.service}`,
      describeDuration(fact.at - known.requestedAt),
      `${count} of ${known.instances ?? count} healthy, taking the traffic`,
    )
    const shifted = changed(narration, deployment, { shifted: true })?.narration ?? narration
    if (known.watchMs === 0) return told(shifted, [line])
    const watched = `${known.service} is live; the version before it is kept for ${describeDuration(known.watchMs)}`
    return goesOn(shifted, known.service, [line, watched])
  }
  if (isFact(deploymentFinished, fact)) {
    const { deployment, service } = fact.payload
    const known = narration.deployments[deployment]
    if (!known) return null
    const rest = narration.pending.filter((one) => one !== service)
    const hasFailed = narration.hasFailed || fact.payload.outcome === 'failed'
    return concluded({ ...narration, pending: rest, hasFailed }, deploymentLines(narration, known, fact))
  }
  return null
}

type JobFinished = RecordedFact<'job.finished', ReturnType<typeof jobFinished.payload.parse>>
type DeploymentFinished = RecordedFact<'deployment.finished', ReturnType<typeof deploymentFinished.payload.parse>>

/** What went well in no time to speak of is not worth a line; nor is fetching the code, unless it was slow. */
const isWorthTelling = ({ name, outcome, durationMs }: Step): boolean =>
  outcome === 'failure' ||
  (outcome === 'success' && durationMs >= (/^run (actions|headway)\//i.test(name) ? 1000 : 100))
type Step = JobFinished['payload']['steps'][number]

const jobLines = (narration: Narration, { at, payload }: JobFinished): string[] => {
  const { run, job, conclusion, steps } = payload
  const isOnly = Object.keys(narration.jobs).length === 1
  const labelled = (name: string): string => plainText(isOnly ? lowered(name) : `${job}: ${lowered(name)}`)
  if (conclusion === 'skipped') return [mark('-', plainText(job), '', 'skipped')]
  const lines = steps.filter(isWorthTelling).map((step) => {
    const sign = step.outcome === 'success' ? '✓' : '✗'
    return mark(sign, labelled(step.name), describeDuration(step.durationMs), toleratedOf(step))
  })
  const isExplained = conclusion === 'success' ? lines.length > 0 : steps.some(({ outcome }) => outcome === 'failure')
  if (isExplained && conclusion !== 'cancelled') return lines
  const startedAt = narration.jobs[`${run}/${job}`]
  const took = startedAt === undefined ? '' : describeDuration(at - startedAt)
  const sign = conclusion === 'success' ? '✓' : '✗'
  return [...lines, mark(sign, plainText(job), took, conclusion === 'cancelled' ? 'cancelled' : '')]
}

const lowered = (name: string): string => name.replace(/^[A-Z](?=[a-z ])/, (first) => first.toLowerCase())

const toleratedOf = (step: { outcome: Conclusion; conclusion: Conclusion }): string =>
  step.outcome === 'failure' && step.conclusion === 'success' ? 'failed, which it may' : ''

const deploymentLines = (narration: Narration, known: Deployment, { at, payload }: DeploymentFinished): string[] => {
  const { outcome, url, detail, evidence, next, service, commit } = payload
  if (outcome === 'succeeded') {
    const unshifted = known.shifted ? [] : [mark('✓', `deploy ${service}`, describeDuration(at - known.requestedAt))]
    const leadTime = narration.committedAt === null ? null : describeDuration(at - narration.committedAt)
    const took = `in ${describeDuration(at - narration.receivedAt)}${leadTime ? ` (lead time from the commit ${leadTime})` : ''}`
    return [...unshifted, url ? `live at ${plainText(url)} ${took}` : `${service} is live ${took}`]
  }
  if (outcome === 'superseded')
    return [mark('-', `deploy ${service}`, '', plainText(detail ?? 'a newer deployment took its place'))]
  return [
    mark('✗', `deploy ${service}`, describeDuration(at - known.requestedAt)),
    detailLine(detail ?? 'the deployment failed'),
    ...(evidence?.probe ? [detailLine(`probe: ${evidence.probe}`)] : []),
    ...quoted(evidence?.lastLines ?? []),
    `${service} ${shortCommit(commit)} is not live; what was live before still is`,
    ...nextLine(next ?? `headway logs ${service}`),
  ]
}

const changed = (narration: Narration, deployment: string, change: Partial<Deployment>): Told | null => {
  const known = narration.deployments[deployment]
  return known
    ? silent({ ...narration, deployments: { ...narration.deployments, [deployment]: { ...known, ...change } } })
    : null
}

/** A rollout may take hours: who pushed is told that it has begun, not how it ends. */
const goesOn = (narration: Narration, service: string, lines: readonly string[]): Told =>
  concluded({ ...narration, pending: narration.pending.filter((one) => one !== service) }, lines)

/** The story ends once every service that the push released has been deployed, or not. */
const concluded = (narration: Narration, lines: readonly string[]): Told => ({
  narration: { ...narration, ended: narration.isPackaged && narration.pending.length === 0 },
  lines,
})
const told = (narration: Narration, lines: readonly string[]): Told => ({ narration, lines })
const silent = (narration: Narration): Told => told(narration, [])
const ended = (narration: Narration, lines: readonly string[]): Told => told({ ...narration, ended: true }, lines)
