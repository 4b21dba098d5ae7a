import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import { type Home, homeAt, prepareHome } from '../home.ts'
import type { FactDefinition } from '../ledger/fact.ts'
import type { View } from '../ledger/ledger.ts'
import { openTestLedger, type TestLedger } from '../ledger/testing.ts'
import type { ProjectName } from '../names.ts'
import { TestClock, testIds } from '../testing.ts'
import type { Identity } from './access.ts'
import { accessFacts, type Role } from './facts.ts'
import { type Access, accessView, createAccess, passkeyView, passwordMigrations, sessionView } from './index.ts'
import { accessMigrations } from './settings-table.ts'

export type TestAccess = AsyncDisposable &
  Omit<TestLedger, keyof AsyncDisposable> & {
    readonly access: Access
    readonly home: Home
    readonly clock: TestClock
    /** A new user with this role and a token of his; null: a user without any role. */
    token(role: Role | null, project: ProjectName | null, expiresAt?: number | null): Promise<string>
  }

/** Somebody who may do everything, for tests that need no door. */
export const root: Identity = { user: 'admin', actor: 'user:admin', roleIn: () => 'administrator' }

/** Access on a real ledger and home in temporary directories, not started yet. */
export const openTestAccess = async (
  options: { clock?: TestClock; definitions?: readonly FactDefinition[]; views?: readonly View[] } = {},
): Promise<TestAccess> => {
  const clock = options.clock ?? new TestClock()
  const shared: Clock = clock
  const directory = mkdtempSync(join(tmpdir(), 'headway-access-'))
  const home = homeAt(directory)
  prepareHome(home)
  const opened = await openTestLedger({
    definitions: [...accessFacts, ...(options.definitions ?? [])],
    views: [accessView, sessionView, passkeyView, ...(options.views ?? [])],
    migrations: [...accessMigrations, ...passwordMigrations],
    clock: shared,
  })
  const { ledger, views, store } = opened
  const access = createAccess({ ledger, views, store, home, clock: shared, ids: testIds() })
  let users = 0
  return {
    ...opened,
    access,
    home,
    clock,
    token: async (role, project, expiresAt = null) => {
      users += 1
      const user = `${role ?? 'nobody'}${users}`
      await access.users.create(user, root.actor)
      if (role) await access.users.grant(user, { role, project }, root.actor)
      const scope = { role: 'administrator' as const, project: null }
      return (await access.tokens.issue({ user, name: 'test', scope, expiresAt }, root)).secret
    },
    [Symbol.asyncDispose]: async () => {
      await access.stop()
      await opened[Symbol.asyncDispose]()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
