import { createHash } from 'node:crypto'
import { statfs } from 'node:fs/promises'
import { z } from 'zod'
import { Problem } from '../../problem.ts'
import { artifactDays } from '../jobs/contexts.ts'
import type { Blobs } from './blobs.ts'

/** What an upload is of. It stands beside the bytes, so that it outlives the process that began it. */
export const Upload = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('artifact'),
    project: z.string(),
    run: z.string(),
    job: z.string(),
    attempt: z.number(),
    name: z.string(),
    mime: z.string(),
    expiresAt: z.number(),
  }),
  z.object({
    kind: z.literal('cache'),
    project: z.string(),
    run: z.string(),
    job: z.string(),
    attempt: z.number(),
    key: z.string(),
    version: z.string(),
    scope: z.string(),
    begunAt: z.number(),
  }),
])
export type Upload = z.infer<typeof Upload>

const known = new WeakMap<object, Upload | null>()

/** What stands beside an upload, parsed once: it is asked for with every piece that arrives. */
const uploadIn = (about: unknown): Upload | null => {
  if (typeof about !== 'object' || about === null) return null
  const found = known.get(about)
  if (found !== undefined) return found
  const upload = Upload.safeParse(about).data ?? null
  known.set(about, upload)
  return upload
}

/** The name of an upload: the same things give the same one, so that a client that tries again finds what it began. */
export const uploadName = (...parts: readonly string[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex')

export type ResultsLimits = {
  readonly artifactBytesPerProject: number
  readonly artifactBytes: number
  readonly cacheBytesPerProject: number
  readonly cacheBytes: number
  /** The longest that an artifact is kept, and how long where nobody says. */
  readonly artifactDays: number
  /** A cache that was not used for so long is forgotten. */
  readonly cacheDays: number
}

const gibibyte = 1024 ** 3

/** 90 days, 7 days and 10 GiB of caches are GitHub's own; those are for a repository there, for a project here. */
export const defaultLimits: ResultsLimits = {
  artifactBytesPerProject: 50 * gibibyte,
  artifactBytes: 200 * gibibyte,
  cacheBytesPerProject: 10 * gibibyte,
  cacheBytes: 100 * gibibyte,
  artifactDays,
  cacheDays: 7,
}

/** So much of the disk stays free, whatever jobs upload: Headway itself must be able to go on. */
const reserveBytes = gibibyte / 2

export type Usage = { readonly inProject: number; readonly inAll: number }

/**
 * How many more bytes an upload may bring, as it is at each moment: below zero it has brought too many. Caches make room for others when
 * they are whole, so that only their own quota is looked at; artifacts must fit beside those that are there.
 */
export const roomFor = async (
  upload: Upload,
  blobs: Blobs,
  { directory, limits, usage }: { directory: string; limits: ResultsLimits; usage: () => Promise<Usage> },
): Promise<() => number> => {
  const disk = await statfs(directory)
  const { inProject, inAll } = upload.kind === 'artifact' ? await usage() : { inProject: 0, inAll: 0 }
  const isArtifact = upload.kind === 'artifact'
  const [mostInProject, mostInAll] = isArtifact
    ? [limits.artifactBytesPerProject - inProject, limits.artifactBytes - inAll]
    : [limits.cacheBytesPerProject, limits.cacheBytes]
  const pending = (isCounted: (other: Upload) => boolean): number =>
    blobs.underWay().reduce((sum, { about, sizeBytes }) => {
      const other = uploadIn(about)
      return other && isCounted(other) ? sum + sizeBytes : sum
    }, 0)
  const onDisk = disk.bavail * disk.bsize - reserveBytes + pending(() => true)
  return () =>
    Math.min(
      onDisk - pending(() => true),
      mostInProject - pending(({ kind, project }) => kind === upload.kind && project === upload.project),
      mostInAll - pending(({ kind }) => kind === upload.kind),
    )
}

/** What to tell somebody whose upload does not fit any more. */
export const noRoom = (upload: Upload, mostBytes: number): Problem =>
  new Problem(
    upload.kind === 'artifact'
      ? {
          kind: 'artifact-quota',
          status: 413,
          detail: `the artifact ${upload.name} is larger than the ${readable(mostBytes)} that the project ${upload.project} has left for artifacts`,
          next: 'delete artifacts that nobody needs (headway artifacts rm), choose a shorter retention-days, or raise HEADWAY_ARTIFACT_BYTES_PER_PROJECT',
        }
      : {
          kind: 'cache-quota',
          status: 413,
          detail: `the cache ${upload.key} is larger than the ${readable(mostBytes)} that the project ${upload.project} may have of caches`,
          next: 'cache less, or raise HEADWAY_CACHE_BYTES_PER_PROJECT',
        },
  )

const readable = (bytes: number): string =>
  bytes >= gibibyte ? `${(bytes / gibibyte).toFixed(1)} GiB` : `${Math.floor(bytes / 1024 ** 2)} MiB`
