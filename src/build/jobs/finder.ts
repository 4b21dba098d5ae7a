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
  const steps = new Uint8Array(65_536).fill(span - 1)
  const endingIn = new Map<number, Buffer[]>()
  for (const sequence of sequences) {
    for (let at = 1; at < span; at += 1) {
      const block = blockAt(sequence, at)
      steps[block] = Math.min(steps[block] ?? 0, span - 1 - at)
    }
    const last = blockAt(sequence, span - 1)
    endingIn.set(last, [...(endingIn.get(last) ?? []), sequence])
  }
  return (bytes) => {
    for (let at = span - 1; at < bytes.length; ) {
      const block = blockAt(bytes, at)
      const step = steps[block] ?? 0
      if (step > 0) at += step
      else {
        for (const sequence of endingIn.get(block) ?? []) if (standsAt(bytes, at - span + 1, sequence)) return true
        at += 1
      }
    }
    return false
  }
}

const standsAt = (bytes: Buffer, begin: number, sequence: Buffer): boolean => {
  if (begin + sequence.length > bytes.length) return false
  for (let at = 0; at < sequence.length; at += 1) if (bytes[begin + at] !== sequence[at]) return false
  return true
}

const blockAt = (bytes: Buffer, at: number): number => ((bytes[at - 1] ?? 0) << 8) | (bytes[at] ?? 0)
