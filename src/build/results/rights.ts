import type { Identity, IdentityLimits } from '../../access/access.ts'
import type { JobSubject } from './token.ts'

/** What a call of the API needs of a job's permissions; the first that fits counts, and what fits none is refused. */
type Rule = { readonly path: RegExp; readonly permission: string }

/** Paths of the API below `/api/v1/projects/<project>`, by the permission that GitHub asks for the like. */
const rules: readonly Rule[] = [
  { path: /^\/(runs|workflows|artifacts|caches|dispatch)(\/|$)/, permission: 'actions' },
  { path: /^\/repositories\/[^/]+\/changes(\/|$)/, permission: 'pull-requests' },
  { path: /^\/changes(\/|$)/, permission: 'pull-requests' },
  { path: /^\/repositories\/[^/]+\/(refs|dispatches)$/, permission: 'contents' },
  { path: /^\/deployments(\/|$)/, permission: 'deployments' },
  { path: /^\/services\/[^/]+\/releases(\/|$)/, permission: 'packages' },
]

/**
 * Who a job is to Git and to the API: nobody outside of its project, in it at most a developer, and of what a developer may only that which
 * the job's permissions name. Its own repository is the only one that it sees, its own run the only one where it is not trusted.
 */
export const identityOfJob = (subject: JobSubject): Identity => {
  const { run, job, project, permissions } = subject
  const mayWrite = Object.entries(permissions).some(([name, level]) => level === 'write' && name !== 'id-token')
  const role = mayWrite ? 'developer' : 'viewer'
  return {
    user: `run ${run}`,
    actor: `job:${run}/${job}`,
    roleIn: (asked) => (asked === project ? role : null),
    limits: limitsOf(subject),
  }
}

const limitsOf = ({ project, repository, run, isTrusted, permissions }: JobSubject): IdentityLimits => {
  const permits = (permission: string, isWrite: boolean): boolean =>
    permissions[permission] === 'write' || (!isWrite && permissions[permission] === 'read')
  return {
    mayUseRepository: (key, isWrite) =>
      key.project === project && key.repository === repository && permits('contents', isWrite),
    mayCall: (method, path) => {
      const prefix = `/api/v1/projects/${project}`
      if (!path.startsWith(`${prefix}/`)) return false
      const rest = path.slice(prefix.length)
      const rule = rules.find((one) => one.path.test(rest))
      if (!rule || !permits(rule.permission, method !== 'GET' && method !== 'HEAD')) return false
      const [, place, name] = rest.split('/')
      if (place === 'repositories') return name === repository
      return isTrusted || place !== 'runs' || name === run
    },
  }
}
