import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { effectSync } from '../effect.ts'
import { Problem } from '../problem.ts'
import { writeDurably } from '../processes/files.ts'
import type { Seal } from './access.ts'

/**
 * A sealed value, byte by byte: format (1) · id of the master key (8) · wrapped data key (60) · value (28 + its length). Wrapped key
 * and value are each nonce (12) · tag (16) · ciphertext of AES-256-GCM, with the secret's full name as additional data.
 */
const format = 1
const keyBytes = 32
const idBytes = 8
const nonceBytes = 12
const tagBytes = 16
const wrappedBytes = nonceBytes + tagBytes + keyBytes
const headBytes = 1 + idBytes

/** The master keys, newest first; the newest seals, all of them open. */
export type Keyring = Seal & {
  /** The same value under the newest master key; only the data key is opened on the way. */
  rewrap(name: string, sealed: Uint8Array): Uint8Array
  /** Whether it is under the newest master key. */
  isCurrent(sealed: Uint8Array): boolean
}

export const createKeyring = (masterKeys: readonly [Uint8Array, ...Uint8Array[]]): Keyring => {
  const [current] = masterKeys
  const currentId = idOf(current)
  const byId = new Map(masterKeys.map((key) => [idOf(key).toString('hex'), key]))

  const dataKeyOf = (name: string, sealed: Uint8Array): Buffer => {
    if (sealed.length < headBytes + wrappedBytes + nonceBytes + tagBytes || sealed[0] !== format) throw notOurs(name)
    const master = byId.get(Buffer.from(sealed.subarray(1, headBytes)).toString('hex'))
    if (!master) throw notOurs(name)
    return decrypt(master, name, sealed.subarray(headBytes, headBytes + wrappedBytes))
  }
  const wrap = (name: string, dataKey: Uint8Array): Buffer =>
    Buffer.concat([Buffer.of(format), currentId, encrypt(current, name, dataKey)])

  return {
    seal: (name, plain) => {
      const dataKey = randomBytes(keyBytes)
      return Buffer.concat([wrap(name, dataKey), encrypt(dataKey, name, plain)])
    },
    open: (name, sealed) => decrypt(dataKeyOf(name, sealed), name, sealed.subarray(headBytes + wrappedBytes)),
    rewrap: (name, sealed) =>
      Buffer.concat([wrap(name, dataKeyOf(name, sealed)), sealed.subarray(headBytes + wrappedBytes)]),
    isCurrent: (sealed) => Buffer.from(sealed.subarray(1, headBytes)).equals(currentId),
  }
}

/** The keyring in this file (mode 0600, one key in base64url a line, newest first); the first start makes it. */
export const loadKeyring = (file: string): Keyring => {
  const keys = readKeys(file)
  const [first, ...rest] = keys ?? [randomBytes(keyBytes)]
  if (!first) throw unreadable(file)
  if (!keys) writeKeys(file, [first])
  return createKeyring([first, ...rest])
}

/** Puts a new master key before those in the file; what is sealed under the older ones can still be opened. */
export const addMasterKey = (file: string): Keyring => {
  const fresh = randomBytes(keyBytes)
  const older = readKeys(file) ?? []
  writeKeys(file, [fresh, ...older])
  return createKeyring([fresh, ...older])
}

const writeKeys = (file: string, keys: readonly Uint8Array[]): void => {
  const text = keys.map((key) => `${Buffer.from(key).toString('base64url')}\n`).join('')
  effectSync('access.write-master-key', () => writeDurably(file, text))
}

const readKeys = (file: string): Buffer[] | null => {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
  const keys = text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => Buffer.from(line, 'base64url'))
  if (keys.length === 0 || keys.some((key) => key.length !== keyBytes)) throw unreadable(file)
  return keys
}

const idOf = (key: Uint8Array): Buffer =>
  createHash('sha256').update('headway master key\0').update(key).digest().subarray(0, idBytes)

const encrypt = (key: Uint8Array, name: string, plain: Uint8Array): Buffer => {
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes }).setAAD(Buffer.from(name))
  const text = Buffer.concat([cipher.update(plain), cipher.final()])
  return Buffer.concat([nonce, cipher.getAuthTag(), text])
}

const decrypt = (key: Uint8Array, name: string, sealed: Uint8Array): Buffer => {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceBytes), { authTagLength: tagBytes })
    .setAAD(Buffer.from(name))
    .setAuthTag(sealed.subarray(nonceBytes, nonceBytes + tagBytes))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(nonceBytes + tagBytes)), decipher.final()])
  } catch (cause) {
    throw notOurs(name, cause)
  }
}

const notOurs = (name: string, cause?: unknown): Problem =>
  new Problem(
    {
      kind: 'sealed-value-unreadable',
      status: 500,
      detail: `what is sealed as ${name} was changed, or sealed under another name or master key`,
      next: 'set it again, or restore the master key that belongs to this data from a backup',
    },
    { cause },
  )

const unreadable = (file: string): Problem =>
  new Problem({
    kind: 'master-key-unreadable',
    status: 500,
    detail: `${file} holds no master key`,
    where: { file },
    next: 'put the file back from a backup; without it what is sealed stays sealed',
  })
