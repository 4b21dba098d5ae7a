import type { Settings } from '../access/access.ts'
import type { InstanceSpec } from '../agent/protocol.ts'
import { isPreview, shortDigest } from '../names.ts'
import type { Databases } from '../operate/attachments.ts'
import type { Release, Releases } from '../package/release.ts'
import { Problem } from '../problem.ts'
import type { RunAs } from '../processes/command.ts'
import type { DesiredState } from './desired.ts'
import type { Surroundings } from './migrations/migration.ts'
import { environmentOption, instanceIds, ownerOf, type Target } from './target.ts'

/** What an instance is made from. */
export type Ingredients = {
  readonly releases: Releases
  readonly settings: Settings
  readonly databases: Databases
  /** The unprivileged user of `service/<project>/<service>`; null when Headway is not root. */
  userFor(purpose: string): Promise<RunAs | null> | RunAs | null
}

export type Prepared = {
  readonly specs: readonly InstanceSpec[]
  /** What every instance is given, and a migration before them. */
  readonly surroundings: Surroundings
  /** Values that must not show up in what is recorded. */
  readonly secretValues: readonly string[]
}

const drainMs = 30_000
const graceMs = 10_000

/** Everything that instances of a deployment need, fetched or made; refuses with a Problem that says what is missing. */
export const prepareSpecs = async (
  { releases, settings, databases, userFor }: Ingredients,
  { target, deployment, state }: { target: Target; deployment: string; state: DesiredState },
): Promise<Prepared> => {
  const { project, service, environment } = target
  const [release, files, given, database, user] = await Promise.all([
    openRelease(releases, state),
    releases.unpack(state.release),
    settings.resolve(target, state.secrets),
    state.database === null ? null : databases.ensure({ project, service, environment }, state.copy),
    // What a change proposes must not read what runs as the service: its memory, its environment.
    userFor(`${isPreview(environment) ? 'preview' : 'service'}/${project}/${service}`),
  ])
  if (given.missing.length > 0) throw missingSettings(target, given.missing)
  const env = {
    ...release.env,
    ...state.env,
    ...given.values,
    ...(database ? { DATABASE_URL: database.url } : {}),
    HEADWAY_SERVICE: service,
    HEADWAY_RELEASE: state.release,
    HEADWAY_COMMIT: state.commit,
    HEADWAY_ENVIRONMENT: environment,
  }
  const surroundings: Surroundings = {
    files,
    workingDirectory: release.workingDirectory,
    env,
    limits: { memoryBytes: state.resources.memoryBytes, cpus: state.resources.cpus, processes: null },
    user: user ? { uid: user.uid, gid: user.gid } : null,
  }
  const specs = instanceIds(service, deployment, state.replicas).map(
    (id): InstanceSpec => ({
      id,
      owner: ownerOf(target, state.release, state.commit),
      ...surroundings,
      argv: [...release.argv],
      env: { ...env, HEADWAY_INSTANCE: id },
      port: null,
      health: { kind: 'http', path: state.health.path, intervalMs: 5_000, timeoutMs: 5_000, failures: 3 },
      readyTimeoutMs: state.health.readyTimeoutMs,
      stop: { signal: 'SIGTERM', drainMs, graceMs },
    }),
  )
  return {
    specs,
    surroundings,
    secretValues: [...Object.values(given.values), ...(database ? passwordsOf(database.url) : [])],
  }
}

/** The release that is to run; a Problem when it is gone. */
export const openRelease = async (releases: Releases, { release }: Pick<DesiredState, 'release'>): Promise<Release> => {
  const opened = await releases.open(release)
  if (opened) return opened
  throw new Problem({
    kind: 'release-not-found',
    status: 404,
    detail: `the release ${shortDigest(release)} is no longer on this machine`,
    next: 'push the commit again, or choose a release from headway releases',
  })
}

const missingSettings = ({ project, service, environment }: Target, missing: readonly string[]): Problem => {
  const forPreviews = isPreview(environment)
  const set = missing.map(
    (name) =>
      `headway secret set ${name} --project ${project} --service ${service}${forPreviews ? ' --environment preview' : ''}`,
  )
  const then = forPreviews
    ? 'headway previews start <change>'
    : `headway deploy ${service}${environmentOption({ environment })}`
  return new Problem({
    kind: 'setting-missing',
    status: 409,
    detail: `${project}/${service} asks for ${missing.join(', ')}, not set for ${forPreviews ? 'previews' : environment}`,
    next: `${set.join('; ')}, then ${then}`,
  })
}

const passwordsOf = (url: string): string[] => {
  const { password } = new URL(url)
  return [url, password, decodeURIComponent(password)].filter((value) => value !== '')
}

/** Lines with the values that nobody must read taken out. */
export const masked = (lines: readonly string[], secretValues: readonly string[]): string[] => {
  const hidden = secretValues.filter((value) => value.length >= 4).sort((left, right) => right.length - left.length)
  return lines.map((line) => hidden.reduce((text, value) => text.replaceAll(value, '***'), line))
}
