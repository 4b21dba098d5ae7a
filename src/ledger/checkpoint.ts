import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import { effectSync } from '../effect.ts'
import { Problem } from '../problem.ts'
import { writeDurably } from '../processes/files.ts'
import { type Actor, fact } from './fact.ts'
import { checkpointSigned } from './facts.ts'
import type { Ledger } from './ledger.ts'

/** Where the chain stood at a time, signed (Ed25519). Kept elsewhere, it shows truncation and rewriting. */
export const Checkpoint = z.object({
  seq: z.number().int().nonnegative(),
  hash: z.string().regex(/^[0-9a-f]{64}$/),
  at: z.number().int(),
  /** The public key: base64 of its SubjectPublicKeyInfo. */
  key: z.string(),
  signature: z.string(),
})
export type Checkpoint = z.infer<typeof Checkpoint>

export type CheckpointKey = {
  /** Base64 of the SubjectPublicKeyInfo; keep it with the checkpoints. */
  readonly publicKey: string
  sign(bytes: Uint8Array): Buffer
}

/** The key in a file (PKCS #8, mode 0600), which is made when it is not there. */
export const openCheckpointKey = (file: string): CheckpointKey => {
  if (!existsSync(file)) {
    const { privateKey } = generateKeyPairSync('ed25519')
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })
    effectSync('ledger.checkpoint-key', () => writeDurably(file, pem, 0o600))
  }
  const privateKey = createPrivateKey(readFileSync(file))
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' }).toString('base64')
  return { publicKey, sign: (bytes) => sign(null, bytes, privateKey) }
}

/** Signs where the chain stands, and records that as a fact (which comes after what was signed). */
export const signCheckpoint = async (
  { ledger, key, clock }: { ledger: Ledger; key: CheckpointKey; clock: Clock },
  actor: Actor,
): Promise<Checkpoint> => {
  const { seq, hash } = await ledger.head()
  const signed = { seq, hash, at: clock.now(), key: key.publicKey }
  const checkpoint = { ...signed, signature: key.sign(signedBytes(signed)).toString('base64') }
  await ledger.append([
    fact(checkpointSigned, { subject: 'ledger', actor, payload: { seq, hash, key: key.publicKey } }),
  ])
  return checkpoint
}

/** Throws a `Problem` unless the checkpoint is signed, and by that key when one is given. */
export const checkSignature = (checkpoint: Checkpoint, publicKey?: string): void => {
  if (publicKey !== undefined && publicKey !== checkpoint.key)
    throw forged(checkpoint, 'it is signed with another key than the one given')
  if (!isSigned(checkpoint)) throw forged(checkpoint, 'its signature does not fit what it says')
}

const isSigned = (checkpoint: Checkpoint): boolean => {
  try {
    const key = createPublicKey({ key: Buffer.from(checkpoint.key, 'base64'), type: 'spki', format: 'der' })
    const signature = Buffer.from(checkpoint.signature, 'base64')
    return key.asymmetricKeyType === 'ed25519' && verify(null, signedBytes(checkpoint), key, signature)
  } catch {
    return false
  }
}

const signedBytes = ({ seq, hash, at, key }: Omit<Checkpoint, 'signature'>): Buffer =>
  Buffer.from(`headway ledger checkpoint, format 1\n${JSON.stringify({ at, hash, key, seq })}`)

const forged = ({ seq }: Checkpoint, why: string): Problem =>
  new Problem({
    kind: 'checkpoint-forged',
    status: 422,
    detail: `the checkpoint of fact ${seq} proves nothing: ${why}`,
    next: 'use the checkpoint as `headway ledger checkpoint` printed it, and the public key that was kept with it',
  })
