import { chmod, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { effect } from '../effect.ts'
import type { Digest } from '../names.ts'
import { readManifest } from './image.ts'
import { type Descriptor, type Layout, whenFull } from './layout.ts'
import type { Run } from './source.ts'
import { makeFolder, unpackLayer } from './unpack.ts'

/**
 * Images as folders, each unpacked once per machine. Layers that several images share (dependencies) are unpacked once beside them
 * and hard-linked. Everything belongs to Headway's own user, and nobody else may write it.
 */
export type Shelf = {
  /** Removes what a crash left half unpacked. */
  open(): Promise<void>
  /** The folder of an image; unpacks it when it is not there. */
  unpack(digest: Digest): Promise<string>
  /** Removes the folders of images and layers that are not among these. */
  sweep(images: ReadonlySet<Digest>, layers: ReadonlySet<Digest>): Promise<void>
}

export const createShelf = (directory: string, layout: Layout, run: Run): Shelf => {
  const layersDirectory = join(directory, 'layers')
  const nameOf = (digest: Digest): string => digest.slice('sha256:'.length)
  const underWay = new Map<Digest, Promise<string>>()
  let stagings = 0

  /** One at a time for each digest; a second caller gets the first one's outcome. */
  const once = (digest: Digest, make: () => Promise<string>): Promise<string> => {
    const running = underWay.get(digest) ?? make().finally(() => underWay.delete(digest))
    underWay.set(digest, running)
    return running
  }

  /** Fills a folder of another name and renames it, so that a folder that is there is whole. */
  const fill = async (target: string, write: (staging: string) => Promise<void>): Promise<string> => {
    if (await isThere(target)) return target
    stagings += 1
    const staging = join(dirname(target), `.${process.pid}-${stagings}.tmp`)
    return effect('package.unpack', async () => {
      try {
        await rm(staging, { recursive: true, force: true })
        await makeFolder(staging)
        await write(staging)
        await rename(staging, target)
        return target
      } catch (error) {
        await rm(staging, { recursive: true, force: true })
        throw whenFull(error, directory)
      }
    })
  }

  const shared = (layer: Descriptor): Promise<string> =>
    once(layer.digest, () =>
      fill(join(layersDirectory, nameOf(layer.digest)), async (staging) => {
        await unpackLayer(layout.stream(layer.digest), staging)
        // One flush of the file system instead of one for each of thousands of files; where sync knows no -f, the
        // layer is only less safe against a loss of power, and would be unpacked again after its removal.
        await run({
          argv: ['sync', '-f', staging],
          cwd: '/',
          env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
          timeoutMs: 60_000,
        })
      }),
    )

  const unpackImage = async (digest: Digest): Promise<string> => {
    const target = join(directory, nameOf(digest))
    if (await isThere(target)) return target
    const { layers } = await readManifest(layout, digest)
    const own = layers.at(-1)
    const folders = await Promise.all(layers.slice(0, -1).map(shared))
    return fill(target, async (staging) => {
      if (own) await unpackLayer(layout.stream(own.digest), staging, true)
      for (const folder of folders) {
        const linked = await run({
          argv: ['cp', '-al', '--', `${folder}/.`, staging],
          cwd: '/',
          env: { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' },
          timeoutMs: 300_000,
        })
        if (linked.exitCode !== 0) throw new Error(`cp -al from ${folder}: ${linked.stderr.trim()}`)
      }
    })
  }

  return {
    open: async () => {
      await makeFolder(layersDirectory)
      await chmod(layersDirectory, 0o700) // what other projects installed is not everybody's to list
      for (const parent of [directory, layersDirectory])
        for (const name of await readdir(parent))
          if (name.startsWith('.'))
            await effect('package.sweep-staging', () => rm(join(parent, name), { recursive: true, force: true }))
    },
    unpack: (digest) => once(digest, () => unpackImage(digest)),
    sweep: async (images, layers) => {
      const kept = (set: ReadonlySet<Digest>, name: string) => [...set].some((digest) => nameOf(digest) === name)
      const inUse = (name: string) => [...underWay.keys()].some((digest) => nameOf(digest) === name)
      const remove = async (parent: string, name: string) => {
        // Out of the way in one step, so that nobody finds half of it.
        const aside = join(parent, `.${name}.removed`)
        await effect('package.remove-folder', async () => {
          await rename(join(parent, name), aside)
          await rm(aside, { recursive: true, force: true })
        })
      }
      for (const name of await readdir(directory))
        if (/^[0-9a-f]{64}$/.test(name) && !kept(images, name) && !inUse(name)) await remove(directory, name)
      // An unpacking that is under way may be about to link from a layer that no folder here shows yet.
      if (underWay.size > 0) return
      for (const name of await readdir(layersDirectory))
        if (/^[0-9a-f]{64}$/.test(name) && !kept(layers, name)) await remove(layersDirectory, name)
    },
  }
}

const isThere = async (path: string): Promise<boolean> => (await stat(path).catch(() => null)) !== null
