import type { Kysely } from 'kysely'
import { isFact } from '../../ledger/fact.ts'
import type { View } from '../../ledger/ledger.ts'
import { invitationAccepted, sessionEnded, sessionOpened, userInvited } from './facts.ts'

export type SessionRow = {
  session: string
  user_name: string
  hash: string
  way: string
  token: string | null
  passkey: string | null
  scope_role: string
  scope_project: string | null
  opened_at: number
  expires_at: number
  ended_at: number | null
}
export type InvitationRow = {
  invitation: string
  user_name: string
  hash: string
  expires_at: number
  accepted_at: number | null
}
export type SessionTables = { access_sessions: SessionRow; access_invitations: InvitationRow }

/** Who is signed in, and who was asked to. */
export const sessionView: View<SessionTables> = {
  name: 'sessions',
  version: 2,
  create: async (db) => {
    await db.schema
      .createTable('access_sessions')
      .addColumn('session', 'text', (column) => column.primaryKey())
      .addColumn('user_name', 'text', (column) => column.notNull())
      .addColumn('hash', 'text', (column) => column.notNull().unique())
      .addColumn('way', 'text', (column) => column.notNull())
      .addColumn('token', 'text')
      .addColumn('passkey', 'text')
      .addColumn('scope_role', 'text', (column) => column.notNull())
      .addColumn('scope_project', 'text')
      .addColumn('opened_at', 'bigint', (column) => column.notNull())
      .addColumn('expires_at', 'bigint', (column) => column.notNull())
      .addColumn('ended_at', 'bigint')
      .execute()
    await db.schema
      .createTable('access_invitations')
      .addColumn('invitation', 'text', (column) => column.primaryKey())
      .addColumn('user_name', 'text', (column) => column.notNull())
      .addColumn('hash', 'text', (column) => column.notNull().unique())
      .addColumn('expires_at', 'bigint', (column) => column.notNull())
      .addColumn('accepted_at', 'bigint')
      .execute()
  },
  drop: async (db) => {
    for (const table of ['access_invitations', 'access_sessions']) await db.schema.dropTable(table).ifExists().execute()
  },
  apply: async (tx, fact) => {
    if (isFact(sessionOpened, fact)) {
      const { session, user, hash, way, token, passkey = null, scope, expiresAt } = fact.payload
      const about = { session, user_name: user, hash, way, token, passkey, opened_at: fact.at, expires_at: expiresAt }
      await tx
        .insertInto('access_sessions')
        .values({ ...about, scope_role: scope.role, scope_project: scope.project, ended_at: null })
        .onConflict((conflict) => conflict.doNothing())
        .execute()
    } else if (isFact(sessionEnded, fact))
      await tx
        .updateTable('access_sessions')
        .set({ ended_at: fact.at })
        .where('session', '=', fact.payload.session)
        .where('ended_at', 'is', null)
        .execute()
    else if (isFact(userInvited, fact)) {
      const { invitation, user, hash, expiresAt } = fact.payload
      await tx
        .insertInto('access_invitations')
        .values({ invitation, user_name: user, hash, expires_at: expiresAt, accepted_at: null })
        .onConflict((conflict) => conflict.doNothing())
        .execute()
    } else if (isFact(invitationAccepted, fact))
      await tx
        .updateTable('access_invitations')
        .set({ accepted_at: fact.at })
        .where('invitation', '=', fact.payload.invitation)
        .execute()
  },
}

/** Reads of the view. */
export const createSessionQueries = (db: Kysely<SessionTables>) => ({
  sessionByHash: (hash: string) =>
    db.selectFrom('access_sessions').selectAll().where('hash', '=', hash).executeTakeFirst(),
  session: (session: string) =>
    db.selectFrom('access_sessions').selectAll().where('session', '=', session).executeTakeFirst(),
  /** Those that have not ended, the newest first. */
  open: (now: number) =>
    db
      .selectFrom('access_sessions')
      .selectAll()
      .where('ended_at', 'is', null)
      .where('expires_at', '>', now)
      .orderBy('opened_at', 'desc')
      .execute(),
  /** Those that a passkey has opened and that have not ended. */
  openedBy: (passkey: string) =>
    db.selectFrom('access_sessions').selectAll().where('passkey', '=', passkey).where('ended_at', 'is', null).execute(),
  invitationByHash: (hash: string) =>
    db.selectFrom('access_invitations').selectAll().where('hash', '=', hash).executeTakeFirst(),
})
export type SessionQueries = ReturnType<typeof createSessionQueries>
