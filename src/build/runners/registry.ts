import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import type { Identity } from '../../access/access.ts'
import { tokenHash } from '../../access/token.ts'
import type { Ids } from '../../clock.ts'
import { fact } from '../../ledger/fact.ts'
import type { Ledger, Views } from '../../ledger/ledger.ts'
import { ProjectName } from '../../names.ts'
import { Problem } from '../../problem.ts'
import type { Store } from '../../store/store.ts'
import { runnerLabelled, runnerRegistered, runnerRevoked } from './facts.ts'
import { labelPattern } from './labels.ts'
import type { RunnerRow, RunnerTables } from './views.ts'

export const RunnerName = z
  .string()
  .max(60, 'the name of a runner has at most 60 characters')
  .regex(/^[a-z0-9][a-z0-9._-]*$/, 'the name of a runner is lower-case letters, digits, dots, dashes and underscores')
  .refine((name) => name !== 'local', "local is the name of the server's own runner")

export const Label = z
  .string()
  .transform((label) => label.trim().toLowerCase())
  .pipe(z.string().regex(labelPattern, 'a label is letters, digits, dots, dashes, underscores and colons, at most 100'))

/** A runner that may come. */
export type KnownRunner = {
  readonly runner: string
  readonly name: string
  /** The only labels that it may claim; null: any. */
  readonly labels: readonly string[] | null
  readonly project: ProjectName | null
  readonly registeredAt: number
  readonly revokedAt: number | null
}

export type NewRunner = Pick<KnownRunner, 'name' | 'labels' | 'project'>

/** Which machines may run jobs. */
export type Registry = {
  list(): Promise<KnownRunner[]>
  find(runner: string): Promise<KnownRunner | null>
  /** The token is in the answer and nowhere else. */
  register(wanted: NewRunner, actor: string): Promise<{ runner: KnownRunner; secret: string }>
  revoke(runner: string, actor: string): Promise<void>
  /** Gives the server's own runner these labels besides those that it always has. */
  label(labels: readonly string[], actor: string): Promise<void>
  localLabels(): Promise<readonly string[]>
  /** Who sends a runner's token: nobody with a role anywhere, only that runner. Null: no such token counts. */
  identify(token: string): Promise<Identity | null>
}

/** A runner's token: told from a user's by its beginning, hashed at rest as that is (see access/token.ts). */
const newRunnerToken = (): string => `hwr_${randomBytes(32).toString('base64url')}`
export const isRunnerToken = (text: string): boolean => /^hwr_[A-Za-z0-9_-]{43}$/.test(text)

export const createRegistry = ({
  ledger,
  views,
  store,
  ids,
  now,
}: {
  ledger: Ledger
  views: Views
  store: Store
  ids: Ids
  now: () => number
}): Registry => {
  const rows = () => store.tables<RunnerTables>().selectFrom('build_runners').selectAll()
  const find = async (runner: string): Promise<KnownRunner | null> => {
    await views.reach()
    const row = await rows().where('runner', '=', runner).executeTakeFirst()
    return row ? knownOf(row) : null
  }
  return {
    find,
    list: async () => {
      await views.reach()
      return (await rows().orderBy('registered_at').orderBy('runner').execute()).map(knownOf)
    },
    register: async ({ name, labels, project }, actor) => {
      await views.reach()
      const namesake = await rows().where('name', '=', name).where('revoked_at', 'is', null).executeTakeFirst()
      if (namesake) throw nameTaken(name, namesake.runner)
      const secret = newRunnerToken()
      const runner = ids('runner')
      const payload = { runner, name, hash: tokenHash(secret), labels: labels && [...labels], project }
      await ledger.append([fact(runnerRegistered, { subject: `runner:${runner}`, actor, payload })])
      return { runner: { runner, name, labels, project, registeredAt: now(), revokedAt: null }, secret }
    },
    revoke: async (runner, actor) => {
      const known = await find(runner)
      if (!known) throw noRunner(runner)
      if (known.revokedAt !== null) return
      await ledger.append([fact(runnerRevoked, { subject: `runner:${runner}`, actor, payload: { runner } })])
    },
    label: async (labels, actor) => {
      const payload = { runner: 'local' as const, labels: [...labels] }
      await ledger.append([fact(runnerLabelled, { subject: 'runner:local', actor, payload })])
    },
    localLabels: async () => {
      await views.reach()
      const row = await store
        .tables<RunnerTables>()
        .selectFrom('build_labels')
        .selectAll()
        .where('runner', '=', 'local')
        .executeTakeFirst()
      return row ? z.array(z.string()).parse(JSON.parse(row.labels)) : []
    },
    identify: async (token) => {
      if (!isRunnerToken(token)) return null
      await views.reach()
      const row = await rows().where('hash', '=', tokenHash(token)).where('revoked_at', 'is', null).executeTakeFirst()
      if (!row) return null
      const name = `runner:${row.name}`
      return { user: name, actor: name, roleIn: () => null, runner: row.runner }
    },
  }
}

const knownOf = (row: RunnerRow): KnownRunner => ({
  runner: row.runner,
  name: row.name,
  labels: row.labels === null ? null : z.array(z.string()).parse(JSON.parse(row.labels)),
  project: row.project === null ? null : ProjectName.parse(row.project),
  registeredAt: Number(row.registered_at),
  revokedAt: row.revoked_at === null ? null : Number(row.revoked_at),
})

const nameTaken = (name: string, runner: string): Problem =>
  new Problem({
    kind: 'runner-exists',
    status: 409,
    detail: `there is a runner called ${name} already`,
    next: `choose another name, or end that one with headway runners revoke ${runner}`,
  })

export const noRunner = (runner: string): Problem =>
  new Problem({
    kind: 'runner-not-found',
    status: 404,
    detail: `there is no runner ${runner}`,
    next: 'headway runners shows them',
  })
