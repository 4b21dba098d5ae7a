import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Identity } from '../access/access.ts'
import { Role } from '../access/facts.ts'
import { buildFacts } from '../build/facts.ts'
import { systemClock, systemIds } from '../clock.ts'
import { deployFacts } from '../deploy/facts.ts'
import { homeAt, prepareHome } from '../home.ts'
import { ledgerFacts } from '../ledger/facts.ts'
import { createLedgerTables, openLedger } from '../ledger/open.ts'
import { createCursorTable, openViews } from '../ledger/views.ts'
import { defaultProject, ProjectName } from '../names.ts'
import { packageFacts } from '../package/facts.ts'
import { openSqliteStore } from '../store/sqlite.ts'
import { changesView } from './changes/view.ts'
import { codeFacts } from './facts.ts'
import { createCode, type OwnReader } from './index.ts'
import { codeView } from './views.ts'

export type CodeServerOptions = {
  readonly maxPackBytes?: number
  readonly port?: number
  /** Reads the repositories of the default project, which are Headway's own then. */
  readonly own?: OwnReader
}

/**
 * The code stage behind a real HTTP server, on a real ledger, in this process. A user's name begins with the role that the user has in
 * the default project: `developer:x`, `developer-bob:x`.
 */
export const startCodeServer = async (root: string, options: CodeServerOptions = {}) => {
  const home = homeAt(join(root, 'home'), {})
  prepareHome(home)
  const store = await openSqliteStore(join(root, 'headway.db'))
  await createLedgerTables(store.tables(), store.dialect)
  await createCursorTable(store.tables())
  const definitions = [...ledgerFacts, ...codeFacts, ...buildFacts, ...packageFacts, ...deployFacts]
  const ledger = await openLedger({ store, definitions, clock: systemClock })
  const views = await openViews({ store, ledger, views: [codeView, changesView] })
  const problems: string[] = []
  const cancelled: string[] = []
  const roles = new Map<string, Role>()
  let url = ''
  const code = createCode({
    ledger,
    store,
    views,
    clock: systemClock,
    ids: systemIds(systemClock),
    home,
    environments: () => [
      { environment: 'production', from: 'push', isAutomatic: true },
      { environment: 'staging', from: 'production', isAutomatic: false },
    ],
    ownProject: options.own ? defaultProject : ProjectName.parse('headway'),
    ...(options.own ? { ownReader: options.own } : {}),
    limits: options.maxPackBytes === undefined ? {} : { maxPackBytes: options.maxPackBytes },
    serverUrl: () => url,
    roleOf: async (user, project) => roles.get(user) ?? roleNamed(user, project),
    cancelRun: async (_project, run) => void cancelled.push(run),
    report: (message) => problems.push(message),
  })
  await code.start()
  const server = createServer((request, response) => {
    code.handleGit(request, response, identityOf(request.headers.authorization)).catch((error: unknown) => {
      problems.push(String(error))
    })
  })
  await new Promise<void>((listening) => server.listen(options.port ?? 0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo
  url = `http://127.0.0.1:${port}`
  return {
    code,
    home,
    ledger,
    views,
    problems,
    /** Runs that it wanted to end. */
    cancelled,
    /** Roles of today, where they are others than the names say. */
    roles,
    port,
    /** Where a user with this role finds a repository. */
    url: (path: string, role = 'developer'): string => `http://${role}:x@127.0.0.1:${port}/git/${path}`,
    stop: async () => {
      const closed = new Promise((done) => server.close(done))
      await code.stop()
      server.closeAllConnections()
      await closed
      await views.stop()
      await store.close()
    },
  }
}
export type CodeServer = Awaited<ReturnType<typeof startCodeServer>>

const identityOf = (header: string | undefined): Identity | null => {
  const [user] = Buffer.from(header?.replace(/^Basic /, '') ?? '', 'base64')
    .toString('utf8')
    .split(':')
  return user === undefined || roleNamed(user, defaultProject) === null ? null : identityNamed(user)
}

const roleNamed = (user: string, project: ProjectName | null): Role | null =>
  project === defaultProject ? (Role.safeParse(user.split('-')[0]).data ?? null) : null

/** Somebody whose name says the role. */
export const identityNamed = (user: string): Identity => ({
  user,
  actor: `user:${user}`,
  roleIn: (project) => roleNamed(user, project),
})

// Run as a program it serves until it is killed: `server-testing.ts <root>`.
const [, program, root, port] = process.argv
if (root !== undefined && program?.endsWith('server-testing.ts')) {
  const server = await startCodeServer(root, port ? { port: Number(port) } : {})
  console.log(`ready ${server.port}`)
}
