import type { Clock } from '../../clock.ts'

const windowMs = 15 * 60_000
const allowed = { address: 20, user: 30 } as const
const remembered = 10_000

export type Attempts = {
  /** For how long (ms) nobody may try from there, or as this user; null: one may. */
  waitMs(address: string, user: string | null): number | null
  failed(address: string, user: string | null): void
}

/**
 * Slows down those who guess: 20 failures from an address and 30 for a user in a quarter of an hour. What is refused is not looked at,
 * as a password that is guessed at the 21st try would be let in otherwise. Links and tokens are not guessed, so a user whose password
 * somebody else keeps guessing still has a way in.
 */
export const createAttempts = (clock: Clock): Attempts => {
  const failures = new Map<string, { count: number; readonly untilMs: number }>()
  const keysOf = (address: string, user: string | null) => [
    { key: `address ${networkOf(address)}`, most: allowed.address },
    ...(user === null ? [] : [{ key: `user ${user}`, most: allowed.user }]),
  ]
  return {
    waitMs: (address, user) => {
      const now = clock.monotonicMs()
      const waits = keysOf(address, user).map(({ key, most }) => {
        const known = failures.get(key)
        return known && now < known.untilMs && known.count >= most ? known.untilMs - now : 0
      })
      return Math.max(...waits) || null
    },
    failed: (address, user) => {
      const now = clock.monotonicMs()
      for (const { key } of keysOf(address, user)) {
        const known = failures.get(key)
        const current = known && now < known.untilMs ? known : { count: 0, untilMs: now + windowMs }
        current.count += 1
        failures.delete(key) // the newest last, so that the oldest is forgotten first
        failures.set(key, current)
        const oldest = failures.keys().next().value
        if (failures.size > remembered && oldest !== undefined) failures.delete(oldest)
      }
    },
  }
}

/** One host has a whole /64 of IPv6 addresses to itself. */
const networkOf = (address: string): string =>
  address.includes(':') && !address.startsWith('::ffff:') ? address.split(':').slice(0, 4).join(':') : address
