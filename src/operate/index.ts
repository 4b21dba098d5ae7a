import type { Seal } from '../access/access.ts'
import type { Clock, Ids } from '../clock.ts'
import type { Home } from '../home.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import type { Runtime } from '../runtimes/runtime.ts'
import type { Stage } from '../stage.ts'
import type { Store } from '../store/store.ts'
import type { Databases } from './attachments.ts'
import { createBackups } from './backups.ts'
import { createCopies } from './copies.ts'
import { createCredentials } from './credentials.ts'
import { createDatabases } from './databases.ts'
import { createDumps } from './dumps.ts'
import { createOwnEngine, externalEngine } from './engine.ts'
import { followExits } from './exits.ts'
import { operateFacts } from './facts.ts'
import { createOperateQueries, type OperateTables, operateView } from './views.ts'

export { operateMigrations } from './exits.ts'

export type OperateOptions = {
  readonly home: Home
  readonly ledger: Ledger
  readonly views: Views
  readonly store: Store
  readonly clock: Clock
  readonly ids: Ids
  readonly runtime: Runtime
  readonly seal: Seal
  /** A server that is there already (HEADWAY_POSTGRES_URL); null for one of Headway's own. */
  readonly postgresUrl: string | null
  /** Told of what went wrong and will be tried again. */
  onError?(message: string): void
}

/** The stage that keeps what services stand on: their databases, the backups, and what the machine's agent saw end. */
export const createOperate = (options: OperateOptions) => {
  const { home, store, clock } = options
  const queries = createOperateQueries(store.tables<OperateTables>())
  const credentials = createCredentials(home, options.seal)
  const engine =
    options.postgresUrl === null ? createOwnEngine({ ...options, credentials }) : externalEngine(options.postgresUrl)
  const copies = createCopies({ home })
  const databases = createDatabases({ ...options, queries, credentials, engine, copies })
  const backups = createBackups({ ...options, queries, engine, onRestored: databases.reset })
  const dumps = createDumps({ home, clock, databases })
  const closing = new AbortController()
  let following: Promise<void> = Promise.resolve()

  return {
    name: 'operate',
    facts: operateFacts,
    views: [operateView],
    queries,
    databases: { ensure: databases.ensure } satisfies Databases,
    connection: databases.connection,
    removeDatabase: databases.remove,
    discardDatabase: databases.discard,
    backups,
    dumps,
    /** Resolves when the queries know all that the ledger knows. */
    caughtUp: () => options.views.reach(),
    start: async (): Promise<void> => {
      following = followExits(options, closing.signal)
    },
    stop: async (): Promise<void> => {
      closing.abort()
      await following
    },
  } satisfies Stage & Record<string, unknown>
}
export type Operate = ReturnType<typeof createOperate>
