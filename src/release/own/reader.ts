import type { Clock } from '../../clock.ts'
import type { OwnMetrics } from '../../deploy/judging.ts'
import type { Asked } from './pages.ts'
import type { Reading } from './readings.ts'

/** A page may be long, and making it costs the service something. */
const everyMs = 5_000

/**
 * Reads the team's own metrics of the rollouts that are judged, beside the judging: an instance that is slow to show them does not hold
 * up what its errors say.
 */
export const createReader = ({ clock, instances }: { clock: Clock; instances(): Promise<readonly Asked[]> }) => {
  const known = new Map<string, { askedAt: number; reading: Promise<void> | null; fresh: Reading | null }>()
  const closing = new AbortController()

  const read = async (own: OwnMetrics): Promise<Reading | null> => {
    const { readPages } = await import('./pages.ts')
    const pages = await readPages(await instances(), own, closing.signal)
    return pages.length === 0 ? null : { at: clock.now(), pages }
  }

  return {
    /** What was read since it was last taken; null while there is nothing new. */
    take: (rollout: string, own: OwnMetrics): Reading | null => {
      const one = known.get(rollout) ?? { askedAt: Number.NEGATIVE_INFINITY, reading: null, fresh: null }
      known.set(rollout, one)
      const { fresh } = one
      one.fresh = null
      if (one.reading === null && clock.monotonicMs() - one.askedAt >= everyMs) {
        one.askedAt = clock.monotonicMs()
        one.reading = read(own)
          .then((reading) => {
            one.fresh = reading
          })
          .catch(() => {}) // the agent does not answer now; it is asked again
          .finally(() => {
            one.reading = null
          })
      }
      return fresh
    },
    forget: (rollout: string): void => {
      known.delete(rollout)
    },
    /** Resolves when nothing is being read any more. */
    settled: async (): Promise<void> => {
      await Promise.all([...known.values()].map(({ reading }) => reading))
    },
    close: async (): Promise<void> => {
      closing.abort()
      await Promise.all([...known.values()].map(({ reading }) => reading))
    },
  }
}
export type Reader = ReturnType<typeof createReader>
