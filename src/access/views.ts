import type { Kysely, Transaction } from 'kysely'
import { isFact, type RecordedFact } from '../ledger/fact.ts'
import type { View } from '../ledger/ledger.ts'
import { roleGranted, roleRevoked, tokenIssued, tokenRevoked, userCreated } from './facts.ts'

export type UserRow = { user_name: string; created_at: number }
/** `project` is empty for the whole instance. */
export type GrantRow = { user_name: string; project: string; role: string }
export type TokenRow = {
  token: string
  user_name: string
  name: string
  hash: string
  scope_role: string
  scope_project: string | null
  issued_at: number
  expires_at: number | null
  revoked_at: number | null
}
export type AccessTables = { access_users: UserRow; access_grants: GrantRow; access_tokens: TokenRow }

/** Users, their roles, and the tokens that speak for them. */
export const accessView: View<AccessTables> = {
  name: 'access',
  version: 1,
  create: async (db) => {
    await db.schema
      .createTable('access_users')
      .addColumn('user_name', 'text', (column) => column.primaryKey())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('access_grants')
      .addColumn('user_name', 'text', (column) => column.notNull())
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('role', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('access_grants_key', ['user_name', 'project'])
      .execute()
    await db.schema
      .createTable('access_tokens')
      .addColumn('token', 'text', (column) => column.primaryKey())
      .addColumn('user_name', 'text', (column) => column.notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('hash', 'text', (column) => column.notNull().unique())
      .addColumn('scope_role', 'text', (column) => column.notNull())
      .addColumn('scope_project', 'text')
      .addColumn('issued_at', 'bigint', (column) => column.notNull())
      .addColumn('expires_at', 'bigint')
      .addColumn('revoked_at', 'bigint')
      .execute()
  },
  drop: async (db) => {
    for (const table of ['access_tokens', 'access_grants', 'access_users'])
      await db.schema.dropTable(table).ifExists().execute()
  },
  apply: async (tx, fact) => {
    if (isFact(userCreated, fact)) await addUser(tx, fact)
    else if (isFact(roleGranted, fact)) await grant(tx, fact)
    else if (isFact(roleRevoked, fact))
      await tx
        .deleteFrom('access_grants')
        .where('user_name', '=', fact.payload.user)
        .where('project', '=', fact.payload.project ?? '')
        .execute()
    else if (isFact(tokenIssued, fact)) await addToken(tx, fact)
    else if (isFact(tokenRevoked, fact))
      await tx
        .updateTable('access_tokens')
        .set({ revoked_at: fact.at })
        .where('token', '=', fact.payload.token)
        .where('revoked_at', 'is', null)
        .execute()
  },
}

type Applied<Definition> = Definition extends { payload: { _output: infer Payload } }
  ? RecordedFact<string, Payload>
  : never

const addUser = (tx: Transaction<AccessTables>, { payload, at }: Applied<typeof userCreated>) =>
  tx
    .insertInto('access_users')
    .values({ user_name: payload.user, created_at: at })
    .onConflict((conflict) => conflict.doNothing())
    .execute()

/** A user has one role in a place; the newest grant counts. */
const grant = (tx: Transaction<AccessTables>, { payload }: Applied<typeof roleGranted>) =>
  tx
    .insertInto('access_grants')
    .values({ user_name: payload.user, project: payload.project ?? '', role: payload.role })
    .onConflict((conflict) => conflict.columns(['user_name', 'project']).doUpdateSet({ role: payload.role }))
    .execute()

const addToken = (tx: Transaction<AccessTables>, { payload, at }: Applied<typeof tokenIssued>) =>
  tx
    .insertInto('access_tokens')
    .values({
      token: payload.token,
      user_name: payload.user,
      name: payload.name,
      hash: payload.hash,
      scope_role: payload.scope.role,
      scope_project: payload.scope.project,
      issued_at: at,
      expires_at: payload.expiresAt,
      revoked_at: null,
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute()

/** Reads of the view. */
export const createAccessQueries = (db: Kysely<AccessTables>) => ({
  users: () => db.selectFrom('access_users').selectAll().orderBy('user_name').execute(),
  user: (user: string) => db.selectFrom('access_users').selectAll().where('user_name', '=', user).executeTakeFirst(),
  grants: () => db.selectFrom('access_grants').selectAll().orderBy('user_name').orderBy('project').execute(),
  grantsOf: (user: string) => db.selectFrom('access_grants').selectAll().where('user_name', '=', user).execute(),
  tokens: () => db.selectFrom('access_tokens').selectAll().orderBy('issued_at').orderBy('token').execute(),
  token: (token: string) => db.selectFrom('access_tokens').selectAll().where('token', '=', token).executeTakeFirst(),
  /** Those of this name that are not revoked. */
  tokensNamed: (user: string, name: string) =>
    db
      .selectFrom('access_tokens')
      .selectAll()
      .where('user_name', '=', user)
      .where('name', '=', name)
      .where('revoked_at', 'is', null)
      .execute(),
  tokenByHash: (hash: string) => db.selectFrom('access_tokens').selectAll().where('hash', '=', hash).executeTakeFirst(),
})
export type AccessQueries = ReturnType<typeof createAccessQueries>
