import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { effect } from './effect.ts'
import { Digest } from './names.ts'
import { writeDurably } from './processes/files.ts'

/** Documents that are too large for facts, which name them by the digest of their JSON: `<directory>/<hex>.json.gz`. */
export type Shelf<Document> = {
  /** Durable when it resolves; the same again changes nothing. */
  put(document: Document): Promise<Digest>
  /** Null when it was removed, or what lies there is not what the digest says. */
  get(digest: Digest): Promise<Document | null>
  /** Removes what was put before (milliseconds since 1970) and is not `kept`; resolves to how many. */
  forgetBefore(at: number, kept?: ReadonlySet<Digest>): Promise<number>
}

const largestBytes = 256 * 1024 * 1024
const ending = '.json.gz'
const [compress, decompress] = [promisify(gzip), promisify(gunzip)]

/** A shelf of documents that `schema` knows; its directory is made with the first of them. */
export const openShelf = <Document>(
  directory: string,
  schema: { parse(value: unknown): Document },
): Shelf<Document> => {
  const fileOf = (digest: Digest): string => join(directory, `${digest.slice('sha256:'.length)}${ending}`)
  return {
    put: async (document) => {
      const text = JSON.stringify(document)
      const digest = digestOf(text)
      const bytes = await compress(text)
      await effect('shelf.keep', async () => {
        await mkdir(directory, { recursive: true, mode: 0o700 })
        writeDurably(fileOf(digest), bytes)
      })
      return digest
    },
    get: async (digest) => {
      const bytes = await readFile(fileOf(digest)).catch(() => null)
      if (bytes === null) return null
      const text = (await decompress(bytes, { maxOutputLength: largestBytes }).catch(() => null))?.toString('utf8')
      return text !== undefined && digestOf(text) === digest ? schema.parse(JSON.parse(text)) : null
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

const digestOf = (text: string): Digest => Digest.parse(`sha256:${createHash('sha256').update(text).digest('hex')}`)
