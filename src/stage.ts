import type { FactDefinition } from './ledger/fact.ts'
import type { View } from './ledger/ledger.ts'

/**
 * The face that every stage shows to `server.ts`: what it records, what it derives, and how it is started and stopped.
 * `start` picks up every piece of unfinished work that the ledger knows of before it resolves to new ones; `stop` leaves
 * nothing running that `start` would not pick up again.
 */
export type Stage = {
  readonly name: string
  readonly facts: readonly FactDefinition[]
  readonly views: readonly View[]
  start(): Promise<void>
  stop(): Promise<void>
}
