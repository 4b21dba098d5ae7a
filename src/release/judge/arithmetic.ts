/**
 * Logarithm and exponential made of IEEE 754 additions, multiplications and divisions alone, in an order that docs/judge.md writes
 * down: a verdict must come out the same to the last bit when it is recomputed in years, by another engine or in another language, and
 * `Math.log` and `Math.exp` may differ between them. Right to about two units in the last place.
 */
const ln2High = 0.6931471803691238
const ln2Low = 1.9082149292705877e-10
const perLn2 = Math.LOG2E
const rootOfHalf = Math.SQRT1_2

/** Powers of two from 2^-1022 to 2^1023, each exact. */
const powers = new Float64Array(2046)
powers[1022] = 1
for (let up = 1023; up < 2046; up += 1) powers[up] = (powers[up - 1] ?? 0) * 2
for (let down = 1021; down >= 0; down -= 1) powers[down] = (powers[down + 1] ?? 0) / 2

/** 1/3, 1/5 ... 1/23: the series of the area hyperbolic tangent, which has fallen below rounding there for |f| <= 0.1716. */
const oddParts = Float64Array.from([3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23], (odd) => 1 / odd)

/** ln((1 + f) / (1 - f)). */
const series = (f: number): number => {
  const z = f * f
  let rest = 0
  for (let at = oddParts.length - 1; at >= 0; at -= 1) rest = rest * z + (oddParts[at] ?? 0)
  const twice = 2 * f
  return twice + twice * (z * rest)
}

/** 1/0!, 1/1! ... 1/13!: Taylor's series of the exponential, below rounding there for |x| <= ln 2 / 2. */
const perFactorial = Float64Array.from({ length: 14 }, (_, term) => {
  let factorial = 1
  for (let factor = 2; factor <= term; factor += 1) factorial *= factor
  return 1 / factorial
})

const bits = new DataView(new ArrayBuffer(8))

/** The natural logarithm of a normal number above 0. */
export const ln = (x: number): number => {
  bits.setFloat64(0, x)
  const high = bits.getUint32(0)
  let exponent = (high >>> 20) - 1022
  bits.setUint32(0, (high & 0x000fffff) | 0x3fe00000)
  let fraction = bits.getFloat64(0) // from a half up to one
  if (fraction < rootOfHalf) {
    fraction = fraction * 2
    exponent = exponent - 1
  }
  return exponent * ln2High + (exponent * ln2Low + series((fraction - 1) / (fraction + 1)))
}

/** ln(1 + y) for y above -1, as exact for small ones. */
export const lnOnePlus = (y: number): number => (y > -0.25 && y < 0.25 ? series(y / (2 + y)) : ln(1 + y))

/** e to the x; 0 below -700, and no x above 700. */
export const exp = (x: number): number => {
  if (x < -700) return 0
  if (x > 700) throw new RangeError(`exp(${x}) is not to be computed: stay with logarithms`)
  const twos = Math.floor(x * perLn2 + 0.5)
  const rest = x - twos * ln2High - twos * ln2Low
  let sum = 0
  for (let term = 13; term >= 0; term -= 1) sum = sum * rest + (perFactorial[term] ?? 0)
  return sum * (powers[twos + 1022] ?? 0)
}

/** What lies so far (e^-40) beneath the largest part is below rounding in a sum, and is left out. */
const farBelow = -40

/** ln of the mean of e^v. */
export const lnMeanExp = (values: readonly number[]): number => {
  let largest = Number.NEGATIVE_INFINITY
  for (const value of values) if (value > largest) largest = value
  let sum = 0
  for (const value of values) if (value - largest >= farBelow) sum = sum + exp(value - largest)
  return largest + ln(sum / values.length)
}

/** ln of the sum of share * e^value; shares above 0. */
export const lnWeightedExp = (parts: readonly { readonly share: number; readonly value: number }[]): number => {
  let largest = Number.NEGATIVE_INFINITY
  for (const { value } of parts) if (value > largest) largest = value
  let sum = 0
  for (const { share, value } of parts) if (value - largest >= farBelow) sum = sum + share * exp(value - largest)
  return largest + ln(sum)
}
