import type { Kysely } from 'kysely'
import type { Store } from '../../store/store.ts'
import type { DeadRow, EventsOwnTables, OutboxRow } from '../tables.ts'

/** How far a subscription was told. */
export type Position = Omit<OutboxRow, 'subscription'>

/**
 * What stands between the ledger and those who are told: a cursor for each subscription, and what nobody took. `subscription` is
 * `<project>/<name>`. Giving an event up and going on to the next is one transaction.
 */
export const createOutbox = (store: Store) => {
  const db = store.tables<EventsOwnTables>()
  const put = (tx: Kysely<EventsOwnTables>, subscription: string, position: Position) =>
    tx
      .insertInto('events_outbox')
      .values({ subscription, ...position })
      .onConflict((clash) => clash.column('subscription').doUpdateSet(position))
      .execute()

  return {
    /** Where it stands; at the beginning of the subscription where it was told nothing yet. */
    position: async (subscription: string, after: number): Promise<Position> => {
      const rows = db.selectFrom('events_outbox').where('subscription', '=', subscription)
      const row = await rows.select(['seq', 'attempts', 'retry_at', 'detail', 'is_failing']).executeTakeFirst()
      return row ?? { seq: after, attempts: 0, retry_at: null, detail: null, is_failing: 0 }
    },
    move: async (subscription: string, position: Position): Promise<void> => {
      await put(db, subscription, position)
    },
    giveUp: (subscription: string, dead: Omit<DeadRow, 'subscription'>): Promise<void> =>
      store.transaction<EventsOwnTables, void>(async (tx) => {
        const { seq, detail } = dead
        await put(tx, subscription, { seq, attempts: 0, retry_at: null, detail, is_failing: 1 })
        await tx
          .insertInto('events_dead')
          .values({ subscription, ...dead })
          .onConflict((clash) => clash.columns(['subscription', 'seq']).doUpdateSet(dead))
          .execute()
      }),
    dead: (subscription: string, limit: number): Promise<DeadRow[]> =>
      db
        .selectFrom('events_dead')
        .selectAll()
        .where('subscription', '=', subscription)
        .orderBy('seq')
        .limit(limit)
        .execute(),
    /** It was taken after all. */
    bury: async (subscription: string, seq: number): Promise<void> => {
      await db.deleteFrom('events_dead').where('subscription', '=', subscription).where('seq', '=', seq).execute()
    },
    forget: (subscription: string): Promise<void> =>
      store.transaction<EventsOwnTables, void>(async (tx) => {
        await tx.deleteFrom('events_outbox').where('subscription', '=', subscription).execute()
        await tx.deleteFrom('events_dead').where('subscription', '=', subscription).execute()
      }),
  }
}
export type Outbox = ReturnType<typeof createOutbox>
