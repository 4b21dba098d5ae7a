import { z } from 'zod'
import type { OwnMetrics } from '../../deploy/judging.ts'
import type { MetricRule } from '../../golden/metrics.ts'
import type { Tally } from '../judge/sample.ts'

/** What an instance shows at one moment: by series, as `headway.yaml` names them. */
export type Page = {
  readonly instance: string
  /** How often it was started again: its counters began anew then. */
  readonly restarts: number
  readonly series: ReadonlyMap<string, number>
}
export type Reading = { readonly at: number; readonly pages: readonly Page[] }

const Counted = z.object({ events: z.number(), of: z.number() })
/** What was taken in of each instance up to now. */
export const OwnCursor = z.record(
  z.string(),
  z.object({
    restarts: z.number(),
    counters: z.record(z.string(), Counted),
    /** Since when a gauge's window lasts, and whether a reading in it was a bad one. */
    gauges: z.record(z.string(), z.object({ since: z.number(), isBad: z.boolean() })),
  }),
)
export type OwnCursor = z.infer<typeof OwnCursor>
type Known = OwnCursor[string]

/** Readings of one gauge within it have one cause, and count once. */
const windowMs = 60_000

export type OwnTallies = Readonly<Record<string, Tally>>

/**
 * What the team's own metrics counted since the cursor, by side, and the cursor after it. An instance that is seen for the first time is
 * counted from there on: what it counted before may be of months. Counters that fell, and those of an instance that was
 * started again, began anew. A gauge counts once a minute and instance, by its worst reading.
 */
export const advanceOwn = (
  cursor: OwnCursor,
  { at, pages }: Reading,
  own: OwnMetrics,
): { readonly cursor: OwnCursor; readonly baseline: OwnTallies; readonly canary: OwnTallies } => {
  const after: OwnCursor = { ...cursor }
  const sums = { baseline: new Map<string, Tally>(), canary: new Map<string, Tally>() }
  for (const page of pages) {
    const side = own.canary.includes(page.instance) ? 'canary' : 'baseline'
    const { known, counted } = takePage(cursor[page.instance] ?? null, page, at, own.rules)
    after[page.instance] = known
    for (const [name, { events, of }] of counted) {
      const before = sums[side].get(name) ?? { events: 0, of: 0 }
      sums[side].set(name, { events: before.events + events, of: before.of + of })
    }
  }
  return { cursor: after, baseline: Object.fromEntries(sums.baseline), canary: Object.fromEntries(sums.canary) }
}

const takePage = (before: Known | null, { restarts, series }: Page, at: number, rules: readonly MetricRule[]) => {
  const counters = { ...before?.counters }
  const gauges = { ...before?.gauges }
  const counted: [string, Tally][] = []
  for (const rule of rules) {
    if (rule.kind === 'counter') {
      const now = countedBy(rule, series)
      const last = before?.counters[rule.name]
      const isAnew = last && (before.restarts !== restarts || now.events < last.events || now.of < last.of)
      if (last) counted.push([rule.name, isAnew ? now : { events: now.events - last.events, of: now.of - last.of }])
      counters[rule.name] = now
      continue
    }
    const reading = series.get(rule.series)
    if (reading === undefined) continue
    const isBad = (rule.above !== null && reading > rule.above) || (rule.below !== null && reading < rule.below)
    const window = gauges[rule.name]
    const isOver = window !== undefined && at - window.since >= windowMs
    if (isOver) counted.push([rule.name, { events: window.isBad ? 1 : 0, of: 1 }])
    gauges[rule.name] =
      window === undefined || isOver ? { since: at, isBad } : { ...window, isBad: window.isBad || isBad }
  }
  return { known: { restarts, counters, gauges }, counted }
}

/** A counter that did not count anything yet is often not shown. */
const countedBy = (rule: Extract<MetricRule, { kind: 'counter' }>, series: ReadonlyMap<string, number>): Tally => {
  const of = Math.max(0, series.get(rule.of) ?? 0)
  const some = Math.max(0, series.get(rule.series) ?? 0)
  return { events: rule.counts === 'bad' ? some : Math.max(0, of - some), of }
}
