import { chmod, constants, mkdir, open, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Header } from 'tar-stream'
import { bytesOf, checkedLink, checkedPath, hostile } from './layer.ts'

/**
 * Unpacks a layer into an empty folder. Entries that would leave it, go through a link, replace another entry, or are neither file
 * nor folder nor symbolic link are refused; so is a layer whose bytes are not those of its digest.
 */
export const unpackLayer = async (tar: AsyncIterable<Buffer>, into: string, durable = false): Promise<void> => {
  const folders = new Set<string>(['.'])
  const { extract } = await import('tar-stream')
  const unpacking = extract()
  const written = (async () => {
    for await (const entry of unpacking) {
      await writeEntry(entry.header, bytesOf(entry), { into, folders, durable })
      entry.resume()
    }
  })()
  await Promise.all([pipeline(Readable.from(tar), unpacking), written])
}

type Unpacking = { readonly into: string; readonly folders: Set<string>; readonly durable: boolean }

const writeEntry = async (
  header: Header,
  content: AsyncIterable<Uint8Array>,
  { into, folders, durable }: Unpacking,
): Promise<void> => {
  const path = checkedPath(header.name.replace(/\/$/, ''))
  const parent = dirname(path)
  // Folders come before what is in them, so that a parent which is no folder of this layer is a link or a lie.
  if (!folders.has(parent)) throw hostile(path, 'stands in no folder of its layer')
  const target = join(into, path)
  const time = header.mtime ?? new Date(0)
  switch (header.type) {
    case 'directory':
      if (folders.has(path)) return
      await makeFolder(target)
      folders.add(path)
      return
    case 'symlink':
      await symlink(checkedLink(path, header.linkname ?? ''), target)
      return
    case 'file': {
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
      const file = await open(target, flags, 0o600)
      try {
        for await (const chunk of content) await file.writeFile(chunk)
        await file.chmod(((header.mode ?? 0) & 0o111) === 0 ? 0o644 : 0o755)
        await file.utimes(time, time)
        if (durable) await file.datasync()
      } finally {
        await file.close()
      }
      return
    }
    default:
      throw hostile(path, `is a ${header.type}, which no image of a service may hold`)
  }
}

/** A folder that everybody may read. */
export const makeFolder = async (folder: string): Promise<void> => {
  await mkdir(folder, { recursive: true })
  await chmod(folder, 0o755) // mkdir's mode passes through the umask, and services of other users read here
}
