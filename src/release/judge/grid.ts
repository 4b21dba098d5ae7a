import { exp, ln, lnMeanExp, lnOnePlus } from './arithmetic.ts'

/** Ratios (of the canary's rate to what is tolerated) that a process bets on, and their logarithms. Each has the same prior weight. */
export type Grid = { readonly logs: readonly number[]; readonly ratios: readonly number[] }

const gridOf = (logs: readonly number[]): Grid => ({ logs, ratios: logs.map(exp) })
const [lowest, highest] = [ln(1.25), ln(100)]

/** The rollback's: worse by a quarter up to a hundredfold. One side only, or releases that are better would be rolled back, too. */
export const worse: Grid = gridOf(Array.from({ length: 40 }, (_, place) => lowest + (place * (highest - lowest)) / 39))

/** The promotion's: in steps of e^0.1 from a twentieth to twenty times, 1 in the middle. */
export const around: Grid = gridOf(Array.from({ length: 61 }, (_, place) => (place - 30) / 10))
const middle = 30

/** The side of `around` below 1, for showing that a rate is below a bound. */
export const better: Grid = { logs: around.logs.slice(0, middle), ratios: around.ratios.slice(0, middle) }

/** What one event of n costs each bet when this share of the exposure is the canary's: ln(1 - share + share * ratio). */
export const costs = ({ ratios }: Grid, share: number): readonly number[] =>
  ratios.map((ratio) => lnOnePlus(share * (ratio - 1)))

/** Each bet's log-likelihood ratio against equal rates, when of `total` further events `canary` are the canary's. */
export const bet = (
  { logs }: Grid,
  before: readonly number[],
  cost: readonly number[],
  { canary, total }: { readonly canary: number; readonly total: number },
): readonly number[] => {
  const after: number[] = []
  for (let place = 0; place < before.length; place += 1)
    after.push((before[place] ?? 0) + ((logs[place] ?? 0) * canary - total * (cost[place] ?? 0)))
  return after
}

export const noBets = ({ logs }: Grid): readonly number[] => logs.map(() => 0)

/**
 * ln E against "each of `total` is an event with at most (grid `worse`) or at least (grid `better`) this chance": the same bets, with
 * the bound in the place of the canary's share.
 */
export const lnEvidenceAgainst = (bound: number, grid: Grid, events: number, total: number): number =>
  lnMeanExp(bet(grid, noBets(grid), costs(grid, bound), { canary: events, total }))

/**
 * The confidence set of the ratio, valid at every look: what lies between the nearest ratios left and right of it that are
 * excluded; the ends are 0 and null (no bound) where the grid ends. As the likelihood is concave in the log ratio the set is an interval.
 */
export const ratioWithin = (bets: readonly number[], alpha: number): { from: number; until: number | null } => {
  const lnE = lnMeanExp(bets)
  const isExcluded = (value: number): boolean => lnE - value >= ln(1 / alpha)
  const first = bets.findIndex((value) => !isExcluded(value))
  const last = bets.findLastIndex((value) => !isExcluded(value))
  return { from: around.ratios[first - 1] ?? 0, until: around.ratios[last + 1] ?? null }
}

/** Whether a ratio of 1 and all above it are excluded. */
export const isBelowOne = ({ until }: { readonly until: number | null }): boolean => until !== null && until <= 1
