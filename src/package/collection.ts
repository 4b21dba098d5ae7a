import type { Kysely } from 'kysely'
import { fact } from '../ledger/fact.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import { Digest, ProjectName, ServiceName, serviceSubject } from '../names.ts'
import { releaseCollected } from './facts.ts'
import { readManifest } from './image.ts'
import type { Descriptor, Layout } from './layout.ts'
import { actor } from './outcome.ts'
import { subjectOf } from './packaging.ts'
import { digestsOf, knownOf } from './rows.ts'
import type { Shelf } from './shelf.ts'
import type { PackageTables } from './views.ts'

export type Collector = {
  /** Collects what need not be kept, now, or as soon as another collection has ended. */
  collect(): Promise<void>
  /** Resolves when nothing is being collected. */
  idle(): Promise<void>
}

export const createCollector = (parts: {
  readonly ledger: Ledger
  readonly views: Views
  readonly db: Kysely<PackageTables>
  readonly layout: Layout
  readonly shelf: Shelf
  inUse(): Promise<readonly Digest[]>
  readonly keptReleases?: number
}): Collector => {
  const { ledger, views, db, layout, shelf } = parts
  let collecting: Promise<void> = Promise.resolve()

  const collectNow = async (): Promise<void> => {
    await views.reach()
    const kept = await db.selectFrom('package_releases').selectAll().where('collected', '=', 0).execute()
    const leaving = toCollect(kept.map(knownOf), new Set(await parts.inUse()), parts.keptReleases ?? 10)
    if (leaving.length > 0)
      await ledger.append(
        leaving.map(({ project, service, digest }) => {
          const key = { project: ProjectName.parse(project), service: ServiceName.parse(service) }
          return fact(releaseCollected, { subject: serviceSubject(key), actor, payload: { ...key, digest } })
        }),
      )
    await sweepDisk(layout, shelf, stillKept)
  }

  const stillKept = async (): Promise<Set<Digest>> => {
    await views.reach()
    const rows = await db.selectFrom('package_releases').select('digest').where('collected', '=', 0).execute()
    const previews = await db.selectFrom('package_candidates').select('digests').execute()
    return new Set([
      ...rows.map(({ digest }) => Digest.parse(digest)),
      ...previews.flatMap(digestsOf),
      // The preview of an older version runs until the newer one takes its place.
      ...(await parts.inUse()),
    ])
  }

  return {
    collect: () => {
      const collected = collecting.then(collectNow)
      collecting = collected.catch(() => undefined)
      return collected
    },
    idle: () => collecting,
  }
}

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
