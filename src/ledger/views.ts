import type { Kysely } from 'kysely'
import { Digest } from '../names.ts'
import type { Store } from '../store/store.ts'
import { sha256 } from './chain.ts'
import type { Ledger, View, Views } from './ledger.ts'

type CursorRow = { view: string; version: number; seq: number; tables: string }
type CursorTables = { ledger_cursors: CursorRow }

export const createCursorTable = (db: Kysely<unknown>): Promise<void> =>
  db.schema
    .createTable('ledger_cursors')
    .ifNotExists()
    .addColumn('view', 'text', (column) => column.primaryKey())
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('seq', 'bigint', (column) => column.notNull())
    .addColumn('tables', 'text', (column) => column.notNull())
    .execute()

const batchSize = 500

/**
 * Keeps the views up to date behind the ledger, one after the other, in the order given. A view whose version changed is dropped and
 * built anew before this resolves.
 */
export const openViews = async (options: { store: Store; ledger: Ledger; views: readonly View[] }): Promise<Views> => {
  const { store, ledger, views } = options
  const db = store.tables<CursorTables>()
  const cursors = new Map<string, number>()
  let running: Promise<void> | undefined
  let wanted = false
  let stopped = false
  let failure: unknown

  const make = async (view: View): Promise<void> => {
    // In three steps, each of which can be repeated: until the last one the cursor names no version and the view is made again.
    await store.transaction<CursorTables, void>(async (tx) => {
      await view.drop(tx as never)
      await tx.deleteFrom('ledger_cursors').where('view', '=', view.name).execute()
    })
    const before = await tableNames(store)
    await view.create(db as never)
    const tables = JSON.stringify((await tableNames(store)).filter((name) => !before.includes(name)))
    await db.insertInto('ledger_cursors').values({ view: view.name, version: view.version, seq: 0, tables }).execute()
    cursors.set(view.name, 0)
  }

  /** Applies the facts that the slowest view lacks; each view moves in a transaction together with its cursor. */
  const advance = async (view: View, to: number, progress?: (applied: number) => void): Promise<void> => {
    for (let at = cursors.get(view.name) ?? 0; at < to; ) {
      const facts = await ledger.read({ after: at, limit: batchSize })
      const last = facts.at(-1)
      if (!last) return
      await store.transaction<CursorTables, void>(async (tx) => {
        for (const recorded of facts) {
          await view.apply(tx as never, recorded).catch((error: unknown) => {
            throw new Error(`the view ${view.name} could not apply fact ${recorded.seq} (${recorded.type})`, {
              cause: error,
            })
          })
        }
        await tx.updateTable('ledger_cursors').set({ seq: last.seq }).where('view', '=', view.name).execute()
      })
      at = last.seq
      cursors.set(view.name, at)
      progress?.(at)
    }
  }

  const advanceAll = async (): Promise<void> => {
    while (wanted && !stopped) {
      wanted = false
      const { seq } = await ledger.head()
      for (const view of views) await advance(view, seq)
    }
  }

  const wake = (): Promise<void> => {
    wanted = true
    running ??= advanceAll()
      .then(
        () => {
          failure = undefined
        },
        (error: unknown) => {
          failure = error
        },
      )
      .finally(() => {
        running = undefined
      })
    return running
  }

  const reach = async (seq?: number): Promise<void> => {
    const target = seq ?? (await ledger.head()).seq
    while (views.some((view) => (cursors.get(view.name) ?? 0) < target)) {
      await wake()
      if (failure) throw failure
      if (stopped) throw new Error('the views have been stopped')
    }
  }

  for (const view of views) {
    const row = await db.selectFrom('ledger_cursors').selectAll().where('view', '=', view.name).executeTakeFirst()
    if (row?.version === view.version) cursors.set(view.name, row.seq)
    else await make(view)
  }
  const unsubscribe = ledger.onAppend(() => void wake())
  await reach()

  return {
    reach,
    rebuild: async (progress) => {
      await running
      const { seq } = await ledger.head()
      for (const [place, view] of views.entries()) {
        await make(view)
        await advance(view, seq, (applied) => progress?.(place * seq + applied, views.length * seq))
      }
    },
    digest: async () => {
      await reach()
      const parts: string[] = []
      for (const view of views) {
        const row = await db
          .selectFrom('ledger_cursors')
          .select('tables')
          .where('view', '=', view.name)
          .executeTakeFirstOrThrow()
        for (const table of JSON.parse(row.tables) as string[]) {
          const rows = await store
            .tables<Record<string, Record<string, unknown>>>()
            .selectFrom(table)
            .selectAll()
            .execute()
          const lines = rows
            .map((one) => JSON.stringify(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1))))
            .sort()
          parts.push(table, ...lines)
        }
      }
      return Digest.parse(`sha256:${sha256(parts.join('\n')).toString('hex')}`)
    },
    stop: async () => {
      stopped = true
      unsubscribe()
      await running
    },
  }
}

const tableNames = async (store: Store): Promise<string[]> => {
  if (store.dialect === 'sqlite') {
    const found = await store
      .tables<{ sqlite_schema: { name: string; type: string } }>()
      .selectFrom('sqlite_schema')
      .select('name')
      .where('type', '=', 'table')
      .execute()
    return found.map(({ name }) => name)
  }
  const found = await store
    .tables<{ 'information_schema.tables': { table_name: string; table_schema: string } }>()
    .selectFrom('information_schema.tables')
    .select('table_name')
    .where('table_schema', '=', 'public')
    .execute()
  return found.map(({ table_name }) => table_name)
}
