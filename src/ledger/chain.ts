import { createHash } from 'node:crypto'
import type { NewFact } from './fact.ts'

/** One link as it is stored. The hash covers the exact bytes of the envelope, which hold a salted commitment to the payload. */
export type Link = {
  readonly seq: number
  readonly at: number
  readonly type: string
  readonly subject: string
  readonly envelope: Buffer
  readonly hash: Buffer
  readonly salt: Buffer
  readonly payload: Buffer
}

/** What the first link follows. */
export const genesis = createHash('sha256').update('headway ledger, format 1').digest()

export const sha256 = (...parts: readonly (Uint8Array | string)[]): Buffer => {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest()
}

/** The link that follows `previous`. */
export const link = (fact: NewFact, previous: { seq: number; hash: Buffer }, at: number, salt: Buffer): Link => {
  const payload = Buffer.from(JSON.stringify(fact.payload))
  const seq = previous.seq + 1
  const { type, version, subject, actor, causes } = fact
  const commitment = sha256(salt, payload).toString('hex')
  const envelope = Buffer.from(
    JSON.stringify({
      seq,
      at,
      type,
      version,
      subject,
      actor,
      causes,
      previous: previous.hash.toString('hex'),
      payload: commitment,
    }),
  )
  return { seq, at, type, subject, envelope, hash: sha256(previous.hash, envelope), salt, payload }
}
