import type { Span } from './calendar.ts'
import { type Grain, grainMs } from './cells.ts'

/** A bucket that something is added to (1), or taken away from (-1). */
export type Use = { readonly bucket: number; readonly times: 1 | -1 }
export type PlannedRows = Span & { readonly uses: readonly Use[] }
/** What is read to fill buckets: cells by their beginning, and what is shorter than a cell deployment by deployment. */
export type Plan = {
  readonly cells: ReadonlyMap<Grain, ReadonlyMap<number, readonly Use[]>>
  /** Each within a day of UTC. Some may overlap. */
  readonly rows: readonly PlannedRows[]
}

/**
 * Which cells make up buckets: whole ones, and at the ends the next smaller; where a bucket takes more than half of a cell, the whole one
 * without what it has too much. The part of a day that two buckets share is read once, added to the one and taken away from the other.
 * `grains` from long to short.
 */
export const planOf = (buckets: readonly Span[], grains: readonly Grain[]): Plan => {
  const cells = new Map<Grain, Map<number, Use[]>>(grains.map((grain) => [grain, new Map()]))
  const rows = new Map<string, Span & { uses: Use[] }>()

  const cover = ({ from, until }: Span, [grain, ...finer]: readonly Grain[], uses: readonly Use[]): void => {
    if (from >= until) return
    if (grain === undefined) {
      coverByRows({ from, until }, uses)
      return
    }
    const sizeMs = grainMs[grain]
    const [first, last] = [Math.ceil(from / sizeMs) * sizeMs, Math.floor(until / sizeMs) * sizeMs]
    if (first > last) {
      coverWithin({ from, until }, grain, finer, uses)
      return
    }
    coverWithin({ from, until: first }, grain, finer, uses)
    for (let start = first; start < last; start += sizeMs) use(grain, start, uses)
    coverWithin({ from: last, until }, grain, finer, uses)
  }

  /** Of a span that is a part of one cell. */
  const coverWithin = ({ from, until }: Span, grain: Grain, finer: readonly Grain[], uses: readonly Use[]): void => {
    const sizeMs = grainMs[grain]
    if (until - from <= sizeMs / 2) {
      cover({ from, until }, finer, uses)
      return
    }
    const start = Math.floor(from / sizeMs) * sizeMs
    const without = uses.map(({ bucket, times }): Use => ({ bucket, times: times === 1 ? -1 : 1 }))
    use(grain, start, uses)
    cover({ from: start, until: from }, finer, without)
    cover({ from: until, until: start + sizeMs }, finer, without)
  }

  const use = (grain: Grain, start: number, uses: readonly Use[]): void => {
    const own = cells.get(grain)
    const known = own?.get(start)
    if (known) known.push(...uses)
    else own?.set(start, [...uses])
  }

  const coverByRows = ({ from, until }: Span, uses: readonly Use[]): void => {
    const name = `${from} ${until}`
    const known = rows.get(name)
    if (known) known.uses.push(...uses)
    else rows.set(name, { from, until, uses: [...uses] })
  }

  for (const [bucket, span] of buckets.entries()) cover(span, grains, [{ bucket, times: 1 }])
  return { cells, rows: [...rows.values()].sort((one, two) => one.from - two.from) }
}
