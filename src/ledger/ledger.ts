import type { Kysely, Transaction } from 'kysely'
import type { Digest } from '../names.ts'
import type { Actor, NewFact, RecordedFact } from './fact.ts'

/** What the stages need from the ledger. Append-only, hash-chained; one append is one durable transaction. */
export type Ledger = {
  /**
   * Records all the facts or none, in order, and resolves when they are durable. Payloads pass their schemas first (an unknown
   * type or a bad payload is a bug of the caller and throws). With `expect`, nothing is recorded unless the newest fact about
   * that subject still has this sequence number (0: none yet); a mismatch resolves to `{ kind: 'outdated' }`.
   */
  append(facts: readonly NewFact[], options?: { expect?: { subject: string; seq: number } }): Promise<AppendOutcome>
  /** Facts after a sequence number, oldest first, lifted to their current versions. */
  read(query: ReadQuery): Promise<RecordedFact[]>
  /** The newest sequence number and the chain's hash at it; 0 and the genesis hash when empty. */
  head(): Promise<{ seq: number; hash: string }>
  /**
   * Calls back after each append with the newest sequence number; with `types` only after those that recorded a fact of one of them, as
   * who is called for nothing looks for nothing, thousands of times. Returns the way to stop. Never throws into the appender.
   */
  onAppend(listener: (seq: number) => void, types?: readonly string[]): () => void
  /** Forgets a payload for good; the envelope and the chain stay, and the erasure is itself a fact. */
  erase(seq: number, why: string, actor: Actor): Promise<void>
}

export type AppendOutcome =
  | { readonly kind: 'appended'; readonly facts: RecordedFact[] }
  | { readonly kind: 'outdated' }

export type ReadQuery = {
  readonly after?: number
  readonly limit?: number
  readonly types?: readonly string[]
  /** About this, or about any of these (some hundreds at most). */
  readonly subject?: string | readonly string[]
  /** Newest first instead; `after` then means before. */
  readonly newestFirst?: boolean
}

/**
 * Something derived from the ledger in tables of its own. Each view has a cursor that moves in the same transaction as what
 * it derived, so a crash neither loses nor doubles a fact. Raising `version` drops the tables and rebuilds them.
 * `Tables` types the Kysely handle; table names start with the stage's name (`build_runs`).
 */
// biome-ignore lint/suspicious/noExplicitAny: a view is kept beside views of other tables; each sees only its own
export type View<Tables = any> = {
  readonly name: string
  readonly version: number
  create(db: Kysely<Tables>): Promise<void>
  drop(db: Kysely<Tables>): Promise<void>
  /** Applies one fact; must do nothing for kinds that it does not know. Only database work on `tx`, no other effect. */
  apply(tx: Transaction<Tables>, fact: RecordedFact): Promise<void>
  /** Told which facts will be applied next, in this transaction, so that what they ask for can be read at once. */
  prepare?(tx: Transaction<Tables>, facts: readonly RecordedFact[]): Promise<void>
  /** Writes what `apply` has put off to the end of a batch of facts; in the same transaction, before anybody can read. */
  finish?(tx: Transaction<Tables>): Promise<void>
}

/** Keeps views up to date behind the ledger. */
export type Views = {
  /** Resolves when every view has applied all facts up to `seq` (default: the newest at the time of the call). */
  reach(seq?: number): Promise<void>
  /** Drops and rebuilds every view from the ledger; reports how many facts were applied so far. */
  rebuild(progress?: (applied: number, total: number) => void): Promise<void>
  /** A digest over all rows of all views, equal when and only when they hold the same; a rebuild must not change it. */
  digest(): Promise<Digest>
  stop(): Promise<void>
}
