import { z } from 'zod'
import { rolloutJudged, rolloutStarted } from '../deploy/facts.ts'
import { type JudgePlan, latencyQuestion, type Judgement as Recorded } from '../deploy/judging.ts'
import { type FactDefinition, isFact, type RecordedFact } from '../ledger/fact.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Digest, ProjectName } from '../names.ts'
import type { Book } from './book.ts'
import { batchOf, type EvidenceDocument, recompute } from './document.ts'
import { type QuantileBand, quantileBand, shareBand } from './judge/bands.ts'
import { begin, type Judgement, type JudgeState, take, verdict } from './judge/judge.ts'
import type { Sample } from './judge/sample.ts'
import type { Shelf } from './shelf.ts'

/** `agrees`: to the last digit. `gone`: the evidence is not kept any more, or is not what its digest says. */
export type Recomputed = {
  readonly kind: 'agrees' | 'differs' | 'gone' | 'none'
  /** What follows from the evidence instead. */
  readonly judgement: Judgement | null
}

export type ExplainedVerdict = Recorded & {
  readonly seq: number
  readonly at: number
  readonly step: number
  readonly evidence: Digest | null
  readonly recomputed: Recomputed
}

/** One moment of a judging: requests and errors so far, and how strong the evidence against the new version was. */
export type EvidencePoint = {
  readonly at: number
  readonly baseline: Pick<Sample, 'requests' | 'errors'>
  readonly canary: Pick<Sample, 'requests' | 'errors'>
  readonly lnE: number
}

type Shown = {
  readonly requests: number
  readonly errors: number
  readonly restarts: number
  /** The share of errors lies between these, whenever one looks. */
  readonly errorRate: { readonly from: number; readonly until: number }
  readonly latency: readonly QuantileBand[]
}

export type Explanation = {
  readonly rollout: string
  readonly project: string
  readonly service: string
  readonly environment: string
  readonly plan: JudgePlan
  readonly verdicts: readonly ExplainedVerdict[]
  /** What is known by the newest counts; null when nothing was judged, or its counts are gone. `alpha` is this judging's part of the plan's. */
  readonly now: (Judgement & { readonly alpha: number; readonly baseline: Shown; readonly canary: Shown }) | null
  /** How latency stands where it is judged by itself, beside fresh instances of the old version. A step goes by both. */
  readonly latency: (Judgement & { readonly alpha: number }) | null
  readonly series: readonly EvidencePoint[]
}

/** When a verdict was given: after so many batches. */
const Moment = z.object({ at: z.number(), batches: z.number() })
const bandAlpha = 0.025
const quantiles = [0.5, 0.95, 0.99]

export const createExplanations = (ports: {
  readonly ledger: Pick<Ledger, 'read'>
  readonly book: Pick<Book, 'read'>
  readonly shelf: Pick<Shelf, 'get'>
}) => {
  const { ledger, book, shelf } = ports
  const factsOf = (rollout: string, { type }: FactDefinition): Promise<RecordedFact[]> =>
    ledger.read({ subject: `deployment:${rollout}`, types: [type] })

  const startOf = async (rollout: string) =>
    (await factsOf(rollout, rolloutStarted)).flatMap((one) => (isFact(rolloutStarted, one) ? [one.payload] : [])).at(-1)

  const explained = async (fact: RecordedFact): Promise<readonly ExplainedVerdict[]> => {
    if (!isFact(rolloutJudged, fact)) return []
    const { step, verdict: kind, reason, numbers, evidence } = fact.payload
    const given = { verdict: kind, reason, numbers }
    return [{ ...given, seq: fact.seq, at: fact.at, step, evidence, recomputed: await recomputed(given, evidence) }]
  }

  const recomputed = async (given: Recorded, evidence: Digest | null): Promise<Recomputed> => {
    if (evidence === null) return { kind: 'none', judgement: null }
    const document = await shelf.get(evidence)
    if (!document) return { kind: 'gone', judgement: null }
    const judgement = recompute(document, Moment.parse(given.numbers))
    return isSame(given, judgement) ? { kind: 'agrees', judgement: null } : { kind: 'differs', judgement }
  }

  /** What is counted now, else what the last verdict was made from. */
  const evidenceOf = async (
    rollout: string,
    last: Digest | null,
  ): Promise<Pick<EvidenceDocument, 'plan' | 'batches'> | null> => {
    const kept = await book.read(rollout)
    if (kept) return { plan: kept.plan, batches: [...kept.batches] }
    return last === null ? null : shelf.get(last)
  }

  return {
    /** Why a rollout went as it did, each verdict computed anew from its evidence; null when there was no such rollout. */
    explain: async (rollout: string, points = 300): Promise<Explanation | null> => {
      const started = await startOf(rollout)
      if (!started) return null
      const { project, service, environment, plan } = started
      const verdicts = (await Promise.all((await factsOf(rollout, rolloutJudged)).map(explained))).flat()
      const evidence = await evidenceOf(rollout, verdicts.at(-1)?.evidence ?? null)
      const { series, state } = evidence ? follow(evidence, points) : { series: [], state: null }
      const beside = await book.read(latencyQuestion(rollout))
      return {
        ...{ rollout, project, service, environment, plan, verdicts, series },
        now: state && {
          ...{ ...verdict(state), alpha: state.plan.alpha },
          ...{ baseline: shown(state.baseline), canary: shown(state.canary) },
        },
        latency: beside && {
          ...verdict(follow({ plan: beside.plan, batches: [...beside.batches] }, points).state),
          alpha: beside.plan.alpha,
        },
      }
    },

    /** Whose rollout it is; null when there is none of that name. */
    projectOf: async (rollout: string): Promise<ProjectName | null> => (await startOf(rollout))?.project ?? null,

    /** The evidence of a verdict of this rollout, as it was kept; null when it is not. */
    evidence: async (rollout: string, digest: Digest): Promise<EvidenceDocument | null> => {
      const facts = await factsOf(rollout, rolloutJudged)
      const isNamed = facts.some((one) => isFact(rolloutJudged, one) && one.payload.evidence === digest)
      return isNamed ? shelf.get(digest) : null
    },
  }
}

const isSame = ({ verdict: kind, reason, numbers }: Recorded, other: Judgement): boolean =>
  canonical({ verdict: kind, reason, numbers }) ===
  canonical({ verdict: other.verdict, reason: other.reason, numbers: other.numbers })

/** JSON with sorted keys: a schema on the way may have moved them. */
const canonical = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) =>
    part !== null && typeof part === 'object' && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).sort(([one], [other]) => (one < other ? -1 : 1)))
      : part,
  )

const follow = ({ plan, batches }: Pick<EvidenceDocument, 'plan' | 'batches'>, points: number) => {
  const every = Math.max(1, Math.ceil(batches.length / points))
  const series: EvidencePoint[] = []
  let state: JudgeState = begin(plan)
  for (const [place, row] of batches.entries()) {
    state = take(state, batchOf(row))
    if ((batches.length - 1 - place) % every === 0) series.push(pointOf(state))
  }
  return { series, state }
}

const pointOf = ({ at, baseline, canary, lnE }: JudgeState): EvidencePoint => ({
  at: at ?? 0,
  baseline: { requests: baseline.requests, errors: baseline.errors },
  canary: { requests: canary.requests, errors: canary.errors },
  lnE,
})

const shown = (sample: Sample): Shown => ({
  ...{ requests: sample.requests, errors: sample.errors, restarts: sample.restarts },
  errorRate: shareBand({ events: sample.errors, of: sample.requests }, bandAlpha),
  latency: quantiles.map((quantile) => quantileBand(sample, quantile, bandAlpha)),
})
