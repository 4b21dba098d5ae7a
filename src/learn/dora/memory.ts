import type { CommitRow, DeploymentRow, FailedHow, LaneRow } from '../tables.ts'
import type { Changes } from './cells.ts'
import type { Tx } from './lane.ts'
import type { Spine } from './spine.ts'

/** What is known to be asked for and not there, so that nobody has to ask. */
export class Absence {
  readonly #asked = new Set<string>()
  readonly #found = new Set<string>()

  /** These were looked for; what was found of them must be said, too. */
  asked(names: Iterable<string>): void {
    for (const name of names) this.#asked.add(name)
  }
  /** It is there, or has come to be. */
  found(name: string): void {
    this.#found.add(name)
  }
  isAbsent(name: string): boolean {
    return this.#asked.has(name) && !this.#found.has(name)
  }
  forget(): void {
    this.#asked.clear()
    this.#found.clear()
  }
}

export type Around = {
  readonly first: number
  readonly last: number
  readonly incidents: readonly { readonly incident: string; readonly began_at: number }[]
}

/** A deployment as it is in this transaction, written at the end of a batch or when somebody has to ask the tables. */
export type Entry = {
  row: DeploymentRow
  /** `same`: as it is in its table. */
  state: 'new' | 'changed' | 'same'
  /** All commits that it brought; null: to be asked for. */
  commits: CommitRow[] | null
  /** Who it mends; null: to be asked for. */
  blames: readonly { readonly blamed: number; readonly how: FailedHow }[] | null
  /** Whether others may mend it, and incidents may be put down to it. */
  mayBeBlamed: boolean
  mayHaveIncidents: boolean
}

/**
 * What is remembered while facts are applied in one transaction: deployments and commits that are to be written, what the cells gain, which
 * is written once at the end of a batch, and what is asked for with every fact and hardly ever changes. It goes with the transaction, so
 * that what is rolled back is forgotten.
 */
export type Memory = {
  readonly cells: Changes
  /** By their number, and by `project/service environment`. */
  readonly lanes: Map<number | string, LaneRow>
  /** Attribution windows of projects in milliseconds. */
  readonly windows: Map<string, number>
  readonly deployments: Map<number, Entry>
  /** Those of them that are not as their table has them. */
  readonly unwritten: Set<number>
  /** Which deployment was the first of this batch to be told of with a revision, by `lane revision`. */
  readonly revisions: Map<string, number>
  /** Numbers of deployments by their key; null: there is none. */
  readonly keys: Map<string, number | null>
  readonly spines: Map<number, Spine>
  /** Incidents of lanes that deployments between two moments may have caused or mended, oldest first. */
  readonly incidents: Map<number, Around>
  /** Commits that are not in their table yet. */
  readonly commits: CommitRow[]
  readonly absent: {
    /** `lane commit`. */
    readonly commits: Absence
    /** `lane revision`. */
    readonly revisions: Absence
    /** `repository commit` of commits that changes were squashed to. */
    readonly squashes: Absence
    /** `project commit` of what changes were merged as. */
    readonly changes: Absence
    /** Keys of deployments that incidents name. */
    readonly named: Absence
    /** Keys of deployments of which something was told before they were known. */
    readonly early: Absence
  }
}

const memories = new WeakMap<Tx, Memory>()

export const memoryOf = (tx: Tx): Memory => {
  const known = memories.get(tx) ?? newMemory()
  memories.set(tx, known)
  return known
}

const newMemory = (): Memory => ({
  ...{ cells: new Map(), lanes: new Map(), windows: new Map(), deployments: new Map(), keys: new Map() },
  ...{ spines: new Map(), incidents: new Map(), commits: [], unwritten: new Set(), revisions: new Map() },
  absent: {
    ...{ commits: new Absence(), revisions: new Absence(), squashes: new Absence(), changes: new Absence() },
    ...{ named: new Absence(), early: new Absence() },
  },
})
