import { z } from 'zod'
import { defineFact } from '../../ledger/fact.ts'
import { Digest, ProjectName, RepositoryName } from '../../names.ts'

const origin = { run: z.string(), job: z.string(), project: ProjectName, repository: RepositoryName }
const content = { digest: Digest, sizeBytes: z.number().int().nonnegative() }

/** A job has left something for later jobs and for people. Its number is that of this fact. Subject `artifact:<run>/<name>`. */
export const artifactStored = defineFact(
  'artifact.stored',
  1,
  z.object({
    ...origin,
    name: z.string(),
    ...content,
    /** What it was uploaded as: `application/zip`, or one file's own type. */
    mime: z.string(),
    /** Milliseconds since 1970. */
    expiresAt: z.number(),
  }),
)
export const artifactRemoved = defineFact(
  'artifact.removed',
  1,
  z.object({ artifact: z.number().int(), project: ProjectName, why: z.enum(['expired', 'deleted']) }),
)

/** A job has put something aside for later runs. Its number is that of this fact. Subject `cache:<project>/<repository>`. */
export const cacheSaved = defineFact(
  'cache.saved',
  1,
  z.object({
    ...origin,
    /** The ref that it was saved on; only runs that may see that ref find it. */
    scope: z.string(),
    key: z.string(),
    /** The client's digest of what the cache holds and how: a cache of another version is another cache. */
    version: z.string(),
    ...content,
  }),
)
export const cacheRemoved = defineFact(
  'cache.removed',
  1,
  z.object({ cache: z.number().int(), project: ProjectName, why: z.enum(['unused', 'evicted', 'deleted']) }),
)

export const resultsFacts = [artifactStored, artifactRemoved, cacheSaved, cacheRemoved] as const
