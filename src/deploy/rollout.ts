import type { Instance } from '../agent/protocol.ts'
import { fact, isFact, type NewFact, type RecordedFact } from '../ledger/fact.ts'
import { type CommitId, type Digest, shortCommit } from '../names.ts'
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

export type Reason = 'push' | 'rollback' | 'manual' | 'configuration' | 'git'
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

/** What has to be done next to bring a deployment to its end; each step may be repeated after a crash. */
export type Step = 'commit' | 'prepare' | 'bring-up' | 'retire' | 'done'

export const nextStep = (deployment: Deployment): Step => {
  if (deployment.finished) return 'done'
  if (deployment.shiftedAt !== null) return 'retire'
  if (deployment.instances) return 'bring-up'
  return deployment.desired ? 'prepare' : 'commit'
}

/** What was seen when a step was carried out. */
export type Observation =
  | { readonly kind: 'committed'; readonly desired: CommitId }
  | { readonly kind: 'prepared'; readonly replicas: number; readonly plan: RolloutPlan }
  | { readonly kind: 'routed' }
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
    outcome: 'succeeded' | 'failed' | 'superseded',
    rest: { url?: string; detail?: string; evidence?: Evidence; next?: string | undefined },
  ) => {
    const evidence = rest.evidence ? { ...rest.evidence, lastLines: [...rest.evidence.lastLines] } : null
    const said = { url: rest.url ?? null, detail: rest.detail ?? null, evidence, next: rest.next ?? null }
    return [fact(deploymentFinished, { ...about, payload: { ...named, release, commit, outcome, ...said } })]
  }
  if (deployment.finished) return []
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
    case 'routed':
      return [fact(rolloutShifted, { ...about, payload: { ...named, instances: [...(deployment.instances ?? [])] } })]
    case 'retired':
      return finish('succeeded', { url: seen.url })
    // From here on the new version has traffic: what goes wrong now is mended, not undone.
    case 'refused':
      return deployment.shiftedAt === null
        ? finish('failed', { detail: seen.problem.detail, next: seen.problem.next })
        : []
    case 'unhealthy':
      return deployment.shiftedAt === null ? finish('failed', seen) : []
    case 'overtaken':
      return deployment.shiftedAt === null
        ? finish('superseded', { detail: `${seen.by} was asked for before this one was healthy` })
        : []
    default:
      return unreachable(seen)
  }
}

/**
 * Which of the unfinished deployments of one target goes on and which were overtaken. One that has traffic already goes to its
 * end first; of the others only the newest counts.
 */
export const pick = (
  unfinished: readonly Deployment[],
): { carryOn: Deployment | null; overtaken: readonly { deployment: Deployment; by: string }[] } => {
  const ordered = [...unfinished].sort((left, right) => left.requestedSeq - right.requestedSeq)
  const shifted = ordered.find((deployment) => deployment.shiftedAt !== null)
  if (shifted) return { carryOn: shifted, overtaken: [] }
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

/** An instance that has ended this often before it was ever healthy will not become so by being started again. */
const hopelessRestarts = 3

export type Verdict =
  | { readonly kind: 'healthy' }
  | { readonly kind: 'waiting' }
  | { readonly kind: 'unhealthy'; readonly instance: string; readonly seen: Instance | null }

/** Whether the new instances can take the traffic. `seen` has null for one that is no longer there. */
export const judge = (seen: ReadonlyMap<string, Instance | null>, outOfTime: boolean): Verdict => {
  for (const [instance, state] of seen) {
    const hopeless = state !== null && state.state !== 'healthy' && state.restarts >= hopelessRestarts
    if (state === null || state.state === 'failed' || state.state === 'stopping' || hopeless)
      return { kind: 'unhealthy', instance, seen: state }
  }
  const late = [...seen].find(([, state]) => state?.state !== 'healthy')
  if (!late) return { kind: 'healthy' }
  return outOfTime ? { kind: 'unhealthy', instance: late[0], seen: late[1] } : { kind: 'waiting' }
}

/** Why a version did not become healthy, in one sentence that names what was seen. */
export const describeUnhealthy = (deployment: Deployment, seen: Instance | null, readyTimeoutMs: number): string => {
  const { service, environment } = deployment.target
  const version = `${service} ${shortCommit(deployment.commit)}`
  if (!seen) return `${version} did not become healthy in ${environment}: its instance is gone`
  const exit = seen.lastExit
  const ended = exit
    ? exit.outOfMemory
      ? 'it ran out of memory'
      : `it ended with ${exit.signal ? `signal ${exit.signal}` : `exit code ${exit.exitCode ?? '?'}`}`
    : null
  const after = exit && seen.restarts > 0 ? ` (${seen.restarts + 1} times)` : ''
  const within = ended ? '' : ` within ${Math.round(readyTimeoutMs / 1000)} s`
  const why = [ended && `${ended}${after}`, seen.lastProbe].filter(Boolean).join('; ')
  return `${version} did not become healthy${within} in ${environment}: ${why || 'no probe was answered'}`
}
