import type { z } from 'zod'

/** Who did something: `user:alice`, `token:ci`, `system:deploy`, `agent:local`. Never a secret. */
export type Actor = string

/** A kind of fact: its name in the past tense, its current version, and the schema that every payload passes on the way in. */
export type FactDefinition<Type extends string = string, Payload = unknown> = {
  readonly type: Type
  readonly version: number
  readonly payload: z.ZodType<Payload>
  /** Lifts a payload of an older version, as stored, one version up; keyed by the version it lifts from. */
  readonly upcasts: Readonly<Record<number, (old: unknown) => unknown>>
}

/** A fact that is about to be recorded. `causes` are sequence numbers of the facts that led to it. */
export type NewFact<Type extends string = string, Payload = unknown> = {
  readonly type: Type
  readonly version: number
  readonly subject: string
  readonly actor: Actor
  readonly causes: readonly number[]
  readonly payload: Payload
}

/** A fact as it stands in the ledger. `at` is in milliseconds since 1970; `payload` is null once it was erased. */
export type RecordedFact<Type extends string = string, Payload = unknown> = {
  readonly seq: number
  readonly at: number
  readonly type: Type
  readonly version: number
  readonly subject: string
  readonly actor: Actor
  readonly causes: readonly number[]
  readonly payload: Payload
}

export const defineFact = <const Type extends string, Payload>(
  type: Type,
  version: number,
  payload: z.ZodType<Payload>,
  upcasts: FactDefinition['upcasts'] = {},
): FactDefinition<Type, Payload> => ({ type, version, payload, upcasts })

/** A new fact of a kind: `fact(runStarted, { subject, actor, causes, payload })`. */
export const fact = <Type extends string, Payload>(
  definition: FactDefinition<Type, Payload>,
  about: { subject: string; actor: Actor; causes?: readonly number[]; payload: NoInfer<Payload> },
): NewFact<Type, Payload> => ({
  type: definition.type,
  version: definition.version,
  subject: about.subject,
  actor: about.actor,
  causes: about.causes ?? [],
  payload: about.payload,
})

/** Whether a recorded fact is of this kind; narrows its payload. An erased fact is of no kind. */
export const isFact = <Type extends string, Payload>(
  definition: FactDefinition<Type, Payload>,
  candidate: RecordedFact,
): candidate is RecordedFact<Type, Payload> => candidate.type === definition.type && candidate.payload !== null

/** The recorded form of a set of definitions, as a union to switch over. */
export type FactOf<Definition> =
  Definition extends FactDefinition<infer Type, infer Payload> ? RecordedFact<Type, Payload> : never
