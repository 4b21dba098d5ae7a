import { z } from 'zod'
import { defineFact } from '../ledger/fact.ts'
import { CommitId, Digest, ProjectName, RepositoryName, ServiceName } from '../names.ts'

const origin = {
  push: z.string(),
  project: ProjectName,
  service: ServiceName,
  repository: RepositoryName,
  commit: CommitId,
  /** The folder of the service's headway.yaml in the repository; `.` for the root. */
  path: z.string(),
}

/** Subject `service:<project>/<service>`. The digest is that of the OCI image manifest; the same commit gives the same one. */
export const releaseCreated = defineFact(
  'release.created',
  1,
  z.object({ ...origin, digest: Digest, sizeBytes: z.number() }),
)
export const releaseFailed = defineFact(
  'release.failed',
  1,
  z.object({ ...origin, detail: z.string(), lastLines: z.array(z.string()), next: z.string().nullable() }),
)
export const releaseCollected = defineFact(
  'release.collected',
  1,
  z.object({ project: ProjectName, service: ServiceName, digest: Digest }),
)

/**
 * Every service of a change's merge result was packaged for its preview, or failed to be. These are no releases: nothing but the preview runs
 * them. Subject: that of the preview; `begun` is the sequence number of the fact that asked for it.
 */
export const changePackaged = defineFact(
  'change.packaged',
  1,
  z.object({
    begun: z.int(),
    project: ProjectName,
    repository: RepositoryName,
    number: z.int(),
    commit: CommitId,
    packaged: z.array(z.object({ service: ServiceName, path: z.string(), digest: Digest, sizeBytes: z.number() })),
    failed: z.array(
      z.object({
        service: ServiceName,
        path: z.string(),
        detail: z.string(),
        lastLines: z.array(z.string()),
        next: z.string().nullable(),
      }),
    ),
  }),
)

/** Every service of a verified push was packaged or failed to be. Subject `push:<id>`. */
export const pushPackaged = defineFact(
  'push.packaged',
  1,
  z.object({
    push: z.string(),
    released: z.array(z.object({ service: ServiceName, digest: Digest })),
    failed: z.array(ServiceName),
  }),
)

export const packageFacts = [releaseCreated, releaseFailed, releaseCollected, pushPackaged, changePackaged] as const
