import type { IncomingMessage } from 'node:http'
import type { MiddlewareHandler } from 'hono'
import { atLeast, type Identity } from '../access/access.ts'
import type { Role } from '../access/facts.ts'
import { ProjectName } from '../names.ts'
import { Problem } from '../problem.ts'

/** What every handler sees: who asks, already checked against the route's needs, and from which address. */
export type ApiEnv = {
  Variables: { identity: Identity; address: string }
  /** Node's own request, for those who read its body as it comes. */
  Bindings: { incoming?: IncomingMessage }
}

/**
 * Who may call a route. With `in: 'project'` the role is needed in the project named by the path parameter `{project}`; with
 * `in: 'instance'` it is needed for the whole instance. `'somebody'` is anyone with a valid token: the handler shows each only what is
 * his. `'runner'` is a runner on another machine, by its own token, which opens nothing else. `'signature'` is another system that has
 * signed what it sends: no token is looked at, and the handler refuses what is not signed. `'anyone'` is for health, the API's own
 * description, signing in, and those who answer a survey by its link.
 */
export type Needs =
  | { readonly role: Role; readonly in: 'project' | 'instance' }
  | 'somebody'
  | 'runner'
  | 'signature'
  | 'anyone'

/** Stands before the handler of a route and sees the same path parameters as it does. */
export const guardFor =
  (needs: Needs): MiddlewareHandler<{ Variables: { identity?: Identity } }> =>
  async (context, next) => {
    if (needs !== 'anyone' && needs !== 'signature') {
      const identity = context.get('identity')
      if (!identity) throw unauthenticated()
      if (identity.limits && !(await identity.limits.mayCall(context.req.method, context.req.path)))
        throw beyondPermissions(identity)
      if ((identity.runner !== undefined) !== (needs === 'runner')) throw notForRunners(identity)
      if (typeof needs !== 'string') refuseUnless(identity, needs, context.req.param('project'))
    }
    await next()
  }

const refuseUnless = (identity: Identity, needs: Exclude<Needs, string>, named: string | undefined): void => {
  if (needs.in === 'instance') {
    if (!atLeast(identity.roleIn(null), needs.role)) throw forbidden(identity, needs.role, null)
    return
  }
  const project = ProjectName.safeParse(named)
  if (!project.success)
    throw new Problem({
      kind: 'invalid-request',
      status: 400,
      detail: project.error.issues[0]?.message ?? 'that is no name of a project',
      where: { path: 'project' },
    })
  if (!atLeast(identity.roleIn(project.data), needs.role)) throw forbidden(identity, needs.role, project.data)
}

export const unauthenticated = (): Problem =>
  new Problem({
    kind: 'unauthenticated',
    status: 401,
    detail: 'this needs a token that is known, not expired and not revoked',
    next: 'send it as "Authorization: Bearer hw_...", or as the password of HTTP Basic; headway token create makes one',
  })

const beyondPermissions = (identity: Identity): Problem =>
  new Problem({
    kind: 'forbidden',
    status: 403,
    detail: `the permissions of the job do not reach this call (${identity.actor})`,
    next: 'name what it needs under permissions: in the workflow; what no permission names needs a token of a person, as a secret',
  })

const notForRunners = ({ user, runner }: Identity): Problem =>
  new Problem({
    kind: 'forbidden',
    status: 403,
    detail:
      runner === undefined
        ? 'only a runner may do this, with its own token'
        : `${user} may do nothing but run the jobs it is given`,
    next: runner === undefined ? 'headway runners create makes one' : 'use a token of a user: headway token create',
  })

const forbidden = (identity: Identity, role: Role, project: ProjectName | null): Problem =>
  new Problem({
    kind: 'forbidden',
    status: 403,
    detail: `this needs the role ${role} in ${project === null ? 'the whole instance' : `the project ${project}`}, which ${identity.user} does not have with this token`,
    next:
      project === null
        ? `an administrator gives it with headway user role ${identity.user} ${role} --everywhere`
        : `an administrator gives it with headway user role ${identity.user} ${role} --project ${project}`,
  })
