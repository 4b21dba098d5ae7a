import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip, gzip } from 'node:zlib'
import { effect } from '../effect.ts'
import type { Home } from '../home.ts'
import { Digest } from '../names.ts'
import { writeDurably } from '../processes/files.ts'
import { TestResults } from './results.ts'

/** Where the results of jobs lie, by the digest of their JSON: `<blobs>/tests/<hex>.json.gz`. */
export type Shelf = {
  /** Durable when it resolves. */
  put(results: TestResults): Promise<Digest>
  /** Null when they were removed, or what lies there is not what the digest says. */
  get(digest: Digest): Promise<TestResults | null>
  /** Removes what is older than so long and not `kept`; resolves to how many. */
  keepOnly(kept: ReadonlySet<Digest>, olderThanMs: number, now: number): Promise<number>
}

const largestBytes = 256 * 1024 * 1024
const [compress, decompress] = [promisify(gzip), promisify(gunzip)]

export const createShelf = ({ blobs }: Pick<Home, 'blobs'>): Shelf => {
  const directory = join(blobs, 'tests')
  const fileOf = (digest: Digest): string => join(directory, `${digest.slice('sha256:'.length)}.json.gz`)
  return {
    put: async (results) => {
      const text = JSON.stringify(results)
      const digest = digestOf(text)
      const bytes = await compress(text)
      await effect('test.keep-results', async () => {
        await mkdir(directory, { recursive: true, mode: 0o700 })
        writeDurably(fileOf(digest), bytes)
      })
      return digest
    },
    get: async (digest) => {
      const bytes = await readFile(fileOf(digest)).catch(() => null)
      if (bytes === null) return null
      const text = (await decompress(bytes, { maxOutputLength: largestBytes }).catch(() => null))?.toString('utf8')
      return text !== undefined && digestOf(text) === digest ? TestResults.parse(JSON.parse(text)) : null
    },
    keepOnly: async (kept, olderThanMs, now) => {
      let removed = 0
      for (const name of await readdir(directory).catch(() => [])) {
        const file = join(directory, name)
        const digest = Digest.safeParse(`sha256:${name.replace(/\.json\.gz$/, '')}`).data
        const status = await stat(file).catch(() => null)
        if (!status || (digest && kept.has(digest)) || now - status.mtimeMs < olderThanMs) continue
        await effect('test.remove-results', () => rm(file, { force: true }))
        removed += 1
      }
      return removed
    },
  }
}

const digestOf = (text: string): Digest => Digest.parse(`sha256:${createHash('sha256').update(text).digest('hex')}`)
