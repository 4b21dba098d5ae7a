import type { EnvironmentName, ProjectName, RepositoryName, ServiceName } from '../names.ts'
import type { Role } from './facts.ts'

/** Who is asking, as established at the door by a token. */
export type Identity = {
  readonly user: string
  /** As it is recorded: `user:alice` or `token:alice/ci`. */
  readonly actor: string
  /** The effective role in a project: the user's grants cut down by the token's scope. Null: none at all. */
  roleIn(project: ProjectName | null): Role | null
  /** What narrows it further than its role does. */
  readonly limits?: IdentityLimits
  /** Set where it is no person but a runner on another machine, which has a role nowhere: the runner's id. */
  readonly runner?: string
  /** Set where somebody is signed in at the web: the session's id. */
  readonly session?: string
}

/** A job is somebody too, but may only what its permissions name. */
export type IdentityLimits = {
  /** Whether it may make a call of the API at all, by its path as it came: `/api/v1/projects/shop/runs`. */
  mayCall(method: string, path: string): Promise<boolean>
  mayUseRepository(repository: { project: ProjectName; repository: RepositoryName }, isWrite: boolean): boolean
}

/** Whether a role is at least another. */
export const atLeast = (role: Role | null, needed: Role): boolean =>
  role !== null && order.indexOf(role) >= order.indexOf(needed)
const order: readonly Role[] = ['viewer', 'developer', 'operator', 'administrator']

export type Authentication = {
  /** The identity behind a token; null when it is unknown, expired or revoked. Constant-time in the token. */
  identify(token: string): Promise<Identity | null>
}

/** Secrets and variables, sealed at rest, given by name. */
export type Settings = {
  /** The values of these names for a service in an environment (most specific scope wins); names that are not set are listed. */
  resolve(
    scope: { project: ProjectName; service: ServiceName; environment: EnvironmentName | null },
    names: readonly string[],
  ): Promise<{ values: Record<string, string>; missing: string[] }>
}

/** Envelope encryption: AES-256-GCM, a data key per secret wrapped by the master key, the secret's full name as additional data. */
export type Seal = {
  seal(name: string, plain: Uint8Array): Uint8Array
  /** Throws when the bytes were changed, or sealed under another name or master key. */
  open(name: string, sealed: Uint8Array): Uint8Array
}
