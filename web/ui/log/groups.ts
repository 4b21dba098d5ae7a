import type { LogLine } from './lines.ts'

/** A fold: the line that begins it, and the one that ends it (the last line so far while it is open). */
export type Group = { readonly title: string; readonly until: number; readonly isEnded: boolean }

/**
 * What begins and ends groups, by the number of the line that begins each, read on as the lines come: a long log is not gone through again
 * for each few lines more. Groups do not lie within each other, as on GitHub.
 */
export class Groups {
  readonly all = new Map<number, Group>()
  /** The lines that only end a group, in order. */
  readonly ends: number[] = []
  #read = 0
  #open: { readonly at: number; readonly title: string } | null = null

  follow(lines: readonly LogLine[]): this {
    for (; this.#read < lines.length; this.#read += 1) {
      const at = this.#read
      const text = lines[at]?.text ?? ''
      if (!text.startsWith('##[') && !text.startsWith('::')) continue
      const begun = /^(?:##\[group\]|::group::)(.*)$/.exec(text)
      if (begun) {
        this.#close(at - 1, false)
        this.#open = { at, title: begun[1] ?? '' }
      } else if (/^(?:##\[endgroup\]|::endgroup::)/.test(text) && this.#open) {
        this.#close(at, true)
        this.ends.push(at)
        this.#open = null
      }
    }
    this.#close(lines.length - 1, false)
    return this
  }

  #close(until: number, isEnded: boolean): void {
    if (this.#open) this.all.set(this.#open.at, { title: this.#open.title, until, isEnded })
  }
}

/** Runs of lines that are not drawn, in order and apart from each other; both ends belong to them. */
export type Hidden = readonly { readonly from: number; readonly to: number }[]

/** What is folded away, and the lines that only end a group. */
export const hiddenLines = ({ all, ends }: Pick<Groups, 'all' | 'ends'>, folded: ReadonlySet<number>): Hidden => {
  const folds = [...folded]
    .map((at) => ({ from: at + 1, to: all.get(at)?.until ?? at }))
    .filter(({ from, to }) => to >= from)
    .toSorted((one, other) => one.from - other.from)
  const hidden: { from: number; to: number }[] = []
  let fold = 0
  for (const end of ends) {
    for (let next = folds[fold]; next && next.from <= end; next = folds[++fold]) hidden.push(next)
    if (end > (hidden.at(-1)?.to ?? -1)) hidden.push({ from: end, to: end })
  }
  return [...hidden, ...folds.slice(fold)]
}

/** The line that begins the fold in which a line is hidden; null where it is in none. */
export const foldOf = ({ all }: Pick<Groups, 'all'>, folded: ReadonlySet<number>, line: number): number | null =>
  [...folded].find((at) => at < line && line <= (all.get(at)?.until ?? at)) ?? null

/** Where the lines of a log stand when some are hidden: found by halving, whatever the length of the log. */
export const createPlaces = (total: number, hidden: Hidden) => {
  /** How many lines are hidden before each run. */
  const before: number[] = []
  let sum = 0
  for (const { from, to } of hidden) {
    before.push(sum)
    sum += to - from + 1
  }
  const runsWhere = (isBefore: (run: number) => boolean): number => {
    let [low, high] = [0, hidden.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (isBefore(middle)) low = middle + 1
      else high = middle
    }
    return low
  }
  const hiddenAfter = (runs: number): number => (runs === hidden.length ? sum : (before[runs] ?? 0))
  return {
    count: total - sum,
    /** The number of the line that is drawn at a place. */
    lineAt: (place: number): number =>
      place + hiddenAfter(runsWhere((run) => (hidden[run]?.from ?? 0) - (before[run] ?? 0) <= place)),
    /** Where a line is drawn; null where it is hidden. */
    placeOf: (line: number): number | null => {
      const runs = runsWhere((run) => (hidden[run]?.from ?? 0) <= line)
      const last = hidden[runs - 1]
      return last && line <= last.to ? null : line - hiddenAfter(runs)
    },
  }
}
