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
  const bucket = value < 1 ? 0 : 1 + Math.floor(Math.log(value) / growth)
  const count = (sketch.get(bucket) ?? 0) + times
  if (count === 0) sketch.delete(bucket)
  else sketch.set(bucket, count)
}

const sizeOf = (bucket: number): number => (bucket === 0 ? 0 : Math.exp((bucket - 0.5) * growth))

export const distributionOfSketch = (sketch: Sketch): Distribution => {
  const buckets = [...sketch].sort(([left], [right]) => left - right)
  const n = buckets.reduce((sum, [, count]) => sum + count, 0)
  const at = (rank: number): number | null => {
    let before = 0
    for (const [bucket, count] of buckets) {
      before += count
      if (rank < before) return sizeOf(bucket)
    }
    return null
  }
  const quantile = (share: number): number | null => {
    const { lower, upper, part } = placeOf(n, share)
    const below = at(lower)
    const above = at(upper)
    return below === null || above === null ? null : below + (above - below) * part
  }
  return { median: quantile(0.5), p90: quantile(0.9), n }
}

/** Buckets and counts as variable-length numbers, each bucket as its distance from the one before. */
export const packSketch = (sketch: Sketch): Uint8Array => {
  const bytes: number[] = []
  let before = 0
  for (const [bucket, count] of [...sketch].sort(([left], [right]) => left - right)) {
    putNumber(bytes, bucket - before)
    putNumber(bytes, count)
    before = bucket
  }
  return Uint8Array.from(bytes)
}

const putNumber = (bytes: number[], value: number): void => {
  let rest = value
  while (rest >= 128) {
    bytes.push((rest % 128) + 128)
    rest = Math.floor(rest / 128)
  }
  bytes.push(rest)
}

/** Adds what was packed to a sketch. */
export const mergePacked = (sketch: Sketch, bytes: Uint8Array): void => {
  let bucket = 0
  for (let at = 0; at < bytes.length; ) {
    let distance = 0
    let count = 0
    for (let scale = 1; at < bytes.length; scale *= 128) {
      const byte = bytes[at++] ?? 0
      distance += (byte & 127) * scale
      if (byte < 128) break
    }
    for (let scale = 1; at < bytes.length; scale *= 128) {
      const byte = bytes[at++] ?? 0
      count += (byte & 127) * scale
      if (byte < 128) break
    }
    bucket += distance
    sketch.set(bucket, (sketch.get(bucket) ?? 0) + count)
  }
}
