import type { Digest } from '../names.ts'
import { readManifest } from './image.ts'
import type { Descriptor, Layout } from './layout.ts'
import { subjectOf } from './packaging.ts'
import type { Shelf } from './shelf.ts'

export type KnownRelease = {
  readonly project: string
  readonly service: string
  readonly digest: Digest
  readonly seq: number
}

/** The releases that are neither among the newest `keep` of their service nor in use: live, rolling out, or a rollback's target. */
export const toCollect = (
  releases: readonly KnownRelease[],
  inUse: ReadonlySet<Digest>,
  keep: number,
): KnownRelease[] => {
  const services = Map.groupBy(releases, ({ project, service }) => `${project}/${service}`)
  return [...services.values()].flatMap((ofService) =>
    ofService
      .toSorted((a, b) => b.seq - a.seq)
      .slice(keep)
      .filter(({ digest }) => !inUse.has(digest)),
  )
}

/**
 * Brings the disk to what is kept: the index without the other images, then no blob and no folder that nothing refers to. While it
 * runs the index cannot change: a packaging that is under way enters its image afterwards and holds its blobs until then.
 */
export const sweepDisk = (layout: Layout, shelf: Shelf, kept: () => Promise<ReadonlySet<Digest>>): Promise<void> =>
  layout.exclusively(async (manifests, replace) => {
    // In this order: an image is held until the fact that keeps it is recorded.
    const held = layout.held()
    const images = await kept()
    const belongs = (descriptor: Descriptor): boolean => {
      const image = subjectOf(descriptor) ?? descriptor.digest
      return images.has(image) || held.has(image)
    }
    const staying = manifests.filter(belongs)
    if (staying.length < manifests.length) await replace(staying)
    const reachable = new Set<Digest>()
    const layers = new Set<Digest>()
    for (const { digest } of staying) {
      const manifest = await readManifest(layout, digest)
      for (const part of [digest, manifest.config.digest]) reachable.add(part)
      for (const layer of manifest.layers) {
        reachable.add(layer.digest)
        layers.add(layer.digest)
      }
    }
    await layout.sweep(reachable)
    await shelf.sweep(new Set(staying.map(({ digest }) => digest)), layers)
  })
