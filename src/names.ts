import { z } from 'zod'

/**
 * The names that come from outside, parsed once at the door and branded from then on. They become host names, directory
 * names, database names and Git paths, so they are the common subset: a DNS label.
 */
const label = (what: string, maximum: number) =>
  z
    .string()
    .min(1)
    .max(maximum, `${article(what)} ${what} has at most ${maximum} characters`)
    .regex(
      /^[a-z]([a-z0-9-]*[a-z0-9])?$/,
      `${article(what)} ${what} is lower-case letters, digits and single dashes, starting with a letter`,
    )
    .refine((name) => !name.includes('--'), `${article(what)} ${what} has no double dash`)

const article = (noun: string): string => (/^[aeio]/.test(noun) ? 'an' : 'a')

export const ProjectName = label('project name', 32).brand<'ProjectName'>()
export type ProjectName = z.infer<typeof ProjectName>

export const ServiceName = label('service name', 40).brand<'ServiceName'>()
export type ServiceName = z.infer<typeof ServiceName>

export const EnvironmentName = label('environment name', 32).brand<'EnvironmentName'>()
export type EnvironmentName = z.infer<typeof EnvironmentName>

export const RepositoryName = label('repository name', 60).brand<'RepositoryName'>()
export type RepositoryName = z.infer<typeof RepositoryName>

/** A full Git object name (SHA-1 or SHA-256), lower case. */
export const CommitId = z
  .string()
  .regex(/^([0-9a-f]{40}|[0-9a-f]{64})$/, 'a commit is 40 or 64 hexadecimal digits')
  .brand<'CommitId'>()
export type CommitId = z.infer<typeof CommitId>

/** A content address: `sha256:` and 64 hexadecimal digits. */
export const Digest = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, 'a digest is sha256: and 64 hexadecimal digits')
  .brand<'Digest'>()
export type Digest = z.infer<typeof Digest>

/** The project that a repository or service belongs to when nobody said otherwise. */
export const defaultProject = ProjectName.parse('default')

/** The first (and, until a team adds others, only) environment of a service. */
export const defaultEnvironment = EnvironmentName.parse('production')

/** The environment in which a change (by its number within its repository) can be looked at before it is merged. */
export const previewEnvironment = (change: number): EnvironmentName => EnvironmentName.parse(`change-${change}`)
/** Whether an environment is the preview of a change: nothing is promoted from or to it, and nobody's users are there. */
export const isPreview = (environment: string): boolean => /^change-[0-9]+$/.test(environment)

/** A service in its project, the pair by which facts, roles, hosts, databases and paths are keyed. */
export type ServiceKey = { readonly project: ProjectName; readonly service: ServiceName }
export const serviceSubject = ({ project, service }: ServiceKey): string => `service:${project}/${service}`
export const repositorySubject = (project: ProjectName, repository: RepositoryName): string =>
  `repository:${project}/${repository}`

/** The first characters of a commit or digest, as people read them. */
export const shortCommit = (commit: string): string => commit.slice(0, 7)
/**
 * A version as people call it: by its commit; one without (another system told of it) by the name that it came with, which is cut short only
 * where it is a commit or a digest itself. Null: nobody has said which it was.
 */
export const versionName = ({ commit, revision }: VersionNames): string | null => {
  if (commit !== null) return shortCommit(commit)
  return revision !== null && /^(sha256:)?[0-9a-f]{40,64}$/.test(revision)
    ? shortCommit(revision.replace(/^sha256:/, ''))
    : revision
}
export type VersionNames = { readonly commit: string | null; readonly revision: string | null }

export const shortDigest = (digest: string): string => digest.replace(/^sha256:/, '').slice(0, 12)
