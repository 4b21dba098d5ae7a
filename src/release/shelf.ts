import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { effect } from '../effect.ts'
import type { Home } from '../home.ts'
import { Digest } from '../names.ts'
import { writeDurably } from '../processes/files.ts'
import { EvidenceDocument } from './document.ts'

/** Where evidence lies that facts name, by the digest of its JSON: `<blobs>/evidence/<hex>.json.gz`. */
export type Shelf = {
  /** Durable when it resolves; the same again changes nothing. */
  put(evidence: EvidenceDocument): Promise<Digest>
  /** Null when it was removed, or what lies there is not what the digest says. */
  get(digest: Digest): Promise<EvidenceDocument | null>
  /** Removes what is older. */
  forgetBefore(at: number): Promise<void>
}

const largestBytes = 256 * 1024 * 1024
const [compress, decompress] = [promisify(gzip), promisify(gunzip)]

export const createShelf = ({ blobs }: Pick<Home, 'blobs'>): Shelf => {
  const directory = join(blobs, 'evidence')
  const fileOf = (digest: Digest): string => join(directory, `${digest.slice('sha256:'.length)}.json.gz`)
  return {
    put: async (evidence) => {
      const text = JSON.stringify(evidence)
      const digest = digestOf(text)
      const bytes = await compress(text)
      await effect('release.keep-blob', async () => {
        await mkdir(directory, { recursive: true, mode: 0o700 })
        writeDurably(fileOf(digest), bytes)
      })
      return digest
    },
    get: async (digest) => {
      const bytes = await readFile(fileOf(digest)).catch(() => null)
      if (bytes === null) return null
      const text = (await decompress(bytes, { maxOutputLength: largestBytes }).catch(() => null))?.toString('utf8')
      return text !== undefined && digestOf(text) === digest ? EvidenceDocument.parse(JSON.parse(text)) : null
    },
    forgetBefore: async (at) => {
      for (const name of await readdir(directory).catch(() => [])) {
        const file = join(directory, name)
        const status = await stat(file).catch(() => null)
        if (status && status.mtimeMs < at) await effect('release.forget-blob', () => rm(file, { force: true }))
      }
    },
  }
}

const digestOf = (text: string): Digest => Digest.parse(`sha256:${createHash('sha256').update(text).digest('hex')}`)
