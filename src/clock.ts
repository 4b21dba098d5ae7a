import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'

/** Time as it is passed in: tests turn it by hand. */
export type Clock = {
  /** Milliseconds since 1970-01-01T00:00Z; may step backwards when somebody sets the machine's clock. */
  now(): number
  /** Milliseconds on a clock that never steps; for durations and deadlines. */
  monotonicMs(): number
  /** Resolves after `ms`, or rejects with an AbortError as soon as the signal aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) => delay(ms, undefined, signal ? { signal } : {}),
}

/** Makes identifiers; passed in, so that a replay makes the same ones. */
export type Ids = (prefix: string) => string

const crockford = '0123456789abcdefghjkmnpqrstvwxyz'
const base32 = (bytes: Uint8Array): string => Array.from(bytes, (byte) => crockford[byte & 31]).join('')

/** Sortable by creation time, unguessable enough not to collide: `run-` + 9 characters of time + 8 random ones. */
export const systemIds =
  (clock: Clock): Ids =>
  (prefix) => {
    let time = ''
    for (let rest = clock.now(), place = 0; place < 9; place += 1) {
      time = (crockford[rest % 32] ?? '') + time
      rest = Math.floor(rest / 32)
    }
    return `${prefix}-${time}${base32(randomBytes(8))}`
  }
