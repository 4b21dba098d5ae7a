import { describeDuration } from '../duration.ts'
import type { Judgement } from './judging.ts'
import type { Deployment } from './rollout.ts'

/** What was seen of a rollout at one moment, everything that it is decided by. */
export type Look = {
  readonly now: number
  /**
   * Since when this process has held the step. What the edges counted while nobody asked them may be lost, and the step may not even have
   * been routed: of such a time nothing follows, least of all that nobody used the service.
   */
  readonly heldAt: number
  /** Null where nothing is judged; the one that decides where there are several. */
  readonly judgement: Judgement | null
  /** The one by whose requests it is told whether there were any. */
  readonly main: Judgement | null
  /** Why the new version cannot go on, whatever the judge says: an instance of it has failed. */
  readonly broken: string | null
  /** A newer deployment of the same target that waits. */
  readonly newer: string | null
  readonly partners: Partners
}
/** How the services in lockstep with it stand; `absent`: the push has not asked for one of them (yet). */
export type Partners =
  | { readonly kind: 'ready' | 'waiting' | 'absent' }
  | { readonly kind: 'undone'; readonly service: string }

export type Decision =
  | { readonly kind: 'wait' }
  /** On to the next step. */
  | { readonly kind: 'over' }
  /** The judge ends the step: a fail undoes it, anything else takes it to the next. */
  | { readonly kind: 'judged'; readonly judgement: Judgement }
  | { readonly kind: 'held'; readonly judgement: Judgement; readonly reason: string }
  | { readonly kind: 'undo'; readonly reason: string; readonly supersededBy: string | null }

const undo = (reason: string, supersededBy: string | null = null): Decision => ({ kind: 'undo', reason, supersededBy })

/** What becomes of a step under way. What fails is undone first of all, also while it is paused. */
export const decideStep = (deployment: Deployment, look: Look): Decision => {
  const { rollout, step, paused, promoted, judged } = deployment
  const { now, judgement, partners } = look
  const rules = rollout?.steps[step?.index ?? 0]
  if (!rollout || !step || !rules) return { kind: 'wait' }
  const failed = failing(look)
  if (failed) return failed
  if (look.newer && rollout.newer === 'supersede')
    return undo(`a newer deployment took its place (${look.newer})`, look.newer)
  if (paused) return { kind: 'wait' }
  const since = Math.max(step.at, deployment.resumedAt ?? 0)
  const isDecided = judged !== null && judged.step === step.index && judged.at >= since
  const heldMs = now - Math.max(since, look.heldAt)
  const isOutOfTime = heldMs >= rules.maxMs
  if (promoted) return { kind: 'over' }
  if (isDecided)
    return partners.kind === 'ready' || (isOutOfTime && partners.kind === 'absent')
      ? { kind: 'over' }
      : { kind: 'wait' }
  if (heldMs < rules.minMs) return { kind: 'wait' }
  if (!judgement) return step.weightPercent === 0 && !isOutOfTime ? { kind: 'wait' } : { kind: 'over' }
  if (judgement.verdict === 'pass') return { kind: 'judged', judgement }
  const main = look.main ?? judgement
  const isQuiet = rollout.noData === null && heldMs >= Math.max(rules.minMs, quietMs) && isUnused(main, deployment)
  if (isQuiet) return { kind: 'judged', judgement }
  if (!isOutOfTime) return { kind: 'wait' }
  if (hasEvidence(main, deployment)) return { kind: 'judged', judgement }
  const reason = `no requests to judge by in ${describeDuration(rules.maxMs)} at ${step.weightPercent} %: ${judgement.reason}`
  const isExplained = rollout.noData === null && isTooLittle(main, deployment, step.weightPercent)
  if (rollout.noData === 'promote' || isExplained) return { kind: 'judged', judgement }
  return rollout.noData === 'abort' ? undo(reason) : { kind: 'held', judgement, reason }
}

/** What becomes of the watch after promotion: without requests nothing can be said against it. */
export const decideWatch = (deployment: Deployment, look: Look): Decision => {
  const { rollout, shiftedAt, paused, promoted, resumedAt } = deployment
  if (!rollout || shiftedAt === null) return { kind: 'wait' }
  const failed = failing(look)
  if (failed) return failed
  if (look.newer || promoted) return { kind: 'over' }
  if (paused || look.now - Math.max(shiftedAt, resumedAt ?? 0) < rollout.watch.timeMs) return { kind: 'wait' }
  return look.partners.kind !== 'waiting' ? { kind: 'over' } : { kind: 'wait' }
}

const failing = ({ broken, judgement, partners }: Look): Decision | null => {
  if (judgement?.verdict === 'fail') return { kind: 'judged', judgement }
  if (broken) return undo(broken)
  return partners.kind === 'undone' ? undo(`${partners.service}, which goes in lockstep with it, was undone`) : null
}

/** So long nobody asks anything of a service before a step counts as one that nobody will judge. */
const quietMs = 60_000
/** With so many requests to be expected, one version has none by chance in less than one case of a hundred. */
const mustHaveSome = 5

/** The requests that either side had in this step, not only in those before. */
const requestsOf = ({ numbers }: Judgement, { judged }: Deployment) => ({
  canary: numbers.canary.requests - (judged?.numbers.canary.requests ?? 0),
  baseline: numbers.baseline.requests - (judged?.numbers.baseline.requests ?? 0),
})
const hasEvidence = (judgement: Judgement, deployment: Deployment): boolean => {
  const { canary, baseline } = requestsOf(judgement, deployment)
  return canary > 0 && baseline > 0
}
const isUnused = (judgement: Judgement, deployment: Deployment): boolean => {
  const { canary, baseline } = requestsOf(judgement, deployment)
  return canary <= 0 && baseline <= 0 && judgement.numbers.cause !== 'telemetry-gap'
}
/** Whether one side has none because there were hardly any at all, and not because none came to it. */
const isTooLittle = (judgement: Judgement, deployment: Deployment, weightPercent: number): boolean => {
  const { canary, baseline } = requestsOf(judgement, deployment)
  const share = weightPercent / 100
  if (judgement.numbers.cause === 'telemetry-gap') return false
  if (share === 0) return canary <= 0 && baseline <= 0 // copies come of every request
  return Math.max(0, canary + baseline) * Math.min(share, 1 - share) < mustHaveSome
}
