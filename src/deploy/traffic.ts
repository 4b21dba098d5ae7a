import type { Route } from '../agent/protocol.ts'
import type { ReleaseRules } from '../golden/release.ts'
import { countAt } from './plan.ts'
import { type Deployment, isLastStep, isUndone } from './rollout.ts'

/** Where the requests of a target go, without its hosts. */
export type Traffic = Omit<Route, 'hosts' | 'service'>

/** The instances beside the new ones: those that ran before, and those of the old version that were started to compare with. */
export type Others = { readonly old: readonly string[]; readonly fresh: readonly string[] }

/** Retries of one client within it are one error. A client that stays with a version is one for as long as it stays. */
const errorWindowMs = 10_000
const windowOf = (affinity: ReleaseRules['affinity'] | undefined): number =>
  Math.max(errorWindowMs, (affinity?.seconds ?? 0) * 1000)

/**
 * How the edge tells the versions of a rollout apart. A release that takes the place of itself (with other settings) is named with its
 * deployment as long as both run.
 */
export const versionsOf = ({ id, release, rollout }: Deployment): { canary: string; old: string; fresh: string } => {
  const old = rollout?.baseline?.release ?? ''
  const isBesideItself = old === release && rollout !== null && (rollout.steps.length > 1 || rollout.watch.timeMs > 0)
  return {
    canary: isBesideItself ? `${release}+${id}` : release,
    old,
    fresh: `${old}+fresh`,
  }
}

/** What the old version has while nothing new has traffic, or has it back. */
export const trafficOfOld = (deployment: Deployment, { old }: Others): Traffic => ({
  pools: [{ version: versionsOf(deployment).old, weight: 1, instances: [...old] }],
})

/** The traffic that a rollout's facts ask for at this moment; the same facts always ask for the same. */
export const trafficAt = (
  deployment: Deployment,
  others: Others,
  rules: Pick<ReleaseRules, 'affinity' | 'override' | 'mirror'> | null,
): Traffic => {
  const { rollout, step, instances } = deployment
  if (!rollout || !step || !instances || isUndone(deployment)) return trafficOfOld(deployment, others)
  const versions = versionsOf(deployment)
  const ready = instances.slice(0, countAt(rollout.strategy, step.weightPercent, instances.length))
  const canary = canaryPercent(deployment)
  // As much as one of the new instances has: then they differ in nothing but their version. The old version keeps half of the rest, as
  // errors are compared with its.
  const most = Math.min(canary / ready.length, (100 - canary) / 2)
  const fresh = rollout.freshBaseline && !isLastStep(deployment) ? most : 0
  const old = 100 - canary - fresh
  const pools = [
    { version: versions.canary, weight: canary, instances: ready },
    { version: versions.fresh, weight: fresh, instances: [...others.fresh] },
    { version: versions.old, weight: old, instances: remaining(deployment, others.old) },
  ].filter(({ version, weight, instances: some }) => version === versions.canary || (weight > 0 && some.length > 0))
  const isShadow = rollout.strategy === 'shadow' && step.index === 0
  return {
    pools: pools.length > 1 ? pools : pools.map((pool) => ({ ...pool, weight: 1 })),
    ...(rules?.affinity && canary > 0 && canary < 100 ? { affinity: rules.affinity } : {}),
    ...(rules?.override ? { overrides: [{ ...rules.override, version: versions.canary }] } : {}),
    ...(isShadow && rules
      ? {
          mirror: {
            version: versions.canary,
            instances: ready,
            share: rules.mirror.sharePercent / 100,
            methods: [...rules.mirror.methods],
          },
        }
      : {}),
    ...(rollout.isJudged || rollout.watch.timeMs > 0 ? { sample: { errorWindowMs: windowOf(rules?.affinity) } } : {}),
  }
}

/** The weight of the new version now: a hold-back of the old one stays while it is watched. */
export const canaryPercent = (deployment: Deployment): number => {
  const { rollout, step } = deployment
  if (!rollout || !step || isUndone(deployment)) return 0
  const { timeMs, holdbackPercent } = rollout.watch
  return isLastStep(deployment) && timeMs > 0 ? 100 - holdbackPercent : step.weightPercent
}

/** Those of the old instances that a rolling update has not replaced yet. While it will be watched all of them stay. */
export const remaining = ({ rollout, step }: Deployment, old: readonly string[]): string[] => {
  if (rollout?.strategy !== 'rolling' || rollout.watch.timeMs > 0 || !step) return [...old]
  return old.slice(Math.floor((old.length * step.weightPercent) / 100))
}
