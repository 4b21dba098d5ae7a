import type { Kysely } from 'kysely'
import { z } from 'zod'
import { effect } from '../effect.ts'
import { MetricRule } from '../golden/metrics.ts'
import type { Migration } from '../store/migrations.ts'
import type { Store } from '../store/store.ts'
import { Cursor, type Pair } from './cursor.ts'
import { BatchRow, EvidencePlan } from './document.ts'

type JudgingRow = {
  rollout: string
  plan: string
  pair: string
  /** Null until the edges have been asked for the first time. */
  cursor: string | null
  begun_at: number
  last_at: number
}
type BookTables = { release_judgings: JudgingRow; release_batches: { rollout: string; number: number; batch: string } }

export type Begun = { readonly plan: z.infer<typeof EvidencePlan>; readonly pair: Pair; readonly begunAt: number }
export type Judging = Begun & { readonly cursor: Cursor | null; readonly batches: readonly BatchRow[] }

/** Counts are telemetry, which the ledger does not hold: tables, no view. What a verdict was made from goes into a blob. */
export const releaseMigrations: readonly Migration[] = [
  {
    name: 'release-judgings',
    up: async (db: Kysely<unknown>) => {
      await db.schema
        .createTable('release_judgings')
        .addColumn('rollout', 'text', (column) => column.primaryKey())
        .addColumn('plan', 'text', (column) => column.notNull())
        .addColumn('pair', 'text', (column) => column.notNull())
        .addColumn('cursor', 'text')
        .addColumn('begun_at', 'bigint', (column) => column.notNull())
        .addColumn('last_at', 'bigint', (column) => column.notNull())
        .execute()
      await db.schema
        .createTable('release_batches')
        .addColumn('rollout', 'text', (column) => column.notNull())
        .addColumn('number', 'integer', (column) => column.notNull())
        .addColumn('batch', 'text', (column) => column.notNull())
        .addPrimaryKeyConstraint('release_batches_key', ['rollout', 'number'])
        .execute()
    },
  },
]

const Ids = z.array(z.string())
const PairText = z.object({
  service: z.string(),
  baseline: z.string().nullable(),
  canary: z.string(),
  own: z.object({ rules: z.array(MetricRule), baseline: Ids, canary: Ids }).optional(),
})
const pageRows = 2000

/** What was counted for each judging, batch by batch, with the cursor up to which the edges' counts are in it. */
export const createBook = (store: Store) => {
  const db = store.tables<BookTables>()
  return {
    /** Does nothing where one of that name was begun. */
    begin: async (rollout: string, { plan, pair, begunAt }: Begun, cursor: Cursor | null): Promise<void> => {
      const times = { begun_at: begunAt, last_at: begunAt }
      const texts = { plan: JSON.stringify(plan), pair: JSON.stringify(pair), cursor: cursor && JSON.stringify(cursor) }
      await effect('release.begin', () =>
        db
          .insertInto('release_judgings')
          .values({ rollout, ...texts, ...times })
          .onConflict((clash) => clash.column('rollout').doNothing())
          .execute(),
      )
    },

    /** The cursor and the batch that it includes (none when nothing was counted) become durable together. */
    keep: async (
      rollout: string,
      cursor: Cursor | null,
      kept: { number: number; batch: BatchRow } | null,
      at: number,
    ) => {
      await effect('release.keep-batch', () =>
        store.transaction<BookTables, void>(async (tx) => {
          if (kept) {
            const row = { rollout, number: kept.number, batch: JSON.stringify(kept.batch) }
            await tx.insertInto('release_batches').values(row).execute()
          }
          await tx
            .updateTable('release_judgings')
            .set({ cursor: cursor && JSON.stringify(cursor), last_at: at })
            .where('rollout', '=', rollout)
            .execute()
        }),
      )
    },

    read: async (rollout: string): Promise<Judging | null> => {
      const row = await db.selectFrom('release_judgings').selectAll().where('rollout', '=', rollout).executeTakeFirst()
      if (!row) return null
      const batches: BatchRow[] = []
      for (let more = true; more; ) {
        const page = await db
          .selectFrom('release_batches')
          .select('batch')
          .where('rollout', '=', rollout)
          .where('number', '>', batches.length)
          .orderBy('number')
          .limit(pageRows)
          .execute()
        for (const { batch } of page) batches.push(BatchRow.parse(JSON.parse(batch)))
        more = page.length === pageRows
      }
      return {
        plan: EvidencePlan.parse(JSON.parse(row.plan)),
        pair: PairText.parse(JSON.parse(row.pair)),
        cursor: row.cursor === null ? null : Cursor.parse(JSON.parse(row.cursor)),
        begunAt: Number(row.begun_at),
        batches,
      }
    },

    /** Forgets judgings for which nothing was counted since. */
    forgetBefore: async (at: number): Promise<void> => {
      await effect('release.forget-judgings', () =>
        store.transaction<BookTables, void>(async (tx) => {
          const old = tx.selectFrom('release_judgings').select('rollout').where('last_at', '<', at)
          await tx.deleteFrom('release_batches').where('rollout', 'in', old).execute()
          await tx.deleteFrom('release_judgings').where('last_at', '<', at).execute()
        }),
      )
    },
  }
}
export type Book = ReturnType<typeof createBook>
