import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import type { Kysely } from 'kysely'
import { z } from 'zod'
import type { Clock } from '../../clock.ts'
import { effect } from '../../effect.ts'
import type { Migration } from '../../store/migrations.ts'
import type { Store } from '../../store/store.ts'

/** OWASP's second choice for scrypt: N = 2^16 takes 64 MiB and some 150 ms, so one is made at a time. */
const cost = { N: 2 ** 16, r: 8, p: 1, maxmem: 160 * 1024 * 1024 } as const
const keyBytes = 32

export const Password = z
  .string()
  .min(12, 'a password has at least 12 characters')
  .max(200, 'a password has at most 200 characters')

export type PasswordRow = { user_name: string; hash: string; set_at: number }
export type PasswordTables = { access_passwords: PasswordRow }

const createPasswordsTable = async (db: Kysely<unknown>): Promise<void> => {
  await db.schema
    .createTable('access_passwords')
    .addColumn('user_name', 'text', (column) => column.primaryKey())
    .addColumn('hash', 'text', (column) => column.notNull())
    .addColumn('set_at', 'bigint', (column) => column.notNull())
    .execute()
}

/** Beside the ledger, as a password must be forgettable. */
export const passwordMigrations: readonly Migration[] = [{ name: 'access-passwords', up: createPasswordsTable }]

export type Passwords = {
  /** Replaces the one that the user had. */
  set(user: string, password: string): Promise<void>
  has(user: string): Promise<boolean>
  /** Takes as long for somebody who is not there, or has none. */
  isRight(user: string, password: string): Promise<boolean>
}

export const createPasswords = ({ store, clock }: { store: Store; clock: Clock }): Passwords => {
  const db = store.tables<PasswordTables>()
  let last: Promise<unknown> = Promise.resolve()
  /** One hash at a time: a hundred who guess at once wait, and take 64 MiB together, not each. */
  const inTurn = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const result = last.then(work, work)
    last = result.catch(() => undefined)
    return result
  }
  const rowOf = (user: string) =>
    db.selectFrom('access_passwords').selectAll().where('user_name', '=', user).executeTakeFirst()

  return {
    set: async (user, password) => {
      const hash = await inTurn(() => hashOf(password, randomBytes(16)))
      const row = { user_name: user, hash, set_at: clock.now() }
      await effect('access.keep-password', () =>
        db
          .insertInto('access_passwords')
          .values(row)
          .onConflict((conflict) => conflict.column('user_name').doUpdateSet({ hash, set_at: row.set_at }))
          .execute(),
      )
    },
    has: async (user) => (await rowOf(user)) !== undefined,
    isRight: async (user, password) => {
      const kept = (await rowOf(user))?.hash ?? nobodys
      const salt = Buffer.from(kept.split('$')[2] ?? '', 'base64url')
      const made = await inTurn(() => hashOf(password, salt))
      const [one, other] = [Buffer.from(made), Buffer.from(kept)]
      return one.length === other.length && timingSafeEqual(one, other)
    },
  }
}

/** Matches no password: its key is no key. */
const nobodys = `scrypt$65536-8-1$${Buffer.alloc(16).toString('base64url')}$`

const hashOf = async (password: string, salt: Buffer): Promise<string> => {
  const key = await derive(password.normalize('NFKC'), salt, cost)
  return `scrypt$${cost.N}-${cost.r}-${cost.p}$${salt.toString('base64url')}$${key.toString('base64url')}`
}

const derive = (password: string, salt: Buffer, options: ScryptOptions): Promise<Buffer> =>
  new Promise((resolve, reject) =>
    scrypt(password, salt, keyBytes, options, (error, key) => (error ? reject(error) : resolve(key))),
  )
