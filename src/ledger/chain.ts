import { hash } from 'node:crypto'
import type { NewFact } from './fact.ts'

/** What the chain covers of a fact. `commitment` is SHA-256 over salt and payload, so that a payload can be erased. */
export type Envelope = {
  readonly seq: number
  readonly at: number
  readonly type: string
  readonly version: number
  readonly subject: string
  readonly actor: string
  readonly causes: readonly number[]
  /** The hash of the link before, in hexadecimal. */
  readonly previous: string
  readonly commitment: string
}

/** One link as it is stored; `type` and `subject` repeat the envelope, for look-up only. Salt and payload are null once erased. */
export type Link = {
  readonly seq: number
  readonly envelope: Uint8Array
  readonly hash: Uint8Array
  readonly salt: Uint8Array | null
  readonly payload: Uint8Array | null
  readonly type: string
  readonly subject: string
}

/** Where the chain stands: what the next link follows. */
export type Tip = { readonly seq: number; readonly hash: string; readonly at: number }

/** What the first link follows. */
export const genesis: Tip = { seq: 0, hash: hash('sha256', 'headway ledger, format 1', 'hex'), at: 0 }

/** The hash of a link: SHA-256 over the hash before it (32 bytes) and the exact bytes of its envelope. */
export const linkHash = (previous: string, envelope: Uint8Array): string =>
  hash('sha256', Buffer.concat([Buffer.from(previous, 'hex'), envelope]), 'hex')

export const commitmentTo = (salt: Uint8Array, payload: Uint8Array): string =>
  hash('sha256', Buffer.concat([salt, payload]), 'hex')

/** The link that follows `tip`; its envelope is canonical JSON (RFC 8785: keys sorted, no white space). */
export const forge = (fact: NewFact, tip: Tip, at: number, salt: Uint8Array): Link & { readonly tip: Tip } => {
  const payload = Buffer.from(JSON.stringify(fact.payload))
  const seq = tip.seq + 1
  const { type, version, subject, actor, causes } = fact
  const commitment = commitmentTo(salt, payload)
  const sorted = { actor, at, causes, commitment, previous: tip.hash, seq, subject, type, version } satisfies Envelope
  const envelope = Buffer.from(JSON.stringify(sorted))
  const hashed = linkHash(tip.hash, envelope)
  return {
    seq,
    envelope,
    hash: Buffer.from(hashed, 'hex'),
    salt,
    payload,
    type,
    subject,
    tip: { seq, hash: hashed, at },
  }
}

/** The envelope that bytes hold, or null when they hold none. */
export const openEnvelope = (bytes: Uint8Array): Envelope | null => {
  try {
    const value: unknown = JSON.parse(text(bytes))
    return isEnvelope(value) ? value : null
  } catch {
    return null
  }
}

/** Checked by hand: a schema would take longer than the hashing when millions are verified. */
const isEnvelope = (value: unknown): value is Envelope =>
  typeof value === 'object' &&
  value !== null &&
  'seq' in value &&
  Number.isSafeInteger(value.seq) &&
  'at' in value &&
  Number.isSafeInteger(value.at) &&
  'version' in value &&
  Number.isSafeInteger(value.version) &&
  'type' in value &&
  typeof value.type === 'string' &&
  'subject' in value &&
  typeof value.subject === 'string' &&
  'actor' in value &&
  typeof value.actor === 'string' &&
  'previous' in value &&
  typeof value.previous === 'string' &&
  'commitment' in value &&
  typeof value.commitment === 'string' &&
  'causes' in value &&
  Array.isArray(value.causes) &&
  value.causes.every(Number.isSafeInteger)

/** Bytes as UTF-8 text, without copying them first. */
export const text = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')
