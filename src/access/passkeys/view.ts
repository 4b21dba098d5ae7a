import type { Kysely } from 'kysely'
import { isFact } from '../../ledger/fact.ts'
import type { View } from '../../ledger/ledger.ts'
import { passkeyAdded, passkeyRevoked, passkeyUsed } from './facts.ts'

export type PasskeyRow = {
  passkey: string
  user_name: string
  name: string
  credential: string
  public_key: string
  counter: number
  host: string
  added_at: number
  used_at: number | null
  revoked_at: number | null
  /** The newest fact about it: whoever signs in says that he has seen it, so that a counter is taken once. */
  last_seq: number
}
export type PasskeyTables = { access_passkeys: PasskeyRow }

/** Passkeys, those that were revoked too. */
export const passkeyView: View<PasskeyTables> = {
  name: 'passkeys',
  version: 1,
  create: async (db) => {
    await db.schema
      .createTable('access_passkeys')
      .addColumn('passkey', 'text', (column) => column.primaryKey())
      .addColumn('user_name', 'text', (column) => column.notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('credential', 'text', (column) => column.notNull().unique())
      .addColumn('public_key', 'text', (column) => column.notNull())
      .addColumn('counter', 'bigint', (column) => column.notNull())
      .addColumn('host', 'text', (column) => column.notNull())
      .addColumn('added_at', 'bigint', (column) => column.notNull())
      .addColumn('used_at', 'bigint')
      .addColumn('revoked_at', 'bigint')
      .addColumn('last_seq', 'bigint', (column) => column.notNull())
      .execute()
  },
  drop: async (db) => {
    await db.schema.dropTable('access_passkeys').ifExists().execute()
  },
  apply: async (tx, fact) => {
    if (isFact(passkeyAdded, fact)) {
      const { passkey, user, name, credential, publicKey, counter, host } = fact.payload
      const about = { passkey, user_name: user, name, credential, public_key: publicKey, counter, host }
      await tx
        .insertInto('access_passkeys')
        .values({ ...about, added_at: fact.at, used_at: null, revoked_at: null, last_seq: fact.seq })
        .onConflict((conflict) => conflict.doNothing())
        .execute()
    } else if (isFact(passkeyUsed, fact))
      await tx
        .updateTable('access_passkeys')
        .set({ counter: fact.payload.counter, used_at: fact.at, last_seq: fact.seq })
        .where('passkey', '=', fact.payload.passkey)
        .execute()
    else if (isFact(passkeyRevoked, fact))
      await tx
        .updateTable('access_passkeys')
        .set({ revoked_at: fact.at, last_seq: fact.seq })
        .where('passkey', '=', fact.payload.passkey)
        .execute()
  },
}

/** Reads of the view: what was revoked is not found. */
export const createPasskeyQueries = (db: Kysely<PasskeyTables>) => {
  const good = db.selectFrom('access_passkeys').selectAll().where('revoked_at', 'is', null)
  return {
    all: () => good.orderBy('added_at').execute(),
    passkey: (passkey: string) => good.where('passkey', '=', passkey).executeTakeFirst(),
    byCredential: (credential: string) => good.where('credential', '=', credential).executeTakeFirst(),
  }
}
export type PasskeyQueries = ReturnType<typeof createPasskeyQueries>
