import type { LaneRow } from '../tables.ts'
import type { Changes } from './cells.ts'
import type { Tx } from './lane.ts'

/**
 * What is remembered while facts are applied in one transaction: what the cells gain, which is written once at the end of a batch, and
 * what is asked for with every fact and hardly ever changes. It goes with the transaction, so that what is rolled back is forgotten.
 */
export type Memory = {
  readonly cells: Changes
  /** By their number, and by `project/service environment`. */
  readonly lanes: Map<number | string, LaneRow>
  /** Attribution windows of projects in milliseconds. */
  readonly windows: Map<string, number>
}

const memories = new WeakMap<Tx, Memory>()

export const memoryOf = (tx: Tx): Memory => {
  const known = memories.get(tx) ?? { cells: new Map(), lanes: new Map(), windows: new Map() }
  memories.set(tx, known)
  return known
}
