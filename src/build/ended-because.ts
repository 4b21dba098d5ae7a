/** Why something is to end: the reason of the signal that ends it. */
export class EndedBecause extends Error {}

/** A signal's reason where people are to read it, for what is ended with it; else none, so that its signal has the usual one. */
export const endedBecause = (why: string | null): EndedBecause | undefined =>
  why === null ? undefined : new EndedBecause(why)

/** `token:alice/ci` is Alice too. */
export const personOf = (actor: string): string => actor.replace(/^[a-z]+:/, '').replace(/\/.*$/, '')

/** Null where Headway itself wanted it. */
export const cancelledBy = (actor: string): string | null =>
  actor.startsWith('system:') ? null : `${personOf(actor)} cancelled it`
