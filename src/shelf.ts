import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { effect } from './effect.ts'
import { Digest } from './names.ts'
import { writeDurably } from './processes/files.ts'

/** What is too large for facts, which name it by the digest of its bytes: each a packed file in a directory. */
export type Shelf<Document> = {
  /** Durable when it resolves; the same again changes nothing. */
  put(document: Document): Promise<Digest>
  /** Null when it was removed, or what lies there is not what the digest says. */
  get(digest: Digest): Promise<Document | null>
  /** Removes what was put before (milliseconds since 1970) and is not `kept`; resolves to how many. */
  forgetBefore(at: number, kept?: ReadonlySet<Digest>): Promise<number>
}

export type ByteShelf = Omit<Shelf<Uint8Array>, 'get'> & { get(digest: Digest): Promise<Buffer | null> }

const largestBytes = 256 * 1024 * 1024
const [compress, decompress] = [promisify(gzip), promisify(gunzip)]

/** A shelf of documents that `schema` knows, as JSON: `<directory>/<hex>.json.gz`. */
export const openShelf = <Document>(
  directory: string,
  schema: { parse(value: unknown): Document },
): Shelf<Document> => {
  const bytes = openByteShelf(directory, '.json.gz')
  return {
    put: (document) => bytes.put(Buffer.from(JSON.stringify(document))),
    get: async (digest) => {
      const text = (await bytes.get(digest))?.toString('utf8')
      return text === undefined ? null : schema.parse(JSON.parse(text))
    },
    forgetBefore: bytes.forgetBefore,
  }
}

/** A shelf of bytes as they came: `<directory>/<hex>.gz`. The directory is made with the first of them. */
export const openByteShelf = (directory: string, ending = '.gz'): ByteShelf => {
  const fileOf = (digest: Digest): string => join(directory, `${digest.slice('sha256:'.length)}${ending}`)
  return {
    put: async (bytes) => {
      const digest = digestOf(bytes)
      const packed = await compress(bytes)
      await effect('shelf.keep', async () => {
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
    forgetBefore: async (at, kept = new Set()) => {
      let removed = 0
      for (const name of await readdir(directory).catch(() => [])) {
        const file = join(directory, name)
        const digest = Digest.safeParse(`sha256:${name.slice(0, -ending.length)}`).data
        const status = await stat(file).catch(() => null)
        if (!status || status.mtimeMs >= at || (digest && kept.has(digest))) continue
        await effect('shelf.forget', () => rm(file, { force: true }))
        removed += 1
      }
      return removed
    },
  }
}

/** `sha256:` of the very bytes. */
export const digestOf = (bytes: Uint8Array): Digest =>
  Digest.parse(`sha256:${createHash('sha256').update(bytes).digest('hex')}`)
