import { z } from 'zod'
import { MetricRule } from '../golden/metrics.ts'
import { ReleaseStep, Strategy } from '../golden/release.ts'
import { defineFact } from '../ledger/fact.ts'
import { CommitId, Digest, EnvironmentName, ProjectName, ServiceName } from '../names.ts'
import { JudgeNumbers, JudgePlan, Verdict } from './judging.ts'
import { migrationFacts } from './migrations/facts.ts'
import { previewFacts } from './previews/facts.ts'

const target = { deployment: z.string(), project: ProjectName, service: ServiceName, environment: EnvironmentName }

/** The intent. Subject of deployment facts: `deployment:<id>`. */
export const deploymentRequested = defineFact(
  'deployment.requested',
  1,
  z.object({
    ...target,
    release: Digest,
    commit: CommitId,
    reason: z.enum(['push', 'promotion', 'rollback', 'manual', 'configuration', 'git', 'preview']),
    push: z.string().nullable(),
  }),
)
/** The acknowledgement: desired state stands in the environments repository as this commit. */
export const deploymentCommitted = defineFact('deployment.committed', 1, z.object({ ...target, desired: CommitId }))
const Started = z.object({
  ...target,
  /** All that it will have when it has all traffic. */
  instances: z.array(z.string()),
  strategy: Strategy,
  /** The weights that it goes through; one of 0 first gets copies of requests (a shadow) or testers only. */
  steps: z.array(ReleaseStep).min(1),
  /** What it takes the place of, and is judged against; null for the first of a service. */
  baseline: z.object({ deployment: z.string(), release: Digest }).nullable(),
  plan: JudgePlan,
  /** Where the metrics of the team's own that the plan names are read. */
  metrics: z.array(MetricRule).exactOptional(),
  /** Whether steps are judged; else they only follow each other. */
  isJudged: z.boolean(),
  /** Null: by whether the service was used at all. */
  noData: z.enum(['hold', 'promote', 'abort']).nullable(),
  watch: z.object({ timeMs: z.number(), holdbackPercent: z.number() }),
  newer: z.enum(['supersede', 'queue']),
  /** Whether its latency is compared with that of a fresh instance of the old version. */
  freshBaseline: z.boolean(),
  /** Services of the same push with which it is in lockstep. */
  with: z.array(ServiceName),
})
const StartedBefore = z.object({ ...target, instances: z.array(z.string()) })
/** What is decided once for a rollout, so that settings which change meanwhile change nothing of it. */
export const rolloutStarted = defineFact('rollout.started', 2, Started, {
  1: (old) => ({
    ...StartedBefore.parse(old),
    strategy: 'rolling',
    steps: [{ weightPercent: 100, minMs: 0, maxMs: 0 }],
    baseline: null,
    plan: { alpha: 0.01, tolerance: 0, latency: true, thresholds: [] },
    isJudged: false,
    noData: 'promote',
    watch: { timeMs: 0, holdbackPercent: 0 },
    newer: 'queue',
    freshBaseline: false,
    with: [],
  }),
})
/** The instances that the step needs are healthy; from now on its weight is the one that routes are made from. */
export const rolloutStepStarted = defineFact(
  'rollout.step-started',
  1,
  z.object({ ...target, step: z.number().int(), weightPercent: z.number() }),
)
/** What the judge said when a step (or, after the last, the watch) came to its end. */
export const rolloutJudged = defineFact(
  'rollout.judged',
  1,
  z.object({
    ...target,
    step: z.number().int(),
    verdict: Verdict,
    reason: z.string(),
    numbers: JudgeNumbers,
    evidence: Digest.nullable(),
  }),
)
const order = z.object({ ...target, by: z.string(), reason: z.string() })
/** It stays at its weight until somebody resumes it; what fails is undone all the same. */
export const rolloutPaused = defineFact('rollout.paused', 1, order)
export const rolloutResumed = defineFact('rollout.resumed', 1, order)
/** Somebody ends the step (or the watch) under way: it goes to the next. */
export const rolloutPromoted = defineFact('rollout.promoted', 1, order)
/** Somebody wants it undone. */
export const rolloutAborted = defineFact(
  'rollout.aborted',
  1,
  order.extend({
    /** The newer deployment that took its place. */
    supersededBy: z.string().nullable(),
  }),
)
/** The watch after promotion ended well. */
export const rolloutWatched = defineFact('rollout.watched', 1, z.object(target))
/** New instances are healthy and take the traffic; the old ones take none any more, but for a hold-back while it is watched. */
export const rolloutShifted = defineFact('rollout.shifted', 1, z.object({ ...target, instances: z.array(z.string()) }))
export const outcomes = ['succeeded', 'failed', 'superseded', 'rolled-back'] as const
/** `failed`: it never had traffic. `rolled-back`: it had, and the old version has it again. */
export const deploymentFinished = defineFact(
  'deployment.finished',
  2,
  z.object({
    ...target,
    release: Digest,
    commit: CommitId,
    outcome: z.enum(outcomes),
    url: z.string().nullable(),
    detail: z.string().nullable(),
    /** What was seen when it failed: the last probe and the last lines of the instance's log. */
    evidence: z
      .object({ instance: z.string().nullable(), probe: z.string().nullable(), lastLines: z.array(z.string()) })
      .nullable(),
    next: z.string().nullable(),
  }),
  { 1: (old) => old },
)
export const driftFound = defineFact(
  'drift.found',
  1,
  z.object({ project: ProjectName, service: ServiceName, environment: EnvironmentName, detail: z.string() }),
)
export const driftMended = defineFact(
  'drift.mended',
  1,
  z.object({ project: ProjectName, service: ServiceName, environment: EnvironmentName, detail: z.string() }),
)
/** The environments repository holds something that cannot be read; nothing was changed because of it. */
export const desiredStateRefused = defineFact(
  'desired-state.refused',
  1,
  z.object({
    desired: CommitId,
    file: z.string(),
    detail: z.string(),
    line: z.number().nullable(),
    column: z.number().nullable(),
  }),
)
const Removed = z.object({
  project: ProjectName,
  service: ServiceName,
  /** Null: out of every environment (as all were until there were several). */
  environment: EnvironmentName.nullable(),
  /** Nothing of it stands anywhere any more, previews left aside; its name is free again. */
  isGone: z.boolean(),
})
const RemovedBefore = z.object({ project: ProjectName, service: ServiceName })
/** A service was taken out of an environment. Subject: `service:<project>/<service>`. */
export const serviceRemoved = defineFact('service.removed', 2, Removed, {
  1: (old) => ({ ...RemovedBefore.parse(old), environment: null, isGone: true }),
})

export { migrationAdvised, migrationFinished, migrationStarted } from './migrations/facts.ts'
export {
  type PreviewKey,
  previewBegun,
  previewEnding,
  previewFailed,
  previewHeld,
  previewReady,
  previewRemoved,
  previewSubject,
} from './previews/facts.ts'

/** Somebody has ordered what an environment is to be; `text` is its environment.yaml. A commit by hand says so by itself. */
export const environmentDefined = defineFact(
  'environment.defined',
  1,
  z.object({ environment: EnvironmentName, text: z.string() }),
)
export const environmentRemoved = defineFact('environment.removed', 1, z.object({ environment: EnvironmentName }))

export const deployFacts = [
  environmentDefined,
  environmentRemoved,
  deploymentRequested,
  deploymentCommitted,
  rolloutStarted,
  rolloutStepStarted,
  rolloutJudged,
  rolloutPaused,
  rolloutResumed,
  rolloutPromoted,
  rolloutAborted,
  rolloutShifted,
  rolloutWatched,
  deploymentFinished,
  driftFound,
  driftMended,
  desiredStateRefused,
  serviceRemoved,
  ...migrationFacts,
  ...previewFacts,
] as const
