import { fact, isFact, type NewFact, type RecordedFact } from '../ledger/fact.ts'
import type { CommitId, Digest } from '../names.ts'
import { type ProblemDetails, unreachable } from '../problem.ts'
import {
  deploymentCommitted,
  deploymentFinished,
  deploymentRequested,
  type outcomes,
  rolloutAborted,
  rolloutJudged,
  rolloutPaused,
  rolloutPromoted,
  rolloutResumed,
  rolloutShifted,
  rolloutStarted,
  rolloutStepStarted,
  rolloutWatched,
} from './facts.ts'
import type { Judgement, JudgeNumbers } from './judging.ts'
import type { RolloutPlan } from './plan.ts'
import { instanceIds, type Target } from './target.ts'

export type Reason = 'push' | 'promotion' | 'rollback' | 'manual' | 'configuration' | 'git' | 'preview'
export type Evidence = {
  readonly instance: string | null
  readonly probe: string | null
  readonly lastLines: readonly string[]
}

export type Outcome = (typeof outcomes)[number]
/** What somebody asked of a rollout under way. */
export type Order = { readonly at: number; readonly by: string; readonly reason: string }

/** One deployment, folded from its facts. */
export type Deployment = {
  readonly id: string
  readonly target: Target
  readonly release: Digest
  readonly commit: CommitId
  readonly reason: Reason
  readonly push: string | null
  readonly requestedSeq: number
  readonly requestedAt: number
  readonly desired: CommitId | null
  readonly instances: readonly string[] | null
  /** What it goes by, once it is started. */
  readonly rollout: RolloutPlan | null
  /** The step that it has come to; null before the first has healthy instances. */
  readonly step: { readonly index: number; readonly weightPercent: number; readonly at: number } | null
  /** The last that the judge said at the end of a step. */
  readonly judged: {
    readonly at: number
    readonly step: number
    readonly verdict: Judgement['verdict']
    readonly reason: string
    readonly numbers: JudgeNumbers
    readonly evidence: Digest | null
  } | null
  readonly paused: Order | null
  readonly resumedAt: number | null
  /** Asked for in the step (or the watch) that it is in. */
  readonly promoted: Order | null
  readonly aborted: (Order & { readonly supersededBy: string | null }) | null
  readonly shiftedAt: number | null
  readonly watchedAt: number | null
  /** The newest fact that is folded in. */
  readonly seq: number
  readonly finished: {
    readonly at: number
    readonly outcome: Outcome
    readonly url: string | null
    readonly detail: string | null
    readonly evidence: Evidence | null
    readonly next: string | null
  } | null
}

/** The deployment after one more fact about it; null until it is requested. */
export const fold = (state: Deployment | null, recorded: RecordedFact): Deployment | null => {
  if (isFact(deploymentRequested, recorded)) {
    const { deployment, project, service, environment, release, commit, reason, push } = recorded.payload
    return (
      state ?? {
        id: deployment,
        target: { project, service, environment },
        release,
        commit,
        reason,
        push,
        requestedSeq: recorded.seq,
        requestedAt: recorded.at,
        desired: null,
        instances: null,
        rollout: null,
        step: null,
        judged: null,
        paused: null,
        resumedAt: null,
        promoted: null,
        aborted: null,
        shiftedAt: null,
        watchedAt: null,
        seq: recorded.seq,
        finished: null,
      }
    )
  }
  if (state === null) return null
  return { ...state, ...changeBy(recorded), seq: recorded.seq }
}

const changeBy = (recorded: RecordedFact): Partial<Deployment> => {
  const { at } = recorded
  if (isFact(deploymentCommitted, recorded)) return { desired: recorded.payload.desired }
  if (isFact(rolloutStarted, recorded)) {
    const {
      deployment: _,
      project: _project,
      service: _service,
      environment: _environment,
      instances,
      ...rollout
    } = recorded.payload
    return { instances, rollout }
  }
  if (isFact(rolloutStepStarted, recorded)) {
    const { step: index, weightPercent } = recorded.payload
    return { step: { index, weightPercent, at }, promoted: null }
  }
  if (isFact(rolloutJudged, recorded)) {
    const { step, verdict, reason, numbers, evidence } = recorded.payload
    return { judged: { at, step, verdict, reason, numbers, evidence } }
  }
  if (isFact(rolloutPaused, recorded)) return { paused: orderOf(at, recorded.payload) }
  if (isFact(rolloutResumed, recorded)) return { paused: null, resumedAt: at }
  if (isFact(rolloutPromoted, recorded)) return { promoted: orderOf(at, recorded.payload), paused: null, resumedAt: at }
  if (isFact(rolloutAborted, recorded)) {
    const { supersededBy } = recorded.payload
    return { aborted: { ...orderOf(at, recorded.payload), supersededBy } }
  }
  if (isFact(rolloutShifted, recorded)) return { shiftedAt: at, promoted: null }
  if (isFact(rolloutWatched, recorded)) return { watchedAt: at, promoted: null }
  if (isFact(deploymentFinished, recorded)) {
    const { outcome, url, detail, evidence, next } = recorded.payload
    return { finished: { at, outcome, url, detail, evidence, next } }
  }
  return {}
}

const orderOf = (at: number, { by, reason }: { by: string; reason: string }): Order => ({ at, by, reason })

/** A fresh instance of the old version is named by the deployment that it is there for. */
export const freshOwner = (deployment: string): string => `${deployment}.base`

/** Every instance that a deployment may have started. */
export const startedBy = ({ id, instances, rollout, target }: Deployment): string[] => [
  ...(instances ?? []),
  ...(rollout?.freshBaseline ? instanceIds(target.service, freshOwner(id), 1) : []),
]

export const isLastStep = ({ rollout, step }: Deployment): boolean =>
  rollout !== null && step !== null && step.index === rollout.steps.length - 1

/** Whether the watch after promotion is over, or was never asked for: what is promoted then stays. */
export const isBeyondWatch = ({ rollout, shiftedAt, watchedAt }: Deployment): boolean =>
  shiftedAt !== null && (watchedAt !== null || (rollout?.watch.timeMs ?? 0) === 0)

/** Whether it is to be taken back: judged to be worse, or aborted, before it was there to stay. */
export const isUndone = (deployment: Deployment): boolean =>
  (deployment.aborted !== null || deployment.judged?.verdict === 'fail') && !isBeyondWatch(deployment)

/** What has to be done next to bring a deployment to its end; each may be repeated after a crash. */
export type Step = 'commit' | 'prepare' | 'bring-up' | 'advance' | 'shift' | 'watch' | 'revert' | 'retire' | 'done'

export const nextStep = (deployment: Deployment): Step => {
  if (deployment.finished) return 'done'
  if (isUndone(deployment)) return 'revert'
  if (deployment.shiftedAt !== null) return isBeyondWatch(deployment) ? 'retire' : 'watch'
  if (!deployment.instances) return deployment.desired ? 'prepare' : 'commit'
  if (!deployment.step) return 'bring-up'
  return isLastStep(deployment) ? 'shift' : 'advance'
}

/** What was seen when a step was carried out. */
export type Observation =
  | { readonly kind: 'committed'; readonly desired: CommitId }
  | { readonly kind: 'prepared'; readonly replicas: number; readonly plan: RolloutPlan }
  /** The instances that a step needs are healthy. */
  | { readonly kind: 'ready'; readonly step: number }
  | { readonly kind: 'judged'; readonly judgement: Judgement; readonly evidence: Digest | null }
  | { readonly kind: 'held'; readonly judgement: Judgement; readonly evidence: Digest | null; readonly reason: string }
  /** It is taken back for a reason that the judge has no part in. */
  | { readonly kind: 'undone'; readonly reason: string; readonly supersededBy: string | null }
  | { readonly kind: 'routed' }
  | { readonly kind: 'watched'; readonly judgement: Judgement | null; readonly evidence: Digest | null }
  /** The old version has all traffic, and nothing of the new one is left. */
  | { readonly kind: 'reverted' }
  /** Something else was said meanwhile: what comes next must be asked anew. */
  | { readonly kind: 'interrupted' }
  | { readonly kind: 'retired'; readonly url: string }
  | { readonly kind: 'refused'; readonly problem: ProblemDetails }
  | {
      readonly kind: 'unhealthy'
      readonly detail: string
      readonly next: string
      readonly evidence: Evidence
    }
  | { readonly kind: 'overtaken'; readonly by: string }

const actor = 'system:deploy'
export const deploymentSubject = (deployment: string): string => `deployment:${deployment}`

/** What an observation means for a deployment, as facts to record. An observation that comes too late records nothing. */
export const decide = (deployment: Deployment, seen: Observation): NewFact[] => {
  const { id, target, release, commit } = deployment
  const about = { subject: deploymentSubject(id), actor, causes: [deployment.requestedSeq] }
  const named = { deployment: id, ...target }
  const finish = (
    outcome: Outcome,
    rest: {
      url?: string | null
      detail?: string | null
      evidence?: Evidence | null
      next?: string | null | undefined
    },
  ) => {
    const evidence = rest.evidence ? { ...rest.evidence, lastLines: [...rest.evidence.lastLines] } : null
    const said = { url: rest.url ?? null, detail: rest.detail ?? null, evidence, next: rest.next ?? null }
    return [fact(deploymentFinished, { ...about, payload: { ...named, release, commit, outcome, ...said } })]
  }
  const judged = ({ verdict, reason, numbers }: Judgement, evidence: Digest | null) =>
    fact(rolloutJudged, {
      ...about,
      payload: { ...named, step: deployment.step?.index ?? 0, verdict, reason, numbers, evidence },
    })
  const abort = (reason: string, supersededBy: string | null = null) => [
    fact(rolloutAborted, { ...about, payload: { ...named, by: actor, reason, supersededBy } }),
  ]
  if (deployment.finished) return []
  if (isUndone(deployment) && seen.kind !== 'reverted') return []
  switch (seen.kind) {
    case 'committed':
      return [fact(deploymentCommitted, { ...about, payload: { ...named, desired: seen.desired } })]
    case 'prepared':
      return [
        fact(rolloutStarted, {
          ...about,
          payload: { ...named, instances: instanceIds(target.service, id, seen.replicas), ...seen.plan },
        }),
      ]
    case 'ready': {
      const weightPercent = deployment.rollout?.steps[seen.step]?.weightPercent
      if (weightPercent === undefined) return []
      return [fact(rolloutStepStarted, { ...about, payload: { ...named, step: seen.step, weightPercent } })]
    }
    case 'judged':
      return [judged(seen.judgement, seen.evidence)]
    case 'held':
      return [
        judged(seen.judgement, seen.evidence),
        fact(rolloutPaused, { ...about, payload: { ...named, by: actor, reason: seen.reason } }),
      ]
    case 'undone':
      return abort(seen.reason, seen.supersededBy)
    case 'routed':
      return [fact(rolloutShifted, { ...about, payload: { ...named, instances: [...(deployment.instances ?? [])] } })]
    case 'watched':
      return [
        ...(seen.judgement ? [judged(seen.judgement, seen.evidence)] : []),
        fact(rolloutWatched, { ...about, payload: named }),
      ]
    case 'reverted':
      return finish(...outcomeOfReverted(deployment))
    case 'retired':
      return finish('succeeded', { url: seen.url })
    // Once the new version has all traffic what goes wrong in here is mended, not undone; with a part of it, it is taken back.
    case 'refused':
      if (deployment.shiftedAt !== null) return []
      return deployment.step
        ? abort(seen.problem.detail)
        : finish('failed', { detail: seen.problem.detail, next: seen.problem.next })
    case 'unhealthy':
      if (deployment.shiftedAt !== null) return []
      return deployment.step ? abort(seen.detail) : finish('failed', seen)
    case 'overtaken':
      if (deployment.shiftedAt !== null) return []
      return deployment.step
        ? abort(`a newer deployment took its place (${seen.by})`, seen.by)
        : finish('superseded', { detail: `${seen.by} was asked for before this one was healthy` })
    case 'interrupted':
      return []
    default:
      return unreachable(seen)
  }
}

const outcomeOfReverted = ({
  aborted,
  judged,
  step,
  target,
}: Deployment): [Outcome, { detail: string; next: string | null }] => {
  if (aborted?.supersededBy) return ['superseded', { detail: aborted.reason, next: null }]
  const detail =
    judged?.verdict === 'fail' ? judged.reason : `aborted by ${aborted?.by ?? actor}: ${aborted?.reason ?? ''}`
  const next = `mend it and push again; headway logs ${target.service} shows more`
  return [step ? 'rolled-back' : 'failed', { detail, next }]
}

/**
 * Which of the unfinished deployments of one target goes on and which were overtaken. One that has traffic already goes to its
 * end first; of the others only the newest counts.
 */
export const pick = (
  unfinished: readonly Deployment[],
): { carryOn: Deployment | null; overtaken: readonly { deployment: Deployment; by: string }[] } => {
  const ordered = [...unfinished].sort((left, right) => left.requestedSeq - right.requestedSeq)
  const underWay = ordered.find(({ step }) => step !== null)
  if (underWay) return { carryOn: underWay, overtaken: [] }
  const newest = ordered.at(-1) ?? null
  return {
    carryOn: newest,
    overtaken: newest ? ordered.slice(0, -1).map((deployment) => ({ deployment, by: newest.id })) : [],
  }
}

/**
 * How long a rollout may wait for health before a newer request overtakes it. Shorter, and a steady stream of pushes would
 * keep every one of them from going live; longer, and a fix would wait for the broken version to give up.
 */
export const patienceMs = 10_000
export const mayOvertake = (waitedMs: number): boolean => waitedMs >= patienceMs
