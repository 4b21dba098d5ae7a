import { createHash, createPublicKey, generateKeyPair, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { z } from 'zod'
import type { Seal } from '../../access/access.ts'
import type { Clock } from '../../clock.ts'
import { effectSync } from '../../effect.ts'
import { writeDurably } from '../../processes/files.ts'

/** An RSA key that signs identities of jobs. `madeAt` in milliseconds since 1970. */
const SigningKey = z.object({ id: z.string(), privateKey: z.string(), madeAt: z.number() })
export type SigningKey = z.infer<typeof SigningKey>

const Ring = z.object({
  /** For the tokens of jobs and for signed URLs; nobody else verifies them. */
  secret: z.string(),
  /** Newest first; none until somebody asks for one. */
  signing: z.array(SigningKey),
})
type Ring = z.infer<typeof Ring>

export type ResultKeys = {
  /** 256 bits for the tokens of jobs and for signed URLs. */
  readonly secret: Uint8Array
  /** The key to sign with now; the first is made when it is asked for. */
  current(): Promise<SigningKey>
  /** All keys by which something may have been signed that still counts, as a JSON Web Key Set (RFC 7517). */
  published(): Promise<{ readonly keys: readonly PublishedKey[] }>
  /** Makes a new key that signs at once; with `forget`, what the older ones signed counts no more. */
  rotate(options?: { forget?: boolean }): Promise<SigningKey>
  /** Rotates when it is time; for now and then. */
  keepFresh(): Promise<void>
}

export type PublishedKey = {
  readonly kty: 'RSA'
  readonly use: 'sig'
  readonly alg: 'RS256'
  readonly kid: string
  readonly n: string
  readonly e: string
}

const oneDayMs = 24 * 60 * 60_000
/** A key signs for so long. */
const freshMs = 90 * oneDayMs
/** A key is published so long before it signs, as verifiers keep the set for a while. */
const noticeMs = oneDayMs
/** What a key signed counts for minutes; so long it stays published after its successor has taken over. */
const graceMs = 2 * oneDayMs

const sealedAs = 'build/results/keys'

/** The keys in a file, sealed; made at the first start. Throws a Problem when they were sealed under a master key that is gone. */
export const openResultKeys = (file: string, seal: Seal, clock: Clock): ResultKeys => {
  const write = (next: Ring): Ring => {
    const sealed = seal.seal(sealedAs, Buffer.from(JSON.stringify(next)))
    effectSync('build.write-result-keys', () => writeDurably(file, sealed))
    return next
  }
  const kept = readOrNull(file)
  let ring = kept
    ? Ring.parse(JSON.parse(Buffer.from(seal.open(sealedAs, kept)).toString()))
    : write({ secret: randomBytes(32).toString('base64url'), signing: [] })
  let last: Promise<unknown> = Promise.resolve()

  /** One change after another; each sees what the one before has left. */
  const change = <Result>(act: () => Promise<Result>): Promise<Result> => {
    const result = last.then(act)
    last = result.catch(() => undefined)
    return result
  }
  const signing = (): Promise<readonly SigningKey[]> =>
    ring.signing.length > 0
      ? Promise.resolve(ring.signing)
      : change(async () => {
          if (ring.signing.length === 0) ring = write({ ...ring, signing: [await makeKey(clock)] })
          return ring.signing
        })

  return {
    secret: Buffer.from(ring.secret, 'base64url'),
    current: async () => signingKeyAt(await signing(), clock.now()),
    published: async () => ({ keys: (await signing()).map(publishedKey) }),
    rotate: ({ forget = false } = {}) =>
      change(async () => {
        // A key that signs at once is made as if it had been announced.
        const key = { ...(await makeKey(clock)), madeAt: clock.now() - noticeMs }
        ring = write({ ...ring, signing: [key, ...(forget ? [] : ring.signing)] })
        return key
      }),
    keepFresh: () =>
      change(async () => {
        const [newest] = ring.signing
        if (!newest) return
        const isStale = clock.now() - newest.madeAt > freshMs
        const next = stillPublished(isStale ? [await makeKey(clock), ...ring.signing] : ring.signing, clock.now())
        if (isStale || next.length !== ring.signing.length) ring = write({ ...ring, signing: next })
      }),
  }
}

/** The newest key that was announced for long enough; the oldest where none was. */
export const signingKeyAt = (keys: readonly SigningKey[], now: number): SigningKey => {
  const announced = keys.find(({ madeAt }) => now - madeAt >= noticeMs) ?? keys.at(-1)
  if (announced === undefined) throw new Error('there is no key to sign with')
  return announced
}

/** Without those whose successor has been signing for longer than anything they signed counts. */
export const stillPublished = (keys: readonly SigningKey[], now: number): SigningKey[] =>
  keys.filter((_, index) => {
    const successor = keys[index - 1]
    return successor === undefined || now - successor.madeAt < noticeMs + graceMs
  })

const makeKey = async (clock: Clock): Promise<SigningKey> => {
  const { privateKey, publicKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const id = createHash('sha256').update(publicKey).digest('base64url').slice(0, 22)
  return { id, privateKey, madeAt: clock.now() }
}

const Rsa = z.object({ n: z.string(), e: z.string() })

const publishedKey = ({ id, privateKey }: SigningKey): PublishedKey => {
  const { n, e } = Rsa.parse(createPublicKey(privateKey).export({ format: 'jwk' }))
  return { kty: 'RSA', use: 'sig', alg: 'RS256', kid: id, n, e }
}

const readOrNull = (file: string): Buffer | null => {
  try {
    return readFileSync(file)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}
