import { type Distribution, placeOf } from './quantile.ts'

/**
 * How many values of about each size there are: buckets whose bounds grow by 1 %, after DDSketch (Masson, Rim and Lee, VLDB 2019).
 * What is read from it is within 0.5 % of the exact value. Values leave it again as they came, so that corrections are exact, and its
 * size is bounded by how far values lie apart, not by how many there are.
 */
export type Sketch = Map<number, number>

export const relativeError = 0.005
const growth = Math.log(1.01)

/** Adds `times` values of this size; fewer than 0 takes them away. In milliseconds, not negative. */
export const tally = (sketch: Sketch, value: number, times = 1): void => {
  const bucket = bucketOf(value)
  const count = (sketch.get(bucket) ?? 0) + times
  if (count === 0) sketch.delete(bucket)
  else sketch.set(bucket, count)
}

const bucketOf = (value: number): number => (value < 1 ? 0 : 1 + Math.floor(Math.log(value) / growth))
const sizeOf = (bucket: number): number => (bucket === 0 ? 0 : Math.exp((bucket - 0.5) * growth))

/**
 * The same, added up for reading: a place for each bucket, which is many times faster to add to; only `low` to `high` are in use. There are
 * `n` values in it. It takes 11 KB, and is emptied and used again, as a question may be about a thousand spans.
 */
export type Histogram = { readonly counts: Uint32Array; low: number; high: number; n: number }
/** Beyond forty years all values are taken for the same. */
const mostBuckets = 2_800
export const newHistogram = (): Histogram => ({
  ...{ counts: new Uint32Array(mostBuckets), low: mostBuckets, high: -1, n: 0 },
})

export const emptyHistogram = (one: Histogram): void => {
  one.counts.fill(0, one.low, one.high + 1)
  one.low = mostBuckets
  one.high = -1
  one.n = 0
}

const addAt = (into: Histogram, bucket: number, times: number): void => {
  const place = bucket < mostBuckets ? bucket : mostBuckets - 1
  // Whole numbers of 32 bits: what is taken away before it was added is right in the end all the same.
  into.counts[place] = (into.counts[place] ?? 0) + times
  if (place < into.low) into.low = place
  if (place > into.high) into.high = place
  into.n += times
}

export const addToHistogram = (into: Histogram, value: number, times = 1): void => addAt(into, bucketOf(value), times)

export const addHistogram = (into: Histogram, from: Histogram): void => {
  for (let bucket = from.low; bucket <= from.high; bucket += 1) {
    const times = from.counts[bucket] ?? 0
    if (times !== 0) addAt(into, bucket, times)
  }
}

export const distributionOfHistogram = ({ counts, low, high: last, n }: Histogram): Distribution => {
  if (n === 0) return { median: null, p90: null, n }
  const [middle, high] = [placeOf(n, 0.5), placeOf(n, 0.9)]
  const wanted = [middle.lower, middle.upper, high.lower, high.upper].sort((left, right) => left - right)
  const values = new Map<number, number>()
  let before = 0
  let next = 0
  for (let bucket = low; next < wanted.length && bucket <= last; bucket += 1) {
    before += counts[bucket] ?? 0
    for (let rank = wanted[next]; rank !== undefined && rank < before; rank = wanted[next]) {
      values.set(rank, sizeOf(bucket))
      next += 1
    }
  }
  const between = ({ lower, upper, part }: ReturnType<typeof placeOf>): number => {
    const below = values.get(lower) ?? 0
    return below + ((values.get(upper) ?? below) - below) * part
  }
  return { median: between(middle), p90: between(high), n }
}

/** Whole numbers, small ones in few bytes, one after another. */
export const putNumber = (bytes: number[], value: number): void => {
  let rest = value
  while (rest >= 128) {
    bytes.push((rest % 128) + 128)
    rest = Math.floor(rest / 128)
  }
  bytes.push(rest)
}

/** How many buckets there are, then each with its distance from the one before, and its count. */
export const putSketch = (bytes: number[], sketch: Sketch): void => {
  let before = 0
  putNumber(bytes, sketch.size)
  for (const [bucket, count] of [...sketch].sort(([left], [right]) => left - right)) {
    putNumber(bytes, bucket - before)
    putNumber(bytes, count)
    before = bucket
  }
}

/** Reads back what was put, in the same order. */
export class Numbers {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  next(): number {
    let value = 0
    for (let scale = 1; this.#at < this.#bytes.length; scale *= 128) {
      const byte = this.#bytes[this.#at++] ?? 0
      value += (byte & 127) * scale
      if (byte < 128) break
    }
    return value
  }

  /** A long question reads hundreds of thousands of pairs, most of them of a byte each. */
  addSketchToHistogram(into: Histogram, times: 1 | -1): void {
    const bytes = this.#bytes
    let bucket = 0
    for (let left = this.next(); left > 0; left -= 1) {
      const distance = bytes[this.#at] ?? 0
      bucket += distance < 128 ? distance : this.next()
      if (distance < 128) this.#at += 1
      const count = bytes[this.#at] ?? 0
      addAt(into, bucket, count < 128 ? count * times : this.next() * times)
      if (count < 128) this.#at += 1
    }
  }

  addSketchToSketch(sketch: Sketch): void {
    let bucket = 0
    for (let left = this.next(); left > 0; left -= 1) {
      bucket += this.next()
      sketch.set(bucket, (sketch.get(bucket) ?? 0) + this.next())
    }
  }
}
