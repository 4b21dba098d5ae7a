import type { LanguagePlan, ReleasedDefinition } from '../golden/service.ts'
import type { CommitId, Digest, ProjectName, ServiceName } from '../names.ts'

/** A release as deploy needs it: what to run, read from the image's configuration and nowhere else. */
export type Release = {
  readonly digest: Digest
  readonly project: ProjectName
  readonly service: ServiceName
  readonly commit: CommitId
  readonly definition: ReleasedDefinition
  readonly argv: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
  /** The program that argv needs on the PATH and the versions that fit; the image brings none. */
  readonly toolchain: LanguagePlan['toolchain']
  /** Folder within the image where argv runs. */
  readonly workingDirectory: string
}

/** The shelf of releases: what packaging puts there and deploying takes from it. */
export type Releases = {
  /** The release of this digest; null when it was collected or never was. */
  open(digest: Digest): Promise<Release | null>
  /** Unpacks it (once per machine, idempotent, crash-safe) and returns the directory, which must not be changed. */
  unpack(digest: Digest): Promise<string>
}
