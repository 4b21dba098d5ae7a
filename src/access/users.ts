import { z } from 'zod'
import { type Actor, fact } from '../ledger/fact.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import { ProjectName } from '../names.ts'
import { Problem } from '../problem.ts'
import { Role, roleGranted, roleRevoked, userCreated } from './facts.ts'
import { roleOf } from './grants.ts'
import type { AccessQueries } from './views.ts'

export const UserName = z
  .string()
  .max(39, 'a user name has at most 39 characters')
  .regex(/^[a-z][a-z0-9]*([._-][a-z0-9]+)*$/, 'a user name is lower-case letters and digits, with single . _ - between')

/** `project: null` is the whole instance. */
export type Grant = { readonly role: Role; readonly project: ProjectName | null }
export type User = { readonly user: string; readonly createdAt: number; readonly grants: readonly Grant[] }

export type Users = {
  list(): Promise<User[]>
  create(user: string, by: Actor): Promise<void>
  /** One role in a place; a new one replaces it. */
  grant(user: string, grant: Grant, by: Actor): Promise<void>
  revoke(user: string, project: ProjectName | null, by: Actor): Promise<void>
  /** The effective role in a project; null where there is none, or no such user. */
  roleOf(user: string, project: ProjectName): Promise<Role | null>
}

export const userSubject = (user: string): string => `user:${user}`

export const createUsers = ({
  ledger,
  views,
  queries,
}: {
  ledger: Ledger
  views: Views
  queries: AccessQueries
}): Users => {
  const mustExist = async (user: string): Promise<void> => {
    await views.reach()
    if (!(await queries.user(user))) throw noUser(user)
  }

  /** Somebody must be left who can give roles; whoever takes the last one would lock everybody out. */
  const keepAnAdministrator = async (user: string): Promise<void> => {
    const administrators = (await queries.grants()).filter(
      (grant) => grant.project === '' && grant.role === 'administrator',
    )
    if (administrators.length === 1 && administrators[0]?.user_name === user) throw lastAdministrator(user)
  }

  let last: Promise<unknown> = Promise.resolve()
  /** One change after another: of two administrators who take each other's role at once, one stays. */
  const inTurn = (change: () => Promise<void>): Promise<void> => {
    const result = last.then(change)
    last = result.catch(() => undefined)
    return result
  }

  return {
    list: async () => {
      await views.reach()
      const grants = await queries.grants()
      return (await queries.users()).map((row) => ({
        user: row.user_name,
        createdAt: row.created_at,
        grants: grants
          .filter((grant) => grant.user_name === row.user_name)
          .map(({ role, project }) => ({
            role: Role.parse(role),
            project: project === '' ? null : ProjectName.parse(project),
          })),
      }))
    },

    create: async (user, by) => {
      const subject = userSubject(user)
      const outcome = await ledger.append([fact(userCreated, { subject, actor: by, payload: { user } })], {
        expect: { subject, seq: 0 },
      })
      if (outcome.kind === 'outdated') throw userExists(user)
    },

    grant: (user, grant, by) =>
      inTurn(async () => {
        await mustExist(user)
        if (grant.project === null && grant.role !== 'administrator') await keepAnAdministrator(user)
        const payload = { user, ...grant }
        await ledger.append([fact(roleGranted, { subject: userSubject(user), actor: by, payload })])
      }),

    roleOf: async (user, project) => {
      await views.reach()
      return roleOf(await queries.grantsOf(user), project)
    },

    revoke: (user, project, by) =>
      inTurn(async () => {
        await mustExist(user)
        const held = (await queries.grantsOf(user)).find((grant) => grant.project === (project ?? ''))
        if (!held) return
        if (project === null) await keepAnAdministrator(user)
        const payload = { user, role: Role.parse(held.role), project }
        await ledger.append([fact(roleRevoked, { subject: userSubject(user), actor: by, payload })])
      }),
  }
}

export const noUser = (user: string): Problem =>
  new Problem({
    kind: 'user-not-found',
    status: 404,
    detail: `there is no user ${user}`,
    next: `headway user list shows them; headway user add ${user} makes one`,
  })

const userExists = (user: string): Problem =>
  new Problem({
    kind: 'user-exists',
    status: 409,
    detail: `there is a user ${user} already`,
    next: `headway user role ${user} <role> gives a role`,
  })

const lastAdministrator = (user: string): Problem =>
  new Problem({
    kind: 'last-administrator',
    status: 409,
    detail: `${user} is the last administrator`,
    next: 'make somebody else administrator first: headway user role <user> administrator --everywhere',
  })
