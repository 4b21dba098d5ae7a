import { createHash } from 'node:crypto'
import { effect } from '../effect.ts'
import { fact } from '../ledger/fact.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import type { EnvironmentName, ServiceKey } from '../names.ts'
import { Problem } from '../problem.ts'
import type { Databases } from './attachments.ts'
import type { Copies } from './copies.ts'
import { type Credentials, scramVerifier } from './credentials.ts'
import { type Engine, withClient } from './engine.ts'
import { databaseCopied, databaseCreated, databaseRemoved } from './facts.ts'
import type { OperateQueries } from './views.ts'

export type DatabaseOwner = ServiceKey & { readonly environment: EnvironmentName }

export const databaseSubject = ({ project, service, environment }: DatabaseOwner): string =>
  `database:${project}/${service}/${environment}`

/**
 * The name of role and database. Names of services hold no underscore, so no two owners share one; what is longer than PostgreSQL
 * takes (63 bytes) is cut and told apart by a hash.
 */
export const databaseName = ({ project, service, environment }: DatabaseOwner): string => {
  const whole = `${project}_${service}_${environment}`
  if (whole.length <= 63) return whole
  return `${whole.slice(0, 50)}_${createHash('sha256').update(whole).digest('hex').slice(0, 12)}`
}

/** A database and a role for each service in each environment; a role can connect to its own database only. */
export const createDatabases = (ports: {
  readonly ledger: Ledger
  readonly views: Views
  readonly queries: OperateQueries
  readonly credentials: Credentials
  readonly engine: Engine
  readonly copies: Copies
}) => {
  const { ledger, views, queries, credentials, engine, copies } = ports
  const turns = new Map<string, Promise<unknown>>()
  /** What this process has already made sure of. */
  const ensured = new Set<string>()

  /** One thing at a time for each database. */
  const inTurn = <Result>(name: string, act: () => Promise<Result>): Promise<Result> => {
    const result = (turns.get(name) ?? Promise.resolve()).then(act, act)
    turns.set(name, result)
    return result
  }

  const urlFor = (adminUrl: string, name: string): string => {
    const url = new URL(adminUrl)
    url.username = encodeURIComponent(name)
    url.password = encodeURIComponent(credentials.take(name))
    url.pathname = `/${encodeURIComponent(name)}`
    return url.href
  }

  const make = async (adminUrl: string, name: string): Promise<void> => {
    await withClient(adminUrl, async (client) => {
      const quoted = client.escapeIdentifier(name)
      const password = client.escapeLiteral(scramVerifier(credentials.take(name)))
      const roles = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [name])
      const verb = roles.rowCount === 0 ? 'CREATE' : 'ALTER'
      await effect('operate.create-role', () => client.query(`${verb} ROLE ${quoted} LOGIN PASSWORD ${password}`))
      if (!engine.own) await client.query(`GRANT ${quoted} TO CURRENT_USER`) // who is no superuser makes databases for its own roles only
      const databases = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name])
      if (databases.rowCount === 0)
        await effect('operate.create-database', () =>
          client.query(`CREATE DATABASE ${quoted} OWNER ${quoted} TEMPLATE template0 ENCODING 'UTF8'`),
        )
      await client.query(`REVOKE ALL ON DATABASE ${quoted} FROM PUBLIC`)
    })
  }

  const isThere = async (owner: DatabaseOwner): Promise<boolean> => {
    await views.reach()
    const known = await queries.database(owner)
    return known !== null && known.removed_at === null
  }

  const recordOnce = async (owner: DatabaseOwner, name: string): Promise<void> => {
    if (await isThere(owner)) return
    const payload = { ...owner, engine: 'postgres' as const, database: name }
    await ledger.append([fact(databaseCreated, { subject: databaseSubject(owner), actor, payload })])
  }

  const drop = async (adminUrl: string, name: string): Promise<void> => {
    ensured.delete(name)
    await withClient(adminUrl, async (client) => {
      const quoted = client.escapeIdentifier(name)
      await effect('operate.drop-database', () => client.query(`DROP DATABASE IF EXISTS ${quoted} WITH (FORCE)`))
      await effect('operate.drop-role', () => client.query(`DROP ROLE IF EXISTS ${quoted}`))
    })
  }

  /** It is recorded when it is whole: what is there without being recorded was left half filled, and goes first. */
  const makeCopy = async (adminUrl: string, owner: DatabaseOwner, from: EnvironmentName): Promise<void> => {
    const name = databaseName(owner)
    const source = await connection({ ...owner, environment: from })
    await drop(adminUrl, name)
    await make(adminUrl, name)
    await copies.copy(source.url, urlFor(adminUrl, name), name)
    const about = { subject: databaseSubject(owner), actor }
    await ledger.append([
      fact(databaseCreated, { ...about, payload: { ...owner, engine: 'postgres', database: name } }),
      fact(databaseCopied, { ...about, payload: { ...owner, from, database: name } }),
    ])
  }

  const ensure: Databases['ensure'] = async ({ project, service, environment }, copyOf = null) => {
    const owner = { project, service, environment }
    const name = databaseName(owner)
    const adminUrl = await engine.ensure()
    return inTurn(name, async () => {
      if (!ensured.has(name)) {
        if (copyOf !== null && !(await isThere(owner))) await makeCopy(adminUrl, owner, copyOf)
        await make(adminUrl, name)
        await recordOnce(owner, name)
        ensured.add(name)
      }
      return { url: urlFor(adminUrl, name) }
    })
  }

  /** The URL of a database that is there; a Problem when there is none. */
  const connection = async (owner: DatabaseOwner): Promise<{ database: string; url: string }> => {
    const row = await known(owner)
    return { database: row.database_name, url: urlFor(await engine.ensure(), row.database_name) }
  }

  /** Database, role and password, then the fact: killed between them, it is done once more. */
  const removeNow = async (owner: DatabaseOwner, name: string, by: string): Promise<void> => {
    const adminUrl = await engine.ensure()
    await inTurn(name, async () => {
      await drop(adminUrl, name)
      await copies.forget(name)
      credentials.forget(name)
      if (!(await isThere(owner))) return
      const payload = { ...owner, database: name }
      await ledger.append([fact(databaseRemoved, { subject: databaseSubject(owner), actor: by, payload })])
    })
  }

  return {
    ensure,

    connection,

    /** Forgets what was made sure of, because the engine's files were replaced. */
    reset: (): void => ensured.clear(),

    /**
     * Deletes a database for good. Its service must be gone first, and its name said again: data goes only when it is said twice.
     */
    remove: async (owner: DatabaseOwner, confirm: string | undefined, by: string): Promise<void> => {
      const row = await known(owner)
      if (row.in_use === 1) throw stillInUse(owner)
      if (confirm !== owner.service) throw notConfirmed(owner)
      await removeNow(owner, row.database_name, by)
    },

    /** The same without being asked twice, for what was made to be thrown away. Nothing where there is none, and none half made. */
    discard: async ({ project, service, environment }: DatabaseOwner, by: string): Promise<void> => {
      const owner = { project, service, environment }
      const name = databaseName(owner)
      if ((await isThere(owner)) || credentials.has(name)) await removeNow(owner, name, by)
    },
  }

  async function known(owner: DatabaseOwner) {
    await views.reach()
    const row = await queries.database(owner)
    if (row && row.removed_at === null) return row
    throw new Problem({
      kind: 'database-not-found',
      status: 404,
      detail: `${owner.project}/${owner.service} has no database in ${owner.environment}`,
      next: 'add "database: postgres" to its headway.yaml and push',
    })
  }
}
export type ServiceDatabases = ReturnType<typeof createDatabases>

const actor = 'system:operate'

const stillInUse = ({ project, service }: DatabaseOwner): Problem =>
  new Problem({
    kind: 'database-in-use',
    status: 409,
    detail: `the database of ${project}/${service} is in use by the service`,
    next: `headway remove ${service} first; its data stays until you then say headway db remove ${service} --confirm ${service}`,
  })

const notConfirmed = ({ project, service, environment }: DatabaseOwner): Problem =>
  new Problem({
    kind: 'confirmation-needed',
    status: 409,
    detail: `this deletes all data of ${project}/${service} in ${environment}, for good`,
    next: `headway db backup ${service} keeps a copy; headway db remove ${service} --confirm ${service} deletes it`,
  })
