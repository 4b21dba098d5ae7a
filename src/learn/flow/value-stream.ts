import type { Span } from '../dora/calendar.ts'
import { type Distribution, distributionOf } from '../dora/quantile.ts'
import { isWaiting, type StageName, stageNames, type Way } from './stages.ts'

export const weekMs = 7 * 86_400_000

/** What one stage costs all changes of a period together. Milliseconds. */
export type StageFigures = Distribution & {
  readonly stage: StageName
  readonly isWaiting: boolean
  readonly sumMs: number
  /** What all changes spent in it, a week of the period. */
  readonly perWeekMs: number
}

export type Stream = {
  readonly changes: number
  /** From the first that is known of each change to when it was live. */
  readonly total: Distribution
  /** Those that any change went through, in the order of the way. */
  readonly stages: readonly StageFigures[]
  readonly activeMs: number
  readonly waitingMs: number
  /** Flow efficiency: the share of the time in which somebody or something worked on it; null without any. */
  readonly efficiency: number | null
  /** Moments that contradicted later ones, and were left out. */
  readonly unordered: number
}

/** What the ways of changes come to together over a period. */
export const streamOf = (ways: readonly Way[], { from, until }: Span): Stream => {
  const weeks = Math.max(until - from, 1) / weekMs
  const times = new Map<StageName, number[]>()
  for (const { stages } of ways) {
    // A stage that a change went through in parts is one stage of it.
    const own = new Map<StageName, number>()
    for (const { stage, from: begun, until: ended } of stages) own.set(stage, (own.get(stage) ?? 0) + ended - begun)
    for (const [stage, ms] of own) {
      const known = times.get(stage)
      if (known) known.push(ms)
      else times.set(stage, [ms])
    }
  }
  const stages = stageNames.flatMap((stage) => {
    const values = times.get(stage)
    if (!values) return []
    const sumMs = values.reduce((sum, ms) => sum + ms, 0)
    return [{ stage, isWaiting: isWaiting(stage), ...distributionOf(values), sumMs, perWeekMs: sumMs / weeks }]
  })
  const sumOf = (waits: boolean): number =>
    stages.reduce((sum, one) => (one.isWaiting === waits ? sum + one.sumMs : sum), 0)
  const [activeMs, waitingMs] = [sumOf(false), sumOf(true)]
  return {
    changes: ways.length,
    total: distributionOf(ways.flatMap(({ totalMs }) => (totalMs === null ? [] : [totalMs]))),
    ...{ stages, activeMs, waitingMs },
    efficiency: activeMs + waitingMs === 0 ? null : activeMs / (activeMs + waitingMs),
    unordered: ways.reduce((sum, { unordered }) => sum + unordered.length, 0),
  }
}

export type Bottleneck = {
  readonly stage: StageName
  readonly perWeekMs: number
  /** Of all the time that changes took. */
  readonly share: number
}

/**
 * Where changes spend most of their time, all together, be it that somebody works on them or that they wait. How long somebody writes, and
 * how long a team wants to watch, is nobody's bottleneck.
 */
export const bottleneckOf = ({ stages, activeMs, waitingMs }: Stream): Bottleneck | null => {
  const [most] = stages
    .filter(({ stage, sumMs }) => sumMs > 0 && stage !== 'coding' && stage !== 'watch')
    .toSorted((one, two) => two.sumMs - one.sumMs)
  return most ? { stage: most.stage, perWeekMs: most.perWeekMs, share: most.sumMs / (activeMs + waitingMs) } : null
}

/** A stage whose median has changed, and by how much. */
export type Changed = { readonly stage: StageName; readonly before: number; readonly now: number }

/** The stage whose median moved most since the period before; null where no stage has figures in both, or none moved. */
export const changedMost = (before: Stream, now: Stream): Changed | null => {
  const moved = now.stages.flatMap(({ stage, median }) => {
    const was = before.stages.find((one) => one.stage === stage)?.median ?? null
    return was === null || median === null || was === median ? [] : [{ stage, before: was, now: median }]
  })
  return moved.toSorted((one, two) => Math.abs(two.now - two.before) - Math.abs(one.now - one.before))[0] ?? null
}
