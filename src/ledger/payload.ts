import { Problem } from '../problem.ts'
import { type Link, openEnvelope, text } from './chain.ts'
import type { FactDefinition, NewFact, RecordedFact } from './fact.ts'

export type Known = ReadonlyMap<string, FactDefinition>

/** A fact as its definition wants it; throws when nobody defined it or its payload breaks the schema, which is a bug of the caller. */
export const parseNew = (known: Known, candidate: NewFact): NewFact => {
  const { type, version, subject, causes } = candidate
  const definition = known.get(type)
  if (definition?.version !== version) throw new Error(`no fact is called ${type} in version ${version}`)
  if (!causes.every((cause) => Number.isSafeInteger(cause) && cause > 0))
    throw new Error(`a ${type} about ${subject} has causes that are no sequence numbers: ${causes}`)
  const payload = definition.payload.safeParse(candidate.payload)
  if (!payload.success)
    throw new Error(`a ${type} about ${subject} is not as its schema says: ${payload.error.message}`, {
      cause: payload.error,
    })
  if (payload.data === null || payload.data === undefined)
    throw new Error(`a ${type} about ${subject} has no payload; null is what an erased one reads as`)
  return { ...candidate, payload: payload.data }
}

/** A stored fact as readers see it: its payload lifted, version by version, to the newest that is known. */
export const lift = (
  known: Known,
  { seq, envelope, payload }: Pick<Link, 'seq' | 'envelope' | 'payload'>,
): RecordedFact => {
  const opened = openEnvelope(envelope)
  if (!opened) throw unreadable(seq)
  const { at, type, subject, actor, causes } = opened
  const stored = payload === null ? null : parseStored(seq, payload)
  const upcasts = known.get(type)?.upcasts ?? {}
  let version = opened.version
  let current = stored
  for (let upcast = upcasts[version]; current !== null && upcast; upcast = upcasts[version]) {
    current = upcast(current)
    version += 1
  }
  return { seq, at, type, version, subject, actor, causes, payload: current }
}

const parseStored = (seq: number, payload: Uint8Array): unknown => {
  try {
    return JSON.parse(text(payload))
  } catch (error) {
    throw unreadable(seq, error)
  }
}

const unreadable = (seq: number, cause?: unknown): Problem =>
  new Problem(
    {
      kind: 'ledger-broken',
      status: 500,
      detail: `fact ${seq} of the ledger cannot be read; it was altered after it was recorded`,
      next: '`headway ledger verify` says what was altered; `headway restore <backup>` brings back a whole ledger',
    },
    { cause },
  )
