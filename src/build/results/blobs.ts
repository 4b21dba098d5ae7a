import { createHash, randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { effect } from '../../effect.ts'
import { Digest } from '../../names.ts'
import { syncDirectory, writeDurably } from '../../processes/files.ts'

/**
 * Contents by their digest, and uploads that are not whole yet. An upload is a folder: what it is of (`about.json`), blocks as they came,
 * and, once somebody said in which order they belong together, the whole with its digest in its name. Nothing of it is in memory:
 * what a crash interrupts is sent again by the client.
 */
export type Blobs = {
  /** Begins an upload, from nothing. `upload` is safe as a file name. */
  begin(upload: string, about: unknown): Promise<void>
  /** What `begin` was told; null when there is no such upload. */
  about(upload: string): Promise<unknown>
  /** How much of an upload is on disk, in bytes. */
  sizeOf(upload: string): Promise<number>
  /** Keeps a block of it. Rejects with a TooLarge beyond so many bytes, and keeps nothing of a block that did not come whole. */
  putBlock(upload: string, block: string, bytes: AsyncIterable<Buffer>, mostBytes: number): Promise<void>
  /** Keeps all of it at once. */
  putWhole(upload: string, bytes: AsyncIterable<Buffer>, mostBytes: number): Promise<void>
  /** Puts the blocks together in this order; false when one is missing. Done twice, it is done once. */
  join(upload: string, blocks: readonly string[]): Promise<boolean>
  /** The digest and size of a whole upload, from now on among the contents too; null while it is not whole. */
  keep(upload: string): Promise<Content | null>
  /** How much all uploads hold that are not kept yet, in bytes, and what each is of. */
  underWay(): Promise<readonly { readonly about: unknown; readonly sizeBytes: number }[]>
  /** Forgets an upload. */
  discard(upload: string): Promise<void>
  /** Null: it is not there. */
  contentSize(digest: Digest): Promise<number | null>
  /** The bytes of a content, from `start` to and with `end`; null when it is not there. */
  read(digest: Digest, range?: { readonly start: number; readonly end: number }): Promise<Readable | null>
  /** Removes the contents that are in nobody's list, and uploads that nobody has written to since. */
  sweep(wanted: ReadonlySet<string>, since: number): Promise<void>
}

export type Content = { readonly digest: Digest; readonly sizeBytes: number }

/** More was sent than there is room for. */
export class TooLarge extends Error {
  readonly mostBytes: number
  constructor(mostBytes: number) {
    super(`more than ${mostBytes} bytes`)
    this.mostBytes = mostBytes
  }
}

const aboutName = 'about.json'
const wholeName = /^whole-([0-9a-f]{64})$/

export const createBlobs = (directory: string): Blobs => {
  const uploads = join(directory, 'uploads')
  const contents = join(directory, 'contents')
  const folderOf = (upload: string): string => join(uploads, fileName(upload))
  const blockOf = (upload: string, block: string): string =>
    join(folderOf(upload), `block-${createHash('sha256').update(block).digest('hex')}`)
  const contentOf = (hex: string): string => join(contents, hex.slice(0, 2), hex)

  const readAbout = async (folder: string): Promise<unknown> => {
    const text = await readFile(join(folder, aboutName), 'utf8').catch(() => null)
    return text === null ? null : JSON.parse(text)
  }
  const sizeIn = async (folder: string): Promise<number> => {
    const sent = (await namesIn(folder)).filter((name) => name !== aboutName)
    const sizes = await Promise.all(sent.map((name) => sizeOfFile(join(folder, name))))
    return sizes.reduce((sum, size) => sum + size, 0)
  }
  const wholeOf = async (upload: string): Promise<string | null> =>
    (await namesIn(folderOf(upload))).map((name) => wholeName.exec(name)?.[1]).find((hex) => hex !== undefined) ?? null

  /** Receives into a file beside, so that what has the name is whole. */
  const receive = async (file: string, bytes: AsyncIterable<Buffer>, mostBytes: number, hash?: Hash): Promise<void> => {
    let seen = 0
    const counted = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        seen += chunk.length
        hash?.update(chunk)
        if (seen > mostBytes) done(new TooLarge(mostBytes))
        else done(null, chunk)
      },
    })
    await effect('build.receive-upload', () => pipeline(bytes, counted, createWriteStream(file, { mode: 0o600 })))
  }

  return {
    begin: (upload, about) =>
      effect('build.begin-upload', async () => {
        await rm(folderOf(upload), { recursive: true, force: true })
        await mkdir(folderOf(upload), { recursive: true, mode: 0o700 })
        writeDurably(join(folderOf(upload), aboutName), JSON.stringify(about))
      }),
    about: (upload) => readAbout(folderOf(upload)),
    sizeOf: (upload) => sizeIn(folderOf(upload)),
    underWay: async () =>
      Promise.all(
        (await namesIn(uploads)).map(async (name) => {
          const folder = join(uploads, name)
          return { about: await readAbout(folder), sizeBytes: await sizeIn(folder) }
        }),
      ),
    putBlock: async (upload, block, bytes, mostBytes) => {
      const file = blockOf(upload, block)
      await unlessItFails(file, async (partial) => {
        await receive(partial, bytes, mostBytes)
        await effect('build.keep-block', () => rename(partial, file))
      })
    },
    putWhole: async (upload, bytes, mostBytes) => {
      const hash = createHash('sha256')
      await unlessItFails(join(folderOf(upload), 'whole'), async (partial) => {
        await receive(partial, bytes, mostBytes, hash)
        const name = `whole-${hash.digest('hex')}`
        await effect('build.keep-whole', async () => {
          for (const other of await namesIn(folderOf(upload)))
            if (wholeName.test(other) && other !== name) await rm(join(folderOf(upload), other), { force: true })
          await rename(partial, join(folderOf(upload), name))
        })
      })
    },
    join: async (upload, blocks) => {
      if ((await wholeOf(upload)) !== null) return true
      const files = blocks.map((block) => blockOf(upload, block))
      const there = await Promise.all(files.map((file) => stat(file).catch(() => null)))
      if (there.includes(null)) return false
      const hash = createHash('sha256')
      await unlessItFails(join(folderOf(upload), 'whole'), async (partial) => {
        await effect('build.join-blocks', async () => {
          await pipeline(bytesOf(files, hash), createWriteStream(partial, { mode: 0o600 }))
          await rename(partial, join(folderOf(upload), `whole-${hash.digest('hex')}`))
        })
      })
      await effect('build.drop-blocks', async () => {
        for (const file of new Set(files)) await rm(file, { force: true })
      })
      return true
    },
    keep: async (upload) => {
      const hex = await wholeOf(upload)
      if (hex === null) return null
      const [whole, content] = [join(folderOf(upload), `whole-${hex}`), contentOf(hex)]
      await effect('build.keep-content', async () => {
        const file = await open(whole, 'r')
        await file.datasync().finally(() => file.close())
        await mkdir(join(content, '..'), { recursive: true, mode: 0o700 })
        await link(whole, content).catch((error: NodeJS.ErrnoException) => {
          if (error.code !== 'EEXIST') throw error // the same content was kept before
        })
        syncDirectory(join(content, '..'))
      })
      return { digest: Digest.parse(`sha256:${hex}`), sizeBytes: (await stat(content)).size }
    },
    discard: (upload) => effect('build.discard-upload', () => rm(folderOf(upload), { recursive: true, force: true })),
    contentSize: async (digest) => (await stat(contentOf(hexOf(digest))).catch(() => null))?.size ?? null,
    read: async (digest, range) => {
      const file = await open(contentOf(hexOf(digest)), 'r').catch(() => null)
      return file === null ? null : createReadStream('', { fd: file, ...range, highWaterMark: 256 * 1024 })
    },
    sweep: async (wanted, since) => {
      for (const folder of await namesIn(contents))
        for (const hex of await namesIn(join(contents, folder)))
          if (!wanted.has(`sha256:${hex}`))
            await effect('build.remove-content', () => rm(join(contents, folder, hex), { force: true }))
      for (const name of await namesIn(uploads)) {
        const folder = join(uploads, name)
        if (await isTouchedSince(folder, since)) continue
        await effect('build.remove-upload', () => rm(folder, { recursive: true, force: true }))
      }
    },
  }
}

type Hash = { update(chunk: Buffer): unknown; digest(encoding: 'hex'): string }

/** What a failed act has left in its partial file is removed; the same block may be arriving twice. */
const unlessItFails = async (file: string, act: (partial: string) => Promise<void>): Promise<void> => {
  const partial = `${file}.${randomUUID()}.partial`
  try {
    await act(partial)
  } catch (error) {
    await effect('build.drop-partial', () => rm(partial, { force: true }))
    throw error
  }
}

async function* bytesOf(files: readonly string[], hash: Hash): AsyncGenerator<Buffer> {
  for (const file of files)
    for await (const chunk of createReadStream(file, { highWaterMark: 256 * 1024 })) {
      hash.update(chunk)
      yield chunk
    }
}

const fileName = (upload: string): string => {
  if (!/^[0-9a-f]{64}$/.test(upload)) throw new Error(`${upload} is no name of an upload`)
  return upload
}

const hexOf = (digest: Digest): string => digest.slice('sha256:'.length)

const isTouchedSince = async (folder: string, since: number): Promise<boolean> => {
  const names = ['.', ...(await namesIn(folder))]
  const times = await Promise.all(
    names.map(async (name) => (await stat(join(folder, name)).catch(() => null))?.mtimeMs ?? 0),
  )
  return times.some((time) => time > since)
}

const sizeOfFile = async (file: string): Promise<number> => (await stat(file).catch(() => null))?.size ?? 0
const namesIn = (folder: string): Promise<string[]> => readdir(folder).catch(() => [])
