import type { Clock, Ids } from '../clock.ts'
import type { Home } from '../home.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import type { ProjectName } from '../names.ts'
import type { Stage } from '../stage.ts'
import type { Store } from '../store/store.ts'
import type { Authentication, Seal } from './access.ts'
import type { Role } from './facts.ts'
import { accessFacts } from './facts.ts'
import { ensureAdministrator } from './first-start.ts'
import { roleOfActor } from './grants.ts'
import { createAuthentication } from './identify.ts'
import { createPasskeys, type Passkeys } from './passkeys/passkeys.ts'
import { createPasskeyQueries, type PasskeyTables, passkeyView } from './passkeys/view.ts'
import { addMasterKey, loadKeyring } from './seal.ts'
import { createAttempts } from './sessions/attempts.ts'
import { createPasswords } from './sessions/passwords.ts'
import { createSessions, type Sessions } from './sessions/sessions.ts'
import { createSessionQueries, type SessionTables, sessionView } from './sessions/view.ts'
import { createSettings, type SettingsBook } from './settings.ts'
import { createTokens, type Tokens } from './tokens.ts'
import { createUsers, type Users } from './users.ts'
import { type AccessTables, accessView, createAccessQueries } from './views.ts'

export { passkeyView } from './passkeys/view.ts'
export { passwordMigrations } from './sessions/passwords.ts'
export { sessionView } from './sessions/view.ts'
export { accessMigrations } from './settings-table.ts'
export { accessView } from './views.ts'

export type Access = Stage &
  Authentication & {
    readonly users: Users
    readonly tokens: Tokens
    readonly settings: SettingsBook
    readonly sessions: Sessions
    readonly passkeys: Passkeys
    /** For other rooms' secrets: sealed by the same master key. */
    readonly seal: Seal
    /**
     * The role of somebody as recorded (`user:alice`, `token:alice/ci`) in a project, or in the whole instance where none is named.
     * Null: none, or nobody is called so now.
     */
    roleOf(actor: string, project?: ProjectName): Promise<Role | null>
    /** Seals by a new master key from now on and re-wraps the settings; says how many. Older keys open what others sealed. */
    rotateMasterKey(): Promise<{ rewrapped: number }>
  }

/**
 * The ground that knows who may do what, and keeps secrets. `start` makes the first administrator and his token (`home.token`) and
 * finishes what a crash left half done. The tables of `accessMigrations` must be there.
 */
export const createAccess = (options: {
  ledger: Ledger
  views: Views
  store: Store
  home: Home
  clock: Clock
  ids: Ids
}): Access => {
  const { home } = options
  const queries = createAccessQueries(options.store.tables<AccessTables>())
  const ports = { ...options, queries }
  let keyring = loadKeyring(home.masterKey)
  const settings = createSettings({ ...options, keyring: () => keyring })
  const authentication = createAuthentication(ports)
  const sessionQueries = createSessionQueries(options.store.tables<SessionTables>())
  const passkeyQueries = createPasskeyQueries(options.store.tables<PasskeyTables>())
  const passkeys = createPasskeys({ ...options, queries: { ...sessionQueries, ...passkeyQueries } })
  return {
    name: 'access',
    facts: accessFacts,
    views: [accessView, sessionView, passkeyView],
    start: async () => {
      await ensureAdministrator(ports)
      await settings.mend()
    },
    stop: async () => authentication.stop(),
    identify: authentication.identify,
    roleOf: async (actor, project) => {
      await options.views.reach()
      return roleOfActor(actor, queries, project)
    },
    users: createUsers(ports),
    tokens: createTokens(ports),
    settings,
    sessions: createSessions({
      ...options,
      queries: { ...queries, ...sessionQueries },
      passwords: createPasswords(options),
      passkeys,
      attempts: createAttempts(options.clock),
    }),
    passkeys,
    seal: { seal: (name, plain) => keyring.seal(name, plain), open: (name, sealed) => keyring.open(name, sealed) },
    rotateMasterKey: async () => {
      keyring = addMasterKey(home.masterKey)
      return { rewrapped: await settings.rewrap(keyring) }
    },
  }
}
