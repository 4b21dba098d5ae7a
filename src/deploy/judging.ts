import { z } from 'zod'
import type { MetricRule } from '../golden/metrics.ts'
import { Threshold } from '../golden/release.ts'
import type { Digest } from '../names.ts'

/** By what a release is judged. */
export const JudgePlan = z.object({
  /** The most that the chance of stopping a release that is no worse may be, however often it is looked at. */
  alpha: z.number(),
  /** The part by which an error rate may be above the baseline's: 0.1 for a tenth. */
  tolerance: z.number(),
  latency: z.boolean(),
  thresholds: z.array(Threshold),
  /** Names of the team's own metrics. */
  metrics: z.array(z.string()).optional(),
  /** What this judging is for, where another one judges the rest; without it half of the wager is on errors. */
  focus: z.enum(['errors', 'latency']).optional(),
})
export type JudgePlan = z.infer<typeof JudgePlan>

const Counted = z.looseObject({ requests: z.number(), errors: z.number(), restarts: z.number() })

/** What a verdict was made from, as JSON: in all since the judging began. The judge says more than deploy goes by. */
export const JudgeNumbers = z.looseObject({
  baseline: Counted,
  canary: Counted,
  /** What the verdict rests on; `telemetry-gap`: the edges do not say what they count. */
  cause: z.string().optional(),
})
export type JudgeNumbers = z.infer<typeof JudgeNumbers>

/** `pass`: so sure that a step may be cut short. `inconclusive` says why: no traffic, no baseline, not enough of either. */
export const Verdict = z.enum(['pass', 'fail', 'inconclusive'])
export type Judgement = {
  readonly verdict: z.infer<typeof Verdict>
  readonly reason: string
  readonly numbers: JudgeNumbers
}

/** Which service the edges count (its label), and which versions of it are compared. `baseline` null: thresholds only. */
export type Judged = {
  readonly service: string
  readonly baseline: string | null
  readonly canary: string
  /** Where the team's own metrics are read, and whose instances these are. */
  readonly own?: OwnMetrics
}
export type OwnMetrics = {
  readonly rules: readonly MetricRule[]
  readonly baseline: readonly string[]
  readonly canary: readonly string[]
}

/** Under which name latency is judged beside fresh instances of the old version. */
export const latencyQuestion = (deployment: string): string => `${deployment}.latency`

/**
 * The judge, as deploy asks it. What is being judged has a name of deploy's choosing; what was begun is remembered over a crash of the
 * process. A fail stays a fail: whoever looks again after a crash in the midst of a rollback must find it.
 */
export type Judging = {
  /** Begun again under the same name, it goes on as it was begun first. */
  begin(rollout: string, plan: JudgePlan, who: Judged): Promise<void>
  /** Takes in what the edges have counted since, and says what is known. */
  look(rollout: string): Promise<Judgement>
  /** Everything that was taken in, kept as a blob for whoever recomputes. May be asked for again, and looked at after. */
  conclude(rollout: string): Promise<{ readonly evidence: Digest }>
}
