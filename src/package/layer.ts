import { posix } from 'node:path'
import type { Header } from 'tar-stream'
import { Problem } from '../problem.ts'

/** A file or link of a layer. Folders follow from the paths. */
export type LayerFile = {
  readonly path: string
  readonly kind: 'file' | 'executable' | 'link'
  /** The content; of a link, its target. */
  readonly content: Buffer
}

/** Where the service's folder stands in its image. */
export const imageFolder = 'app'

/** npm's own constant for packed files: after 1980, which some archivers cannot go behind. */
export const fixedTimeSeconds = 499_162_500

/**
 * A layer of these files: an uncompressed tar whose bytes depend on nothing but paths, kinds, contents and the time given. Sorted, owned
 * by root, with modes 0644 and 0755. Compression would take 11 ms for each MB at
 * level 1 (measured; it saves three quarters) and make every digest depend on zlib's version.
 */
export const layerOf = async (files: readonly LayerFile[], timeSeconds: number): Promise<Buffer> => {
  const { pack } = await import('tar-stream')
  const tar = pack()
  const whole = wholeOf(tar)
  const folders = new Set<string>()
  for (const file of files.toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)))) {
    const path = posix.join(imageFolder, checkedPath(file.path))
    for (const folder of foldersAbove(path))
      if (!folders.has(folder)) {
        folders.add(folder)
        tar.entry(headerOf({ name: folder, type: 'directory' }, timeSeconds))
      }
    if (file.kind === 'link')
      tar.entry(
        headerOf(
          { name: path, type: 'symlink', linkname: checkedLink(path, file.content.toString('utf8')) },
          timeSeconds,
        ),
      )
    else
      tar.entry(headerOf({ name: path, mode: file.kind === 'executable' ? 0o755 : 0o644 }, timeSeconds), file.content)
  }
  tar.finalize()
  return whole
}

/** What a header of an entry must say; the rest is the same for all. */
export type EntryHeader = Pick<Header, 'name'> & Partial<Pick<Header, 'type' | 'mode' | 'size' | 'linkname'>>

/** The bytes that come out of a tar stream, whose own types say less. */
export async function* bytesOf(stream: AsyncIterable<unknown>): AsyncGenerator<Buffer> {
  for await (const chunk of stream) {
    if (!Buffer.isBuffer(chunk)) throw new TypeError('a tar stream gave something else than bytes')
    yield chunk
  }
}

export const wholeOf = async (stream: AsyncIterable<unknown>): Promise<Buffer> => {
  const chunks: Buffer[] = []
  for await (const chunk of bytesOf(stream)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** The header of an entry with everything that varies between machines and days made the same. */
export const headerOf = (header: EntryHeader, timeSeconds: number) => ({
  name: header.name,
  type: header.type ?? 'file',
  mode: header.type === 'directory' || ((header.mode ?? 0) & 0o111) !== 0 ? 0o755 : 0o644,
  ...(header.size === undefined ? {} : { size: header.size }),
  ...(header.linkname ? { linkname: header.linkname } : {}),
  uid: 0,
  gid: 0,
  uname: '',
  gname: '',
  mtime: new Date(timeSeconds * 1000),
})

/** The path when it stays below the folder that it is relative to. */
export const checkedPath = (path: string): string => {
  const parts = path.split('/')
  if (path === '' || path.includes('\0') || parts.some((part) => part === '' || part === '.' || part === '..'))
    throw hostile(path, 'is no path within the service')
  return path
}

/**
 * The target of a link when it stays within the image. `..` may only stand in front: behind a name it would mean something
 * else where that name is a link itself.
 */
export const checkedLink = (path: string, target: string): string => {
  const up = /^(\.\.\/)*(\.\.$)?/.exec(target)?.[0] ?? ''
  const resolved = posix.join(posix.dirname(path), target)
  const leaves = resolved === '..' || resolved.startsWith('../') || resolved === imageRootOf(path)
  if (
    target === '' ||
    target.includes('\0') ||
    posix.isAbsolute(target) ||
    leaves ||
    target.slice(up.length).split('/').includes('..')
  )
    throw hostile(path, `is a link to ${JSON.stringify(target)}, which is outside of the service`)
  return target
}

/** A link to the root of the image would leave the service's folder. */
const imageRootOf = (path: string): string => (path.startsWith(`${imageFolder}/`) ? '.' : '')

const foldersAbove = (path: string): string[] => {
  const parts = path.split('/').slice(0, -1)
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
}

export const hostile = (path: string, what: string): Problem =>
  new Problem({
    kind: 'hostile-path',
    status: 422,
    detail: `${JSON.stringify(path.slice(0, 200))} ${what}`,
    next: 'remove it from the repository, or from what the build writes',
  })
