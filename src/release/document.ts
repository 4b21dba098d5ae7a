import { z } from 'zod'
import { JudgePlan } from '../deploy/judging.ts'
import { type Batch, begin, type Judgement, type JudgeNumbers, type JudgeState, take, verdict } from './judge/judge.ts'
import { emptyBatch, type Sample } from './judge/sample.ts'

const counts = [z.number(), z.number(), z.number(), z.number(), z.array(z.number())] as const
/**
 * Requests, errors, restarts, milliseconds that instances ran, and for each latency edge how many were slower; where the team's own
 * metrics were read, so many of so many of each.
 */
const SampleRow = z.union([
  z.tuple([...counts]),
  z.tuple([...counts, z.record(z.string(), z.tuple([z.number(), z.number()]))]),
])
/** When, whether the edges could not be asked (1), the baseline, the canary. */
export const BatchRow = z.tuple([z.number(), z.union([z.literal(0), z.literal(1)]), SampleRow, SampleRow])
export type BatchRow = z.infer<typeof BatchRow>

export const EvidencePlan = JudgePlan.extend({ compared: z.boolean() })

/** All that a verdict follows from: docs/judge.md says how. Batches in which nothing was counted are left out. */
export const EvidenceDocument = z.object({
  format: z.literal(1),
  rollout: z.string(),
  service: z.string(),
  baseline: z.string().nullable(),
  canary: z.string(),
  begunAt: z.number(),
  plan: EvidencePlan,
  batches: z.array(BatchRow),
})
export type EvidenceDocument = z.infer<typeof EvidenceDocument>

export const rowOf = ({ at, gap, baseline, canary }: Batch): BatchRow => [
  at,
  gap ? 1 : 0,
  sampleRow(baseline),
  sampleRow(canary),
]

export const batchOf = ([at, gap, baseline, canary]: BatchRow): Batch => ({
  ...{ at, baseline: sampleOf(baseline), canary: sampleOf(canary) },
  ...(gap ? { gap: true } : {}),
})

type SampleRow = z.infer<typeof SampleRow>
const sampleRow = ({ requests, errors, restarts, instanceMs = 0, slower, metrics }: Sample): SampleRow =>
  metrics === undefined
    ? [requests, errors, restarts, instanceMs, [...slower]]
    : [requests, errors, restarts, instanceMs, [...slower], mapValues(metrics, ({ events, of }) => [events, of])]

const sampleOf = ([requests, errors, restarts, instanceMs, slower, own]: SampleRow): Sample => ({
  ...{ requests, errors, restarts, instanceMs, slower },
  ...(own === undefined ? {} : { metrics: mapValues(own, ([events, of]) => ({ events, of })) }),
})

const mapValues = <From, To>(record: Readonly<Record<string, From>>, map: (value: From) => To): Record<string, To> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]))

/**
 * The judge's state after so many batches, at a moment by which nothing more was counted. Batches are told by their number: the clock may
 * have been set back between two of them.
 */
export const stateAfter = (
  { plan, batches }: Pick<EvidenceDocument, 'plan' | 'batches'>,
  { batches: count, at }: Pick<JudgeNumbers, 'batches' | 'at'>,
): JudgeState => {
  const state = batches.slice(0, count).reduce((sum, row) => take(sum, batchOf(row)), begin(plan))
  return state.at === at || at === 0 ? state : take(state, emptyBatch(at, state.isGap))
}

/** The verdict that follows from the evidence, as it was when it was given. */
export const recompute = (
  evidence: Pick<EvidenceDocument, 'plan' | 'batches'>,
  given: Pick<JudgeNumbers, 'batches' | 'at'>,
): Judgement => verdict(stateAfter(evidence, given))
