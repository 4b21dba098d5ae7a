import { lnMeanExp } from '../../src/release/judge/arithmetic.ts'
import { costs, worse } from '../../src/release/judge/grid.ts'

/** Requests a second in all, the canary's share of them, and how many of a hundred fail on the old version and on the new one. */
export type Difference = {
  readonly total: number
  readonly share: number
  readonly before: number
  readonly after: number
}

/**
 * The second in which the evidence reaches 1/alpha when in each second exactly as many requests fail as do on average: for the mixture of
 * all ratios, and for a gambler who knows the true ratio and bets on it alone, whom no other division of the wager outruns. From section 1 of the
 * method: in a second of `n` errors of which `x` are the canary's each bet gains delta x - n ln(1 - rho + rho e^delta).
 */
export const expectedSeconds = (
  { total, share, before, after }: Difference,
  alpha: number,
): { readonly mixture: number; readonly oracle: number } => {
  const ofCanary = (total * share * after) / 100
  const errors = ofCanary + (total * (1 - share) * before) / 100
  const cost = costs(worse, share)
  const gains = worse.logs.map((log, place) => log * ofCanary - errors * (cost[place] ?? 0))
  const enough = Math.log(1 / alpha)
  const ratio = after / before
  const known = Math.log(ratio) * ofCanary - errors * Math.log(1 - share + share * ratio)
  let [early, late] = [0, 1e7]
  for (let round = 0; round < 100; round += 1) {
    const middle = (early + late) / 2
    if (lnMeanExp(gains.map((gain) => gain * middle)) < enough) early = middle
    else late = middle
  }
  return { mixture: late, oracle: enough / known }
}
