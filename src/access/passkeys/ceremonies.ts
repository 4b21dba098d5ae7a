import { randomBytes } from 'node:crypto'
import type { Clock } from '../../clock.ts'
import type { Party } from './party.ts'

/** So long may a user take to answer his device. */
export const patienceMs = 5 * 60_000
const most = 10_000

export type Ceremony = { readonly challenge: string; readonly party: Party }

export type Ceremonies = {
  /** A new challenge for whoever has this key (a session, a cookie); an older one of his counts no more. */
  begin(key: string, party: Party): Ceremony
  /** The challenge that this key was given, at this party and within five minutes. It is gone with the asking. */
  take(key: string, party: Party): Ceremony | null
}

/** Challenges that wait for an answer. Only in memory: whoever restarts the server asks browsers to try again. */
export const createCeremonies = (clock: Pick<Clock, 'monotonicMs'>): Ceremonies => {
  const waiting = new Map<string, Ceremony & { readonly untilMs: number }>()
  return {
    begin: (key, party) => {
      const ceremony = { challenge: randomBytes(32).toString('base64url'), party }
      waiting.delete(key) // the newest last, so that the oldest is forgotten first
      waiting.set(key, { ...ceremony, untilMs: clock.monotonicMs() + patienceMs })
      const oldest = waiting.keys().next().value
      if (waiting.size > most && oldest !== undefined) waiting.delete(oldest)
      return ceremony
    },
    take: (key, { origin }) => {
      const found = waiting.get(key)
      waiting.delete(key)
      return found && clock.monotonicMs() < found.untilMs && found.party.origin === origin ? found : null
    },
  }
}
