import type { Clock } from '../clock.ts'

const allowedFailures = 20
const windowMs = 60_000
const rememberedAddresses = 10_000

export type Throttle = {
  /** Counts a bad token from this address; says for how long (ms) it is refused without a look, or null when it is not. */
  failed(address: string): number | null
}

/**
 * Slows down those who guess tokens. Only bad tokens are counted and refused: somebody with a good one behind the same address is not
 * shut out by a guesser.
 */
export const createThrottle = (clock: Clock): Throttle => {
  const failures = new Map<string, { count: number; readonly untilMs: number }>()
  return {
    failed: (address) => {
      const key = networkOf(address)
      const now = clock.monotonicMs()
      const known = failures.get(key)
      const current = known && now < known.untilMs ? known : { count: 0, untilMs: now + windowMs }
      current.count += 1
      failures.delete(key) // the newest last, so that the oldest is forgotten first
      failures.set(key, current)
      const oldest = failures.keys().next().value
      if (failures.size > rememberedAddresses && oldest !== undefined) failures.delete(oldest)
      return current.count > allowedFailures ? current.untilMs - now : null
    },
  }
}

/** One host has a whole /64 of IPv6 addresses to itself. */
const networkOf = (address: string): string =>
  address.includes(':') && !address.startsWith('::ffff:') ? address.split(':').slice(0, 4).join(':') : address
