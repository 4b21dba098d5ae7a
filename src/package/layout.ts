import { createHash } from 'node:crypto'
import { createReadStream, unlinkSync } from 'node:fs'
import { chmod, mkdir, open, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { effect, effectSync } from '../effect.ts'
import { Digest } from '../names.ts'
import { Problem } from '../problem.ts'

/** A content descriptor as OCI's image specification has it. */
export const Descriptor = z.object({
  mediaType: z.string(),
  digest: Digest,
  size: z.int(),
  annotations: z.record(z.string(), z.string()).optional(),
  artifactType: z.string().optional(),
})
export type Descriptor = z.infer<typeof Descriptor>

const Index = z.object({ schemaVersion: z.literal(2), mediaType: z.string(), manifests: z.array(Descriptor) })

/**
 * A content-addressed OCI image layout in a directory. Blobs are written to a temporary file, made durable and renamed, so that a blob
 * that is there is whole; the index is the root of all that is kept. One process at a time uses it.
 */
export type Layout = {
  /** Makes the directories and removes what a crash left half written. */
  open(): Promise<void>
  /** Keeps what is written or used through it from being swept until it is released. */
  hold(): Hold
  has(digest: Digest): Promise<boolean>
  /** The blob, when its bytes are still those of its digest; throws a `Problem` when it is missing or damaged. */
  read(digest: Digest): Promise<Buffer>
  /** The same in pieces; throws at its end when the bytes were not those of the digest. */
  stream(digest: Digest): AsyncIterable<Buffer>
  index(): Promise<readonly Descriptor[]>
  /** Works on the index while nobody else changes it. `replace` is durable when it resolves. */
  exclusively<Result>(
    work: (
      manifests: readonly Descriptor[],
      replace: (manifests: readonly Descriptor[]) => Promise<void>,
    ) => Promise<Result>,
  ): Promise<Result>
  /** What is held at this moment. */
  held(): ReadonlySet<Digest>
  /** Removes all blobs that are not among these and not held; returns how many bytes became free. */
  sweep(reachable: ReadonlySet<Digest>): Promise<number>
}
export type Hold = Disposable & {
  write(mediaType: string, content: Uint8Array | AsyncIterable<Uint8Array>): Promise<Descriptor>
  /** Whether the blob is there; it then stays. */
  use(digest: Digest): Promise<boolean>
}

export const createLayout = (root: string): Layout => {
  const blobs = join(root, 'blobs/sha256')
  const fileOf = (digest: Digest): string => join(blobs, digest.slice('sha256:'.length))
  const holds = new Set<Set<Digest>>()
  let temporaries = 0
  let lastChange: Promise<unknown> = Promise.resolve()

  const has = async (digest: Digest): Promise<boolean> => (await stat(fileOf(digest)).catch(() => null)) !== null

  const write = async (
    mediaType: string,
    content: Uint8Array | AsyncIterable<Uint8Array>,
    held: Set<Digest>,
  ): Promise<Descriptor> => {
    temporaries += 1
    const temporary = join(blobs, `.${process.pid}-${temporaries}.tmp`)
    return effect('package.write-blob', async () => {
      const hash = createHash('sha256')
      let size = 0
      try {
        const file = await open(temporary, 'wx', 0o600)
        try {
          for await (const chunk of content instanceof Uint8Array ? [content] : content) {
            hash.update(chunk)
            size += chunk.byteLength
            await file.writeFile(chunk)
          }
          await file.datasync()
        } finally {
          await file.close()
        }
        const digest = Digest.parse(`sha256:${hash.digest('hex')}`)
        held.add(digest)
        await rename(temporary, fileOf(digest))
        return { mediaType, digest, size }
      } catch (error) {
        await rm(temporary, { force: true })
        throw whenFull(error, root)
      }
    })
  }

  const readIndex = async (): Promise<readonly Descriptor[]> => {
    const text = await readFile(join(root, 'index.json'), 'utf8').catch(() => null)
    return text === null ? [] : Index.parse(JSON.parse(text)).manifests
  }

  async function* stream(digest: Digest): AsyncGenerator<Buffer> {
    const hash = createHash('sha256')
    try {
      for await (const chunk of createReadStream(fileOf(digest), { highWaterMark: 1024 ** 2 })) {
        hash.update(chunk)
        yield chunk
      }
    } catch (error) {
      throw damaged(digest, 'cannot be read', error)
    }
    if (`sha256:${hash.digest('hex')}` !== digest) throw damaged(digest, 'does not hold what its digest says')
  }

  return {
    open: async () => {
      await mkdir(blobs, { recursive: true, mode: 0o700 })
      await chmod(root, 0o700)
      await effect('package.open-layout', async () => {
        for (const name of await readdir(blobs)) if (name.endsWith('.tmp')) await rm(join(blobs, name), { force: true })
        await writeFile(join(root, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
      })
    },
    hold: () => {
      const held = new Set<Digest>()
      holds.add(held)
      return {
        write: (mediaType, content) => write(mediaType, content, held),
        use: (digest) => {
          held.add(digest) // first, so that a sweep sees it before it is looked for
          return has(digest)
        },
        [Symbol.dispose]: () => void holds.delete(held),
      }
    },
    has,
    read: async (digest) => {
      const chunks: Buffer[] = []
      for await (const chunk of stream(digest)) chunks.push(chunk)
      return Buffer.concat(chunks)
    },
    stream,
    index: readIndex,
    exclusively: (work) => {
      const done = lastChange.then(async () =>
        work(await readIndex(), async (manifests) => {
          await syncDirectory(blobs) // what the index names is durable before the index is
          await replaceIndex(root, manifests)
        }),
      )
      lastChange = done.catch(() => undefined)
      return done
    },
    held: () => new Set([...holds].flatMap((held) => [...held])),
    sweep: async (reachable) => {
      let freedBytes = 0
      for (const name of await readdir(blobs)) {
        const digest = Digest.safeParse(`sha256:${name}`).data
        if (!digest || reachable.has(digest)) continue
        const size = (await stat(fileOf(digest)).catch(() => null))?.size ?? 0
        // Looked at and removed without a pause in between: a packaging that reuses it either holds it by now or will miss it.
        if ([...holds].some((held) => held.has(digest))) continue
        effectSync('package.remove-blob', () => unlinkSync(fileOf(digest)))
        freedBytes += size
      }
      return freedBytes
    },
  }
}

const replaceIndex = (root: string, manifests: readonly Descriptor[]): Promise<void> =>
  effect('package.write-index', async () => {
    const temporary = join(root, 'index.json.tmp')
    const text = JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests,
    })
    try {
      const file = await open(temporary, 'w', 0o600)
      try {
        await file.writeFile(text)
        await file.datasync()
      } finally {
        await file.close()
      }
      await rename(temporary, join(root, 'index.json'))
      await syncDirectory(root)
    } catch (error) {
      throw whenFull(error, root)
    }
  })

const syncDirectory = async (directory: string): Promise<void> => {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** A full disk is a person's to mend, and said so; any other error is left as it is. */
export const whenFull = (error: unknown, directory: string): unknown =>
  error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')
    ? new Problem(
        {
          kind: 'disk-full',
          status: 507,
          detail: `the disk of ${directory} is full; nothing that was released before is touched`,
          next: 'free some space there (df -h shows how much is left) and push again',
        },
        { cause: error },
      )
    : error

const damaged = (digest: Digest, what: string, cause?: unknown): Problem =>
  new Problem(
    {
      kind: 'blob-damaged',
      status: 500,
      detail: `the stored blob ${digest} ${what}`,
      next: 'restore it from a backup (headway restore), or push the commit again',
    },
    { cause },
  )
