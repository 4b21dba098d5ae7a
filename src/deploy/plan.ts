import type { z } from 'zod'
import { defaultRules, type ReleaseRules, type ReleaseStep, type Strategy } from '../golden/release.ts'
import type { Digest } from '../names.ts'
import type { rolloutStarted } from './facts.ts'

type Started = z.infer<typeof rolloutStarted.payload>
/** What a rollout goes by from its beginning to its end. */
export type RolloutPlan = Pick<
  Started,
  | 'strategy'
  | 'steps'
  | 'baseline'
  | 'plan'
  | 'metrics'
  | 'isJudged'
  | 'noData'
  | 'watch'
  | 'newer'
  | 'freshBaseline'
  | 'with'
>

/** What a rollout is planned from. `rules` null: the service says nothing; `strategy`: what its environment says, if anything. */
export type Planning = {
  readonly rules: ReleaseRules | null
  readonly strategy: Strategy | null
  readonly replicas: number
  readonly baseline: { readonly deployment: string; readonly release: Digest } | null
  /** Back to what has proved itself: at once, and without a watch. */
  readonly isReturn: boolean
}

/** The most that a verdict may be wrong about releases that are no worse: one in a hundred. */
const alpha = 0.01
const usualWatchMs = 600_000
const atOnce: readonly ReleaseStep[] = [{ weightPercent: 100, minMs: 0, maxMs: 0 }]

/** The first version of a service has nothing to be compared with, and nobody who could be hurt: it goes live at once. */
export const planRollout = ({ rules, strategy: usual, replicas, baseline, isReturn }: Planning): RolloutPlan => {
  const { noData, tolerance, latency, thresholds, metrics = [], newer, ...rest } = rules ?? defaultRules
  // Where an environment says so, nobody is there to judge by: what a service asks for is meant for where its users are.
  const isPlain = isReturn || !baseline || usual === 'rolling'
  const strategy = isPlain ? 'rolling' : (rest.strategy ?? usual ?? 'rolling')
  const isGradual = strategy === 'canary' || strategy === 'shadow'
  const watch = rest.watch ?? { timeMs: strategy === 'rolling' ? 0 : usualWatchMs, holdbackPercent: 0 }
  return {
    strategy,
    steps: isReturn || !baseline ? [...atOnce] : stepsOf(strategy, rules ?? defaultRules, replicas),
    baseline,
    plan: {
      ...{ alpha, tolerance, latency, thresholds: [...thresholds] },
      ...(metrics.length > 0 ? { metrics: metrics.map(({ name }) => name) } : {}),
    },
    ...(metrics.length > 0 ? { metrics: [...metrics] } : {}),
    isJudged: isGradual,
    noData,
    watch: isPlain ? { timeMs: 0, holdbackPercent: 0 } : watch,
    newer: isGradual ? newer : 'queue',
    freshBaseline: isGradual && latency && rest.freshBaseline,
    with: isReturn || !baseline ? [] : [...rest.with],
  }
}

const stepsOf = (strategy: Strategy, rules: ReleaseRules, replicas: number): ReleaseStep[] => {
  switch (strategy) {
    case 'rolling':
      return batches(replicas)
    case 'blue-green':
      return [...atOnce]
    case 'canary':
      return [...rules.steps]
    case 'shadow': {
      const { minMs, maxMs } = rules.mirror
      return [{ weightPercent: 0, minMs, maxMs }, ...rules.steps.filter(({ weightPercent }) => weightPercent > 0)]
    }
  }
}

/** How many instances more than usual a rolling update may have: a quarter, but enough to replace a small service in one go. */
export const surgeOf = (replicas: number): number => Math.max(3, Math.ceil(replicas / 4))

const batches = (replicas: number): ReleaseStep[] => {
  const surge = surgeOf(replicas)
  return Array.from({ length: Math.ceil(replicas / surge) }, (_, batch) => {
    const weightPercent = Math.min(100, (100 * surge * (batch + 1)) / replicas)
    return { weightPercent, minMs: 0, maxMs: 0 }
  })
}

/** How many of so many instances carry that part of the traffic in a rolling update; others have all theirs from the beginning. */
export const countAt = (strategy: Strategy, weightPercent: number, replicas: number): number =>
  strategy === 'rolling' ? Math.min(replicas, Math.max(1, Math.round((weightPercent * replicas) / 100))) : replicas
