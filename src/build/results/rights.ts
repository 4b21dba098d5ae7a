import type { Identity, IdentityLimits } from '../../access/access.ts'
import type { JobSubject } from './token.ts'

/** What a call of the API needs of a job's permissions; the first that fits counts, and what fits none is refused. */
type Rule = { readonly path: RegExp; readonly permissions: readonly string[] }

/**
 * Paths of the API below `/api/v1/projects/<project>`, by the permission that GitHub asks for the like. No job approves anything, sets
 * anything up, or sees what is set.
 */
const rules: readonly Rule[] = [
  { path: /^\/runs(\/[^/]+(\/(cancel|rerun|artifacts|jobs\/[^/]+\/log))?)?$/, permissions: ['actions'] },
  { path: /^\/(artifacts|caches)(\/|$)/, permissions: ['actions'] },
  { path: /^\/repositories\/[^/]+\/workflows\/[^/]+\/dispatches$/, permissions: ['actions'] },
  { path: /^\/repositories\/[^/]+\/(refs|dispatches|releases)$/, permissions: ['contents'] },
  {
    path: /^\/repositories\/[^/]+\/changes(\/[^/]+(\/(description|diff|comments(\/[^/]+)?|abandon|reopen|retest))?)?$/,
    permissions: ['pull-requests'],
  },
  { path: /^\/repositories\/[^/]+\/changes\/[^/]+\/merge$/, permissions: ['pull-requests', 'contents'] },
  { path: /^\/deployments(\/|$)/, permissions: ['deployments'] },
  { path: /^\/services\/[^/]+\/releases(\/|$)/, permissions: ['packages'] },
]

/** Whose the things are that paths of the API name by their own names; null: there is no such thing. */
export type Owners = {
  ofRun(project: string, run: string): Promise<string | null>
  ofArtifact(project: string, artifact: number): Promise<string | null>
  ofCache(project: string, cache: number): Promise<string | null>
}

/**
 * Who a job is to Git and to the API: nobody outside of its project, in it at most a developer, and of what a developer may only that which
 * the job's permissions name. Its own repository is the only one that it sees, its own run the only one where it is not trusted.
 */
export const identityOfJob = (subject: JobSubject, owners: Owners): Identity => {
  const { run, job, project, permissions } = subject
  const mayWrite = Object.entries(permissions).some(([name, level]) => level === 'write' && name !== 'id-token')
  const role = mayWrite ? 'developer' : 'viewer'
  return {
    user: `run ${run}`,
    actor: `job:${run}/${job}`,
    roleIn: (asked) => (asked === project ? role : null),
    limits: limitsOf(subject, owners),
  }
}

const limitsOf = (subject: JobSubject, owners: Owners): IdentityLimits => {
  const { project, repository, permissions } = subject
  const permits = (permission: string, isWrite: boolean): boolean =>
    permissions[permission] === 'write' || (!isWrite && permissions[permission] === 'read')
  return {
    mayUseRepository: (key, isWrite) =>
      key.project === project && key.repository === repository && permits('contents', isWrite),
    mayCall: async (method, path) => {
      const prefix = `/api/v1/projects/${project}`
      if (!path.startsWith(`${prefix}/`)) return false
      const rest = path.slice(prefix.length)
      const rule = rules.find((one) => one.path.test(rest))
      const isWrite = method !== 'GET' && method !== 'HEAD'
      if (!rule?.permissions.every((permission) => permits(permission, isWrite))) return false
      return isOwn(subject, rest.split('/').slice(1), owners)
    },
  }
}

/** Whether what a path names belongs to the job's repository; lists of a whole project are for trusted runs. */
const isOwn = async (
  { project, repository, run, isTrusted }: JobSubject,
  [place, name]: readonly string[],
  owners: Owners,
): Promise<boolean> => {
  if (place === 'repositories') return name === repository
  if (place === 'runs' && name === run) return true
  if (!isTrusted) return false
  if (name === undefined) return true
  if (place === 'runs') return (await owners.ofRun(project, name)) === repository
  if (place === 'artifacts') return (await owners.ofArtifact(project, Number(name))) === repository
  if (place === 'caches') return (await owners.ofCache(project, Number(name))) === repository
  return true
}
