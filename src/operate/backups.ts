import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { Clock, Ids } from '../clock.ts'
import { effect } from '../effect.ts'
import type { Home } from '../home.ts'
import { fact } from '../ledger/fact.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import { EnvironmentName, ProjectName, ServiceName } from '../names.ts'
import { Problem } from '../problem.ts'
import { syncDirectory } from '../processes/files.ts'
import { copyRunning, copyTree } from './copy.ts'
import { databaseSubject } from './databases.ts'
import { type Engine, type OwnEngine, previousDirectory, withClient } from './engine.ts'
import { databaseBackedUp, databaseRestored } from './facts.ts'
import type { OperateQueries } from './views.ts'

const Manifest = z.object({
  backup: z.string(),
  at: z.number(),
  major: z.number(),
  sizeBytes: z.number(),
  databases: z.array(
    z.object({ project: ProjectName, service: ServiceName, environment: EnvironmentName, database: z.string() }),
  ),
})
export type BackupManifest = z.infer<typeof Manifest>

/**
 * Backups of the engine's files, all databases together, while it runs: PostgreSQL's low-level base backup. It needs no client program
 * and holds everything, but is restored as a whole; one database alone is dumped with pg_dump where that is installed.
 */
export const createBackups = (ports: {
  readonly home: Home
  readonly ledger: Ledger
  readonly views: Views
  readonly queries: OperateQueries
  readonly clock: Clock
  readonly ids: Ids
  readonly engine: Engine | OwnEngine
  /** Called once the engine runs on other files than before. */
  onRestored(): void
}) => {
  const { home, ledger, views, queries, clock, ids } = ports
  const root = join(home.backups, 'databases')
  let turn: Promise<unknown> = Promise.resolve()

  const alone = <Result>(act: () => Promise<Result>): Promise<Result> => {
    const result = turn.then(act, act)
    turn = result
    return result
  }

  const own = (): OwnEngine => {
    if ('directory' in ports.engine) return ports.engine
    throw new Problem({
      kind: 'external-engine',
      status: 409,
      detail: 'the databases stand on a server that is not Headway’s own, so its files cannot be copied',
      next: 'headway db dump <service> copies one database; back the server up with its own tools',
    })
  }

  const list = (): BackupManifest[] =>
    (existsSync(root) ? readdirSync(root) : [])
      .filter((name) => existsSync(join(root, name, 'manifest.json')))
      .map((name) => Manifest.parse(JSON.parse(readFileSync(join(root, name, 'manifest.json'), 'utf8'))))
      .sort((left, right) => right.at - left.at)

  const owners = async (): Promise<BackupManifest['databases']> => {
    await views.reach()
    return (await queries.databases()).map((row) => ({
      project: ProjectName.parse(row.project),
      service: ServiceName.parse(row.service),
      environment: EnvironmentName.parse(row.environment),
      database: row.database_name,
    }))
  }

  const backup = async (by: string): Promise<BackupManifest> => {
    const engine = own()
    const [adminUrl, databases, { major }] = [await engine.ensure(), await owners(), await engine.binaries()]
    const id = ids('backup')
    await mkdir(root, { recursive: true, mode: 0o700 })
    for (const name of readdirSync(root).filter((one) => one.startsWith('.partial-')))
      await effect('operate.clear-backup', () => rm(join(root, name), { recursive: true, force: true }))
    const manifest = await effect('operate.backup', async () => {
      const partial = await mkdtemp(join(root, '.partial-'))
      const sizeBytes = await withClient(adminUrl, (client) =>
        copyRunning(client, engine.directory, join(partial, 'data'), id),
      )
      const made = { backup: id, at: clock.now(), major, sizeBytes, databases }
      await writeFile(join(partial, 'manifest.json'), JSON.stringify(made, null, 2), { mode: 0o600, flush: true })
      await rename(partial, join(root, id))
      syncDirectory(root)
      return made
    })
    const facts = databases.map(({ database: _name, ...owner }) =>
      fact(databaseBackedUp, {
        subject: databaseSubject(owner),
        actor: by,
        payload: { ...owner, backup: id, sizeBytes: manifest.sizeBytes },
      }),
    )
    if (facts.length > 0) await ledger.append(facts)
    return manifest
  }

  const find = (id: string): BackupManifest => {
    const manifest = list().find(({ backup }) => backup === id)
    if (manifest) return manifest
    throw new Problem({
      kind: 'backup-not-found',
      status: 404,
      detail: `there is no complete backup ${id}`,
      next: 'headway db list shows the backups',
    })
  }

  /** Puts a backup in place of what is there, all databases; what was there before is kept until the restored engine answers. */
  const restore = async (id: string, by: string): Promise<BackupManifest> => {
    const engine = own()
    const manifest = find(id)
    const { major } = await engine.binaries()
    if (major !== manifest.major) throw otherVersion(manifest, major)
    const { directory } = engine
    const previous = previousDirectory(directory)
    const fresh = join(home.databases, `.restore-${id}`)
    await effect('operate.restore-copy', async () => {
      for (const left of readdirSync(home.databases).filter((name) => name.startsWith('.restore-')))
        await rm(join(home.databases, left), { recursive: true, force: true })
      await copyTree(join(root, id, 'data'), fresh, { owner: engine.user() })
    })
    await engine.stop()
    await effect('operate.restore-clear', () => rm(previous, { recursive: true, force: true }))
    if (existsSync(directory)) await effect('operate.restore-aside', () => rename(directory, previous))
    await effect('operate.restore-swap', () => rename(fresh, directory))
    syncDirectory(home.databases)
    ports.onRestored()
    await engine.ensure()
    const facts = manifest.databases.map(({ database: _name, ...owner }) =>
      fact(databaseRestored, { subject: databaseSubject(owner), actor: by, payload: { ...owner, backup: id } }),
    )
    if (facts.length > 0) await ledger.append(facts)
    return manifest
  }

  return {
    list,
    backup: (by: string) => alone(() => backup(by)),
    restore: (id: string, by: string) => alone(() => restore(id, by)),
  }
}
export type Backups = ReturnType<typeof createBackups>

const otherVersion = (manifest: BackupManifest, major: number): Problem =>
  new Problem({
    kind: 'backup-of-another-version',
    status: 409,
    detail: `${manifest.backup} was made by PostgreSQL ${manifest.major}, this machine runs ${major}`,
    next: `install PostgreSQL ${manifest.major} and try again`,
  })
