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
 * and, once somebody said in which order they belong together, the whole with its digest in its name. In memory is only how much of each
 * there is; what a crash interrupts is sent again by the client.
 */
export type Blobs = {
  /** Begins an upload, from nothing. `upload` is safe as a file name. */
  begin(upload: string, about: unknown): Promise<void>
  /** What `begin` was told; null when there is no such upload. */
  about(upload: string): Promise<unknown>
  /**
   * Keeps a block of it. Rejects with a TooLarge as soon as there is no room left, and keeps nothing of a block that did not come whole.
   * `room` is asked while bytes arrive, which are among those of `underWay` by then.
   */
  putBlock(upload: string, block: string, bytes: AsyncIterable<Buffer>, room: () => number): Promise<void>
  /** How many bytes of a block there are; null: none came, or not whole. */
  blockSize(upload: string, block: string): Promise<number | null>
  /** Keeps all of it at once. */
  putWhole(upload: string, bytes: AsyncIterable<Buffer>, room: () => number): Promise<void>
  /** Puts the blocks together in this order; false when one is missing. Done twice, it is done once. */
  join(upload: string, blocks: readonly string[], room: () => number): Promise<boolean>
  /** The digest and size of a whole upload, from now on among the contents too; null while it is not whole. */
  keep(upload: string): Promise<Content | null>
  /** The uploads that are not kept yet. */
  underWay(): readonly UnderWay[]
  /** Forgets an upload. */
  discard(upload: string): Promise<void>
  /** Null: it is not there. */
  contentSize(digest: Digest): Promise<number | null>
  /** The bytes of a content, from `start` to and with `end`; null when it is not there. */
  read(digest: Digest, range?: { readonly start: number; readonly end: number }): Promise<Readable | null>
  /** Removes the contents that are in nobody's list, and uploads that nobody has written to since. */
  sweep(wanted: ReadonlySet<string>, since: number): Promise<void>
}

/** What an upload is of, how much of it there is, what is just arriving included, and in how many blocks. */
export type UnderWay = { readonly about: unknown; readonly sizeBytes: number; readonly blocks: number }

export type Content = { readonly digest: Digest; readonly sizeBytes: number }

/** More was sent than there is room for. */
export class TooLarge extends Error {}

const aboutName = 'about.json'
/** As many as a block blob of Azure's has. */
const mostBlocks = 50_000
const wholeName = /^whole-([0-9a-f]{64})$/

export const openBlobs = async (directory: string): Promise<Blobs> => {
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
  const tallies = new Map<string, Tally>()
  for (const name of await namesIn(uploads)) tallies.set(name, await tallyIn(join(uploads, name), readAbout))
  const tallyOf = (upload: string): Tally => {
    const tally = tallies.get(upload)
    if (!tally) throw new Error(`there is no upload ${upload}`)
    return tally
  }
  const wholeOf = async (upload: string): Promise<string | null> =>
    (await namesIn(folderOf(upload))).map((name) => wholeName.exec(name)?.[1]).find((hex) => hex !== undefined) ?? null

  /** Receives into a file beside, so that what has the name is whole. */
  const receive = async (
    path: string,
    bytes: AsyncIterable<Buffer>,
    tally: Tally,
    room: () => number,
    hash?: Hash,
  ): Promise<number> => {
    let seen = 0
    const counted = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        seen += chunk.length
        tally.sizeBytes += chunk.length
        hash?.update(chunk)
        if (room() < 0) done(new TooLarge('there is no room left'))
        else done(null, chunk)
      },
    })
    try {
      await effect('build.receive-upload', () => pipeline(bytes, counted, createWriteStream(path, { mode: 0o600 })))
      return seen
    } catch (error) {
      tally.sizeBytes -= seen
      throw error
    }
  }

  return {
    begin: (upload, about) =>
      effect('build.begin-upload', async () => {
        await rm(folderOf(upload), { recursive: true, force: true })
        await mkdir(folderOf(upload), { recursive: true, mode: 0o700 })
        writeDurably(join(folderOf(upload), aboutName), JSON.stringify(about))
        tallies.set(upload, { about, sizeBytes: 0, blocks: 0 })
      }),
    about: (upload) => readAbout(folderOf(upload)),
    underWay: () => [...tallies.values()],
    putBlock: async (upload, block, bytes, room) => {
      const tally = tallyOf(upload)
      if (tally.blocks >= mostBlocks) throw new TooLarge(`there are ${mostBlocks} blocks already`)
      const file = blockOf(upload, block)
      await unlessItFails(file, async (partial) => {
        await receive(partial, bytes, tally, room)
        const before = await stat(file).catch(() => null)
        await effect('build.keep-block', () => rename(partial, file))
        tally.sizeBytes -= before?.size ?? 0
        tally.blocks += before ? 0 : 1
      })
    },
    blockSize: async (upload, block) => (await stat(blockOf(upload, block)).catch(() => null))?.size ?? null,
    putWhole: async (upload, bytes, room) => {
      const tally = tallyOf(upload)
      const hash = createHash('sha256')
      await unlessItFails(join(folderOf(upload), 'whole'), async (partial) => {
        const sizeBytes = await receive(partial, bytes, tally, room, hash)
        const name = `whole-${hash.digest('hex')}`
        await effect('build.keep-whole', async () => {
          for (const other of await namesIn(folderOf(upload)))
            if (wholeName.test(other) && other !== name) await rm(join(folderOf(upload), other), { force: true })
          await rename(partial, join(folderOf(upload), name))
        })
        tally.sizeBytes = sizeBytes
      })
    },
    join: async (upload, blocks, room) => {
      const tally = tallyOf(upload)
      if ((await wholeOf(upload)) !== null) return true
      const files = blocks.map((block) => blockOf(upload, block))
      const there = await Promise.all(files.map((file) => stat(file).catch(() => null)))
      if (there.includes(null)) return false
      // A list may name a block many times over.
      const sizeBytes = there.reduce((sum, one) => sum + (one?.size ?? 0), 0)
      if (sizeBytes > tally.sizeBytes + room()) throw new TooLarge('there is no room left')
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
      tally.sizeBytes = sizeBytes
      tally.blocks = 0
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
    discard: async (upload) => {
      await effect('build.discard-upload', () => rm(folderOf(upload), { recursive: true, force: true }))
      tallies.delete(upload)
    },
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
        tallies.delete(name)
      }
    },
  }
}

type Tally = { readonly about: unknown; sizeBytes: number; blocks: number }

/** What an earlier process has received. */
const tallyIn = async (folder: string, readAbout: (folder: string) => Promise<unknown>): Promise<Tally> => {
  const sent = (await namesIn(folder)).filter((name) => name !== aboutName)
  const sizes = await Promise.all(
    sent.map(async (name) => (await stat(join(folder, name)).catch(() => null))?.size ?? 0),
  )
  const blocks = sent.filter((name) => /^block-[0-9a-f]{64}$/.test(name)).length
  return { about: await readAbout(folder), sizeBytes: sizes.reduce((sum, size) => sum + size, 0), blocks }
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

const namesIn = (folder: string): Promise<string[]> => readdir(folder).catch(() => [])
