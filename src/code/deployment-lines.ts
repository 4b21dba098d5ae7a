import {
  deploymentFinished,
  deploymentRequested,
  migrationAdvised,
  migrationFinished,
  rolloutShifted,
  rolloutStarted,
  rolloutStepStarted,
} from '../deploy/facts.ts'
import { describeDuration } from '../duration.ts'
import { isFact, type RecordedFact } from '../ledger/fact.ts'
import { defaultEnvironment, shortCommit } from '../names.ts'
import { promotionClosed, promotionHeld, promotionRequested } from '../release/facts.ts'
import { plainText } from './plain-text.ts'
import { adviceLines, detailLine, mark, nextLine, quoted } from './story-lines.ts'
import {
  type Arrival,
  arrived,
  concluded,
  type Deployment,
  type Narration,
  silent,
  stopped,
  type Told,
  told,
} from './telling.ts'

/** What of deployments and promotions is listened to. */
export const deploymentFacts = [
  promotionRequested,
  promotionHeld,
  promotionClosed,
  deploymentRequested,
  migrationAdvised,
  migrationFinished,
  rolloutStarted,
  rolloutStepStarted,
  rolloutShifted,
  deploymentFinished,
] as const

/** A release on its way through the environments; null when the fact is about something else. */
export const tellDeployment = (narration: Narration, fact: RecordedFact): Told | null => {
  if (isFact(deploymentRequested, fact)) {
    const { push, deployment, service, environment } = fact.payload
    if (push !== narration.push || !isOnTheWay(narration, environment)) return null
    const begun = { service, environment, requestedAt: fact.at, instances: null, shifted: false }
    const known = { ...begun, isJudged: false, watchMs: 0 }
    return silent({ ...narration, deployments: { ...narration.deployments, [deployment]: known } })
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
    return told(narration, [
      mark(sign, `migrate ${known.service}`, describeDuration(durationMs), where(narration, known)),
    ])
  }
  if (isFact(rolloutStarted, fact)) {
    const { deployment, instances, isJudged, watch } = fact.payload
    return changed(narration, deployment, { instances: instances.length, isJudged, watchMs: watch.timeMs })
  }
  if (isFact(rolloutStepStarted, fact)) return tellStep(narration, fact)
  if (isFact(rolloutShifted, fact)) return tellShift(narration, fact)
  if (isFact(deploymentFinished, fact)) {
    const known = narration.deployments[fact.payload.deployment]
    if (!known) return null
    const { outcome } = fact.payload
    const next = outcome === 'succeeded' ? arrived(narration, known) : stopped(narration, known)
    const hasFailed = narration.hasFailed || outcome === 'failed' || outcome === 'rolled-back'
    return concluded({ ...next, hasFailed }, endLines(narration, known, fact))
  }
  return tellPromotion(narration, fact)
}

/** What is held is said, and waited for only where somebody asked for that. */
const tellPromotion = (narration: Narration, fact: RecordedFact): Told | null => {
  if (isFact(promotionRequested, fact)) {
    const { promotion, push, project, service, environment } = fact.payload
    if (project !== narration.project || !isOnTheWay(narration, environment)) return null
    if (push !== narration.push) return tellPassedOver(narration, { service, environment })
    return silent({ ...narration, promotions: { ...narration.promotions, [promotion]: { service, environment } } })
  }
  if (isFact(promotionHeld, fact)) {
    const known = narration.promotions[fact.payload.promotion]
    if (!known) return null
    const line = mark('·', `deploy ${known.service}`, '', within(narration, known, plainText(fact.payload.detail)))
    const next = narration.isPatient ? narration : stopped(narration, known)
    return concluded(next, [line, ...nextLine(`headway promotions ${known.service}`)])
  }
  if (isFact(promotionClosed, fact)) {
    const known = narration.promotions[fact.payload.promotion]
    if (!known) return null
    const { outcome, detail } = fact.payload
    const line = mark('-', `deploy ${known.service}`, '', within(narration, known, plainText(`${outcome}: ${detail}`)))
    return concluded(stopped(narration, known), [line])
  }
  return null
}

/** Releases are asked for in the order in which they succeeded, but where none was before, the newest alone is. */
const tellPassedOver = (narration: Narration, other: Arrival): Told | null => {
  const awaits = ({ service, environment }: Arrival): boolean =>
    narration.pending.some((one) => one.service === service && one.environment === environment)
  const isSame = (one: Arrival): boolean => one.service === other.service && one.environment === other.environment
  const from = narration.way.find(({ environment }) => environment === other.environment)?.from ?? 'push'
  const isUnderWay = [...Object.values(narration.promotions), ...Object.values(narration.deployments)].some(isSame)
  if (!awaits(other) || isUnderWay || from === 'push' || awaits({ ...other, environment: from })) return null
  const line = mark('-', `deploy ${other.service}`, '', within(narration, other, 'a newer release went there'))
  return concluded(stopped(narration, other), [line])
}

type StepStarted = RecordedFact<'rollout.step-started', ReturnType<typeof rolloutStepStarted.payload.parse>>
type Shifted = RecordedFact<'rollout.shifted', ReturnType<typeof rolloutShifted.payload.parse>>
type Finished = RecordedFact<'deployment.finished', ReturnType<typeof deploymentFinished.payload.parse>>

/** A rollout may take hours: who pushes is told that it has begun, not how it ends. */
const tellStep = (narration: Narration, { at, payload }: StepStarted): Told | null => {
  const { deployment, service, step, weightPercent } = payload
  const known = narration.deployments[deployment]
  if (!known?.isJudged) return null
  const share = weightPercent === 0 ? 'with copies of requests' : `with ${weightPercent} % of the traffic`
  if (step > 0) return narration.toTheEnd ? told(narration, [mark('·', '', '', within(narration, known, share))]) : null
  const took = describeDuration(at - known.requestedAt)
  const line = mark('✓', `deploy ${service}`, took, within(narration, known, `${share}, judged while it is used`))
  return goesOn(narration, known, [line, `headway rollout ${service}${optionOf(known)} shows how it goes on`])
}

const tellShift = (narration: Narration, { at, payload }: Shifted): Told | null => {
  const known = narration.deployments[payload.deployment]
  if (!known || known.isJudged) return null
  const count = payload.instances.length
  const healthy = `${count} of ${known.instances ?? count} healthy, taking the traffic`
  const took = describeDuration(at - known.requestedAt)
  const line = mark('✓', `deploy ${known.service}`, took, within(narration, known, healthy))
  const next = changed(narration, payload.deployment, { shifted: true })?.narration ?? narration
  if (known.watchMs === 0) return told(next, [line])
  const watched = `the version before it is kept for ${describeDuration(known.watchMs)}`
  return goesOn(next, known, [line, `${known.service} is live${inIts(narration, known)}; ${watched}`])
}

const goesOn = (narration: Narration, known: Deployment, lines: readonly string[]): Told =>
  narration.toTheEnd ? told(narration, lines) : concluded(stopped(narration, known), lines)

const endLines = (narration: Narration, known: Deployment, { at, payload }: Finished): string[] => {
  const { outcome, url, detail, evidence, next, service, commit } = payload
  if (outcome === 'succeeded') {
    const took = describeDuration(at - known.requestedAt)
    const unshifted = known.shifted ? [] : [mark('✓', `deploy ${service}`, took, where(narration, known))]
    const place = url ? `${inIts(narration, known)} at ${plainText(url)}` : inIts(narration, known)
    return [...unshifted, `${url ? 'live' : `${service} is live`}${place} ${sincePush(narration, known, at)}`]
  }
  if (outcome === 'superseded') {
    const why = plainText(detail ?? 'a newer deployment took its place')
    return [mark('-', `deploy ${service}`, '', within(narration, known, why))]
  }
  return [
    mark('✗', `deploy ${service}`, describeDuration(at - known.requestedAt), where(narration, known)),
    detailLine(detail ?? 'the deployment failed'),
    ...(evidence?.probe ? [detailLine(`probe: ${evidence.probe}`)] : []),
    ...quoted(evidence?.lastLines ?? []),
    `${service} ${shortCommit(commit)} is not live${inIts(narration, known)}; what was live before still is`,
    ...nextLine(next ?? `headway logs ${service}`),
  ]
}

/** The lead time is that to where it goes no further. */
const sincePush = ({ way, receivedAt, committedAt }: Narration, { environment }: Deployment, at: number): string => {
  const isLast = !way.some(({ from }) => from === environment)
  const leadTime =
    committedAt === null || !isLast ? '' : ` (lead time from the commit ${describeDuration(at - committedAt)})`
  return `in ${describeDuration(at - receivedAt)}${leadTime}`
}

const isOnTheWay = ({ way }: Narration, environment: string): boolean =>
  way.some((stop) => stop.environment === environment)

/** Which environment it is, is worth saying where there are several. */
const where = ({ way }: Narration, { environment }: Pick<Deployment, 'environment'>): string =>
  way.length > 1 ? environment : ''
const within = (narration: Narration, known: Pick<Deployment, 'environment'>, text: string): string =>
  [where(narration, known), text].filter((part) => part !== '').join(': ')
const inIts = (narration: Narration, known: Deployment): string =>
  where(narration, known) === '' ? '' : ` in ${known.environment}`
const optionOf = ({ environment }: Deployment): string =>
  environment === defaultEnvironment ? '' : ` --environment ${environment}`

const changed = (narration: Narration, deployment: string, change: Partial<Deployment>): Told | null => {
  const known = narration.deployments[deployment]
  return known
    ? silent({ ...narration, deployments: { ...narration.deployments, [deployment]: { ...known, ...change } } })
    : null
}
