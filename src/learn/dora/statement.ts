import type { RawBuilder } from 'kysely'
import type { Tx } from './lane.ts'

/** By the kind of store: each writes its parameters in its own way. */
const compiled = new WeakMap<object, Map<string, string>>()

/** The text of a statement of this name, which is built and compiled once: for many of them that takes longer than to run them. */
export const statement = (tx: Tx, name: string, build: () => RawBuilder<unknown>): string => {
  const kind = tx.getExecutor().adapter.constructor
  const kept = compiled.get(kind) ?? new Map<string, string>()
  compiled.set(kind, kept)
  const text = kept.get(name) ?? build().compile(tx).sql
  kept.set(name, text)
  return text
}
