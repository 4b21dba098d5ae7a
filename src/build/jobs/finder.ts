/** Steps over more than this are not worth larger tables. */
const longestSpan = 64

/**
 * Tells whether any of several byte sequences stands in others, without looking at most of these: Wu and Manber, "A Fast Algorithm for
 * Multi-Pattern Searching" (1994), with blocks of two bytes. With a sequence of one byte it always says that one may.
 */
export const createFinder = (sequences: readonly Buffer[]): ((bytes: Buffer) => boolean) => {
  if (sequences.length === 0) return () => false
  const span = Math.min(longestSpan, ...sequences.map(({ length }) => length))
  if (span < 2) return () => true
  // How far one may step on from where a block ends: 0 where some sequence may have begun `span` bytes before.
  const steps = new Uint8Array(blocks).fill(span - 1)
  const endingIn = new Map<number, Buffer[]>()
  for (const sequence of sequences) {
    for (let at = 1; at < span; at += 1) {
      const block = blockAt(sequence, at)
      steps[block] = Math.min(steps[block] ?? 0, span - 1 - at)
    }
    const last = blockAt(sequence, span - 1)
    endingIn.set(last, [...(endingIn.get(last) ?? []), sequence])
  }
  const oneEndsAt = (bytes: Buffer, at: number): boolean =>
    (endingIn.get(blockAt(bytes, at)) ?? []).some((sequence) => standsAt(bytes, at - span + 1, sequence))
  const oneEndsIn = (bytes: Buffer, from: number, to: number): boolean => {
    for (let at = from; at < to; ) {
      const step = steps[blockAt(bytes, at)] ?? 0
      if (step === 0 && oneEndsAt(bytes, at)) return true
      at += step || 1
    }
    return false
  }
  return (bytes) => {
    const quarter = Math.floor(Math.max(0, bytes.length - span + 1) / 4)
    let one = span - 1
    let two = one + quarter
    let three = two + quarter
    let four = three + quarter
    const [endOfOne, endOfTwo, endOfThree, end] = [two, three, four, bytes.length]
    // A step has to wait for what it reads; steps of four quarters at a time do not wait for each other.
    while (one < endOfOne && two < endOfTwo && three < endOfThree && four < end) {
      const ofOne = steps[blockAt(bytes, one)] ?? 0
      const ofTwo = steps[blockAt(bytes, two)] ?? 0
      const ofThree = steps[blockAt(bytes, three)] ?? 0
      const ofFour = steps[blockAt(bytes, four)] ?? 0
      if (ofOne === 0 && oneEndsAt(bytes, one)) return true
      if (ofTwo === 0 && oneEndsAt(bytes, two)) return true
      if (ofThree === 0 && oneEndsAt(bytes, three)) return true
      if (ofFour === 0 && oneEndsAt(bytes, four)) return true
      one += ofOne || 1
      two += ofTwo || 1
      three += ofThree || 1
      four += ofFour || 1
    }
    return (
      oneEndsIn(bytes, one, endOfOne) ||
      oneEndsIn(bytes, two, endOfTwo) ||
      oneEndsIn(bytes, three, endOfThree) ||
      oneEndsIn(bytes, four, end)
    )
  }
}

const standsAt = (bytes: Buffer, begin: number, sequence: Buffer): boolean => {
  if (begin + sequence.length > bytes.length) return false
  for (let at = 0; at < sequence.length; at += 1) if (bytes[begin + at] !== sequence[at]) return false
  return true
}

/** Every pair of ASCII characters has a number of its own; more would not fit into the nearest cache. */
const blocks = 2 ** 14
const blockAt = (bytes: Buffer, at: number): number => (((bytes[at - 1] ?? 0) << 7) ^ (bytes[at] ?? 0)) & (blocks - 1)
