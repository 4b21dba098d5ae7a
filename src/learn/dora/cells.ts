import { type Compilable, CompiledQuery, sql } from 'kysely'
import { inSizes } from '../../store/sizes.ts'
import type { CellRow, DeploymentRow } from '../tables.ts'
import { recoveryOf, unpackLeads } from './assess.ts'
import type { Tx } from './lane.ts'
import {
  addHistogram,
  addToHistogram,
  emptyHistogram,
  type Histogram,
  Numbers,
  newHistogram,
  putNumber,
  putSketch,
  type Sketch,
  tally,
} from './sketch.ts'
import { statement } from './statement.ts'
import { together } from './together.ts'

/**
 * Cells are what long questions are answered from: for a service, a project and everything, by the day, six hours, the hour and the quarter
 * of an hour of UTC (the clocks of all time zones differ by whole quarters), how many deployments there were and how long things took.
 * One deployment belongs to nine of them, however many there are.
 */
export const grainMs = { day: 86_400_000, 'six-hours': 21_600_000, hour: 3_600_000, quarter: 900_000 } as const
export type Grain = keyof typeof grainMs
/** From long to short. */
export const grains: readonly Grain[] = ['day', 'six-hours', 'hour', 'quarter']

export const everything = 'all'
export const projectScope = (project: string): string => `p:${project}`
export const serviceScope = (project: string, service: string): string => `s:${project}/${service}`

/** How many deployments, and of them and their commits how many of each kind. */
export type Counts = Record<(typeof countNames)[number], number>
const noCounts: Counts = {
  ...{ deployments: 0, pending: 0, failed: 0, suspected: 0, open: 0, rework: 0, commits: 0, negative: 0 },
  ...{ dropped_first: 0, dropped_merge: 0, dropped_negative: 0, dropped_unknown: 0, dropped_again: 0 },
}
export const countNames = [
  ...(['deployments', 'pending', 'failed', 'suspected', 'open', 'rework', 'commits', 'negative'] as const),
  ...(['dropped_first', 'dropped_merge', 'dropped_negative', 'dropped_unknown', 'dropped_again'] as const),
]

/** What many deployments come to together. */
export type Tally = { readonly counts: Counts; readonly leads: Sketch; readonly recoveries: Sketch }
export const emptyTally = (): Tally => ({ counts: { ...noCounts }, leads: new Map(), recoveries: new Map() })

type Counted = Pick<
  DeploymentRow,
  | ('live_at' | 'counted' | 'pending' | 'failed' | 'failed_how' | 'rework' | 'restored_at')
  | ('commits' | 'again' | 'merges' | 'unknown' | 'negative' | 'first')
>

/** What one deployment adds to the figures. */
export const countsOf = (row: Counted): Counts => {
  if (row.counted === 0) return noCounts
  const recovery = recoveryOf(row)
  return {
    deployments: 1,
    pending: row.pending,
    failed: row.failed,
    suspected: row.failed_how === 'suspected' ? 1 : 0,
    open: row.failed === 1 && row.restored_at === null ? 1 : 0,
    rework: row.rework,
    commits: row.commits,
    negative: recovery !== null && recovery < 0 ? 1 : 0,
    dropped_first: row.first,
    dropped_merge: row.merges,
    dropped_negative: row.negative,
    dropped_unknown: row.unknown,
    dropped_again: row.again,
  }
}

export const addCounts = (into: Counts, from: Counts, times = 1): void => {
  for (const name of countNames) into[name] += from[name] * times
}

export type Changes = Map<string, { readonly key: CellKey; readonly tally: Tally }>
type CellKey = Pick<CellRow, 'scope' | 'environment' | 'grain' | 'start'>

/** Collects what a deployment adds (1) or takes away (-1), for all the cells that it belongs to. */
export const collect = (
  changes: Changes,
  row: DeploymentRow,
  of: { readonly project: string; readonly service: string },
  times: 1 | -1,
): void => {
  if (row.counted === 0 || row.live_at === null) return
  const recovery = recoveryOf(row)
  const leads = unpackLeads(row.leads)
  for (const [scope, held] of [
    [serviceScope(of.project, of.service), ['day']],
    [projectScope(of.project), grains],
    [everything, grains],
  ] as const) {
    for (const grain of held) {
      const start = Math.floor(row.live_at / grainMs[grain]) * grainMs[grain]
      const name = nameOf({ scope, environment: row.environment, grain, start })
      const change = changes.get(name) ?? {
        key: { scope, environment: row.environment, grain, start },
        tally: emptyTally(),
      }
      changes.set(name, change)
      addCounts(change.tally.counts, countsOf(row), times)
      for (const lead of leads) tally(change.tally.leads, lead, times)
      if (recovery !== null && recovery >= 0) tally(change.tally.recoveries, recovery, times)
    }
  }
}

/** Writes what was collected, which is forgotten: each cell is read and written once. */
export const writeChanges = async (tx: Tx, changes: Changes): Promise<void> => {
  const changed = [...changes.values()].filter(({ tally: change }) => !isNothing(change))
  changes.clear()
  // So that a batch that touches very many does not hold them all.
  for (let at = 0; at < changed.length; at += 2_000) await writeSome(tx, changed.slice(at, at + 2_000))
}

const nameOf = ({ scope, environment, grain, start }: CellKey): string => `${scope} ${environment} ${grain} ${start}`
const isNothing = ({ counts, leads, recoveries }: Tally): boolean =>
  leads.size === 0 && recoveries.size === 0 && countNames.every((name) => counts[name] === 0)

const writeSome = async (tx: Tx, changed: readonly { key: CellKey; tally: Tally }[]): Promise<void> => {
  const keys = inSizes(changed.map(({ key }) => key))
  const stored = (await together(tx, (ask) => Promise.all(keys.map((some) => ask(cellsAt(tx, some)))))).flat()
  const known = new Map(stored.map((row) => [nameOf(row), row]))
  const totals = changed.map(({ key, tally: change }) => {
    const before = known.get(nameOf(key))
    const total = before ? unpackCell(before.packed) : emptyTally()
    addCounts(total.counts, change.counts)
    const leads = sum(total.leads, change.leads)
    return { key, tally: { counts: total.counts, leads, recoveries: sum(total.recoveries, change.recoveries) } }
  })
  // How facts were batched must not be seen: where nothing is left there is no row, as there is none where nothing ever came to be.
  for (const { key } of totals.filter(({ tally: total }) => isNothing(total)))
    if (known.has(nameOf(key)))
      await tx
        .deleteFrom('learn_cells')
        .where('scope', '=', key.scope)
        .where('environment', '=', key.environment)
        .where('grain', '=', key.grain)
        .where('start', '=', key.start)
        .execute()
  const rows = totals.flatMap(({ key, tally: total }) => (isNothing(total) ? [] : [rowOfCell(key, total)]))
  await together(tx, (ask) => Promise.all(inSizes(rows).map((some) => ask(putCells(tx, some)))))
}

const cellsAt = (tx: Tx, keys: readonly CellKey[]): Compilable<CellRow> => {
  const text = statement(tx, `cells at ${keys.length}`, () => {
    const one = sql`(${null}, ${null}, ${null}, CAST(${null} AS bigint))`
    return sql`SELECT * FROM learn_cells WHERE (scope, environment, grain, start) IN (VALUES ${sql.join(keys.map(() => one))})`
  })
  const values = keys.flatMap(({ scope, environment, grain, start }) => [scope, environment, grain, start])
  return { compile: () => CompiledQuery.raw(text, values) }
}

const putCells = (tx: Tx, rows: readonly CellRow[]): Compilable<unknown> => {
  const text = statement(tx, `put cells ${rows.length}`, () => {
    const one = sql`(${null}, ${null}, ${null}, ${null}, ${null}, ${null})`
    return sql`INSERT INTO learn_cells (scope, environment, grain, start, deployments, packed)
      VALUES ${sql.join(rows.map(() => one))}
      ON CONFLICT (scope, environment, grain, start) DO UPDATE SET deployments = excluded.deployments, packed = excluded.packed`
  })
  const values = rows.flatMap((row) => [row.scope, row.environment, row.grain, row.start, row.deployments, row.packed])
  return { compile: () => CompiledQuery.raw(text, values) }
}

/** A cell as it is stored: the counts in their order, then the sketches. */
export const rowOfCell = (key: CellKey, { counts, leads, recoveries }: Tally): CellRow => {
  const bytes: number[] = []
  for (const name of countNames) putNumber(bytes, counts[name])
  putSketch(bytes, leads)
  putSketch(bytes, recoveries)
  return { ...key, deployments: counts.deployments, packed: Uint8Array.from(bytes) }
}

const unpackCell = (packed: Uint8Array): Tally => {
  const numbers = new Numbers(packed)
  const total = emptyTally()
  for (const name of countNames) total.counts[name] = numbers.next()
  numbers.addSketchToSketch(total.leads)
  numbers.addSketchToSketch(total.recoveries)
  return total
}

/** What many cells and deployments come to together, for reading. */
export type Total = { readonly counts: Counts; readonly leads: Histogram; readonly recoveries: Histogram }
export const newTotal = (): Total => ({ counts: { ...noCounts }, leads: newHistogram(), recoveries: newHistogram() })

export const emptyTotal = ({ counts, leads, recoveries }: Total): void => {
  Object.assign(counts, noCounts)
  emptyHistogram(leads)
  emptyHistogram(recoveries)
}

/** Adds a cell (1), or takes it away (-1) from a total that holds it as a part of another. */
export const addCell = (into: Total, packed: Uint8Array, times: 1 | -1): void => {
  const numbers = new Numbers(packed)
  for (const name of countNames) into.counts[name] += numbers.next() * times
  numbers.addSketchToHistogram(into.leads, times)
  numbers.addSketchToHistogram(into.recoveries, times)
}

/** The same of a deployment by itself. */
export const addRow = (into: Total, row: Counted & Pick<DeploymentRow, 'leads'>, times: 1 | -1): void => {
  addCounts(into.counts, countsOf(row), times)
  const recovery = recoveryOf(row)
  for (const lead of unpackLeads(row.leads)) addToHistogram(into.leads, lead, times)
  if (recovery !== null && recovery >= 0) addToHistogram(into.recoveries, recovery, times)
}

export const addTotal = (into: Total, { counts, leads, recoveries }: Total): void => {
  addCounts(into.counts, counts)
  addHistogram(into.leads, leads)
  addHistogram(into.recoveries, recoveries)
}

const sum = (into: Sketch, from: Sketch): Sketch => {
  for (const [bucket, count] of from) {
    const total = (into.get(bucket) ?? 0) + count
    if (total === 0) into.delete(bucket)
    else into.set(bucket, total)
  }
  return into
}
