import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { effect } from '../effect.ts'
import type { Home } from '../home.ts'
import { Digest } from '../names.ts'
import { writeDurably } from '../processes/files.ts'

/** Where what was received lies as it came, by the digest of its bytes: `<blobs>/events/<hex>.gz`. */
export type Shelf = {
  /** Durable when it resolves; the same again changes nothing. */
  put(bytes: Uint8Array): Promise<Digest>
  /** Null when it was removed, or what lies there is not what the digest says. */
  get(digest: Digest): Promise<Buffer | null>
  /** Removes what came before (milliseconds since 1970). */
  forgetBefore(at: number): Promise<void>
}

const largestBytes = 64 * 1024 * 1024
const [compress, decompress] = [promisify(gzip), promisify(gunzip)]

export const createShelf = ({ blobs }: Pick<Home, 'blobs'>): Shelf => {
  const directory = join(blobs, 'events')
  const fileOf = (digest: Digest): string => join(directory, `${digest.slice('sha256:'.length)}.gz`)
  return {
    put: async (bytes) => {
      const digest = digestOf(bytes)
      const packed = await compress(bytes)
      await effect('events.keep-blob', async () => {
        await mkdir(directory, { recursive: true, mode: 0o700 })
        writeDurably(fileOf(digest), packed)
      })
      return digest
    },
    get: async (digest) => {
      const packed = await readFile(fileOf(digest)).catch(() => null)
      if (packed === null) return null
      const bytes = await decompress(packed, { maxOutputLength: largestBytes }).catch(() => null)
      return bytes !== null && digestOf(bytes) === digest ? bytes : null
    },
    forgetBefore: async (at) => {
      for (const name of await readdir(directory).catch(() => [])) {
        const file = join(directory, name)
        const status = await stat(file).catch(() => null)
        if (status && status.mtimeMs < at) await effect('events.forget-blob', () => rm(file, { force: true }))
      }
    },
  }
}

/** `sha256:` of the very bytes. */
export const digestOf = (bytes: Uint8Array | string): Digest =>
  Digest.parse(`sha256:${createHash('sha256').update(bytes).digest('hex')}`)
