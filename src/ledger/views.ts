import { sql, type Transaction } from 'kysely'
import { z } from 'zod'
import { effect } from '../effect.ts'
import { Problem } from '../problem.ts'
import { createMutex } from '../store/mutex.ts'
import type { Store } from '../store/store.ts'
import { digestTables } from './digest.ts'
import { isFact, type RecordedFact } from './fact.ts'
import { payloadErased } from './facts.ts'
import type { Ledger, View, Views } from './ledger.ts'
import { tableNames } from './table-names.ts'
import type { CursorTables } from './tables.ts'

export { createCursorTable } from './tables.ts'

export type ViewsOptions = {
  readonly store: Store
  readonly ledger: Ledger
  readonly views: readonly View[]
  /** Told how far views have come that are built from very many facts before this resolves. */
  readonly progress?: ((applied: number, total: number) => void) | undefined
}

const batchFacts = 500
/** Of a ledger that is far ahead, as many are applied at once. */
const manyFacts = 2_000
/** Some milliseconds of deleting. */
const clearedRows = 250

/** A view that is kept up to date: how far it is, and why it does not get further. */
type Kept = {
  readonly view: View
  seq: number
  stuck: Error | null
  /** Whether the fact behind which it stands could not be applied when it was last tried. */
  failed: boolean
  /** Erasures up to this fact were made before the view read what they erase. */
  erasuresKnownTo: number
}

/**
 * Keeps the views up to date behind the ledger, those that are equally far in one transaction together with their cursors. A view that
 * is new, or whose version changed, is built from the first fact before this resolves. A view that throws stays before the fact that it
 * could not apply, the others go on; it is tried again after the next append and at the next `reach`, which rejects with the reason.
 * When a payload that was applied before is erased, all views are rebuilt, so that nothing derived from it is left.
 */
export const openViews = async ({ store, ledger, views, progress }: ViewsOptions): Promise<Views> => {
  const kept: Kept[] = []
  const turns = createMutex()
  /** Those who wait until the views have come far enough. */
  const awaiting = new Set<() => void>()
  let pumping: Promise<void> | null = null
  let again = false
  let stopped = false
  let broken: unknown = null
  /** Told of each step while the views come up to a ledger that was far ahead of them when they were opened. */
  let whileFarBehind: Progress | undefined

  /** Applies the next facts to the views that are furthest behind; false when there is nothing left that could be done. */
  const step = async (): Promise<boolean> => {
    const healthy = kept.filter(({ stuck }) => stuck === null)
    const lowest = Math.min(...healthy.map(({ seq }) => seq))
    const { seq: head } = await ledger.head()
    if (healthy.length === 0 || lowest >= head) return false
    const group = healthy.filter(({ seq }) => seq === lowest)
    // who failed lately is tried again with every append
    const isFar = head - lowest >= manyFacts && !group.some(({ failed }) => failed)
    const size = isFar ? manyFacts : batchFacts
    const ahead = Math.min(...healthy.filter(({ seq }) => seq > lowest).map(({ seq }) => seq))
    const facts = await ledger.read({ after: lowest, limit: Math.min(size, ahead - lowest) })
    if (facts.length === 0) return false
    if (facts.some((fact) => group.some((one) => erasesWhatWasApplied(fact, one)))) await rebuildAtOnce()
    else await applyTo(group, facts, isFar)
    whileFarBehind?.(Math.min(...kept.map(({ seq }) => seq)), (await ledger.head()).seq)
    return true
  }

  const applyTo = async (group: readonly Kept[], facts: readonly RecordedFact[], isLong: boolean): Promise<void> => {
    const last = facts.at(-1)
    if (!last) return
    try {
      await store.transaction((tx: Transaction<CursorTables>) => applyAll(tx, group, facts), {
        isDerived: true,
        isLong,
      })
      for (const one of group) {
        one.seq = last.seq
        one.failed = false
      }
      for (const look of awaiting) look()
    } catch (error) {
      if (!(error instanceof ViewFailure)) throw error
      const place = facts.findIndex(({ seq }) => seq === error.seq)
      if (place > 0) return applyTo(group, facts.slice(0, place), isLong)
      const failing = group.find(({ view }) => view.name === error.view)
      if (failing) {
        failing.stuck = error
        failing.failed = true
      }
    }
  }

  const rebuildAtOnce = async (progress?: Progress): Promise<void> => {
    const total = (await ledger.head()).seq
    const reached = await buildAtOnce({ store, ledger }, kept, progress)
    for (const one of kept) {
      one.erasuresKnownTo = total
      one.seq = reached
      one.stuck = null
      one.failed = false
    }
  }

  const pump = async (): Promise<void> => {
    while (again && !stopped) {
      again = false
      const leave = await turns.enter()
      try {
        for (const one of kept) one.stuck = null
        while (!stopped && (await step()));
        broken = null
      } catch (error) {
        broken = error
      } finally {
        leave()
      }
    }
    pumping = null
  }

  const wake = (): Promise<void> => {
    again = true
    pumping ??= pump()
    return pumping
  }

  const reach = async (seq?: number): Promise<void> => {
    const target = seq ?? (await ledger.head()).seq
    const behind = () => kept.find((one) => one.seq < target)
    if (!behind()) return
    // Not until the views are up to date with everything: where facts come faster than they are read, that would be never.
    const moved = Promise.withResolvers<void>()
    const look = (): void => {
      if (!behind()) moved.resolve()
    }
    awaiting.add(look)
    await Promise.race([wake(), moved.promise]).finally(() => awaiting.delete(look))
    const late = behind()
    if (!late) return
    if (late.stuck) throw late.stuck
    if (broken) throw broken
    throw new Error(stopped ? 'the views are stopped' : `the ledger has no fact ${target} yet`)
  }

  const { seq: head } = await ledger.head()
  for (const view of views) {
    const seq = await openView(store, view, head)
    kept.push({ view, seq, stuck: null, failed: false, erasuresKnownTo: seq === 0 ? head : seq })
  }
  const fresh = kept.filter(({ seq }) => seq === 0)
  if (fresh.length > 0 && head >= manyFacts) {
    // What cannot be applied is found out fact by fact.
    const reached = await buildAtOnce({ store, ledger }, fresh, progress).catch(unlessItsTheViews)
    if (reached !== null) for (const one of fresh) one.seq = reached
  }
  if (kept.some(({ seq }) => head - seq >= manyFacts)) whileFarBehind = progress
  await wake()
  whileFarBehind = undefined
  for (const { stuck } of kept) if (stuck) throw stuck
  if (broken) throw broken
  const unsubscribe = ledger.onAppend(() => void wake())

  return {
    reach,
    rebuild: async (progress) => {
      const leave = await turns.enter()
      try {
        await rebuildAtOnce(progress)
      } finally {
        leave()
      }
    },
    digest: async () => {
      await reach()
      const leave = await turns.enter()
      try {
        return await digestTables(store, await tablesOf(store, views))
      } finally {
        leave()
      }
    },
    stop: async () => {
      stopped = true
      unsubscribe()
      await pumping
      const leave = await turns.enter()
      leave()
    },
  }
}

/** All facts, oldest first; the next are read while these are applied. */
async function* pagesOf(ledger: Ledger): AsyncGenerator<RecordedFact[]> {
  let facts = await ledger.read({ limit: manyFacts })
  while (facts.length > 0) {
    const next = ledger.read({ after: facts.at(-1)?.seq ?? 0, limit: manyFacts })
    // Whoever stops in between never asks for them.
    next.catch(() => undefined)
    yield facts
    facts = await next
  }
}

type Progress = (applied: number, total: number) => void

/**
 * Makes views anew from the first fact on, in one transaction, so that readers see the old rows or the new, never a half; appends wait for
 * it. Resolves to the last fact that they hold.
 */
const buildAtOnce = async (
  { store, ledger }: Pick<ViewsOptions, 'store' | 'ledger'>,
  group: readonly Kept[],
  progress?: Progress,
): Promise<number> => {
  const total = (await ledger.head()).seq
  const build = async (tx: Transaction<CursorTables>): Promise<number> => {
    for (const { view } of group) await make(store, tx, view)
    let seq = 0
    for await (const facts of pagesOf(ledger)) {
      await applyAll(tx, group, facts)
      seq = facts.at(-1)?.seq ?? seq
      progress?.(seq, Math.max(seq, total))
    }
    return seq
  }
  return effect('ledger.rebuild-views', () => store.transaction(build, { isDerived: true, isLong: true }))
}

/** Says which view could not apply which fact; the cause is what the view threw. */
class ViewFailure extends Error {
  readonly view: string
  readonly seq: number

  constructor(view: View, fact: RecordedFact, cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    super(
      `the view "${view.name}" stands before fact ${fact.seq} (${fact.type}), which it could not apply: ${reason}`,
      {
        cause,
      },
    )
    this.view = view.name
    this.seq = fact.seq
  }
}

const unlessItsTheViews = (error: unknown): null => {
  if (error instanceof ViewFailure) return null
  throw error
}

const applyAll = async (
  tx: Transaction<CursorTables>,
  group: readonly Kept[],
  facts: readonly RecordedFact[],
): Promise<void> => {
  const last = facts.at(-1)
  const [first] = facts
  if (!first || !last) return
  for (const { view } of group) {
    try {
      await view.prepare?.(tx, facts)
    } catch (error) {
      throw isTheStores(error) ? error : new ViewFailure(view, first, error)
    }
  }
  for (const fact of facts) {
    for (const { view } of group) {
      try {
        await view.apply(tx, fact)
      } catch (error) {
        throw isTheStores(error) ? error : new ViewFailure(view, fact, error)
      }
    }
  }
  for (const { view } of group) {
    try {
      await view.finish?.(tx)
    } catch (error) {
      throw isTheStores(error) ? error : new ViewFailure(view, last, error)
    }
  }
  const names = group.map(({ view }) => view.name)
  await tx.updateTable('ledger_cursors').set({ seq: last.seq }).where('name', 'in', names).execute()
}

/** Not the view's fault: a full disk, a lost connection, a conflict after which the transaction is run again (SQLSTATE classes). */
const isTheStores = (error: unknown): boolean =>
  error instanceof Problem ||
  (error instanceof Error && 'code' in error && typeof error.code === 'string' && /^(08|40|53|57)/.test(error.code))

/** Whether a fact erases the payload of an older one that the view had already applied, in full. */
const erasesWhatWasApplied = (fact: RecordedFact, { seq, erasuresKnownTo }: Kept): boolean =>
  isFact(payloadErased, fact) && fact.payload.seq <= seq && fact.seq > erasuresKnownTo

/** Where the view stands; made anew when it is new, of another version, or ahead of a ledger that was restored from a backup. */
const openView = async (store: Store, view: View, head: number): Promise<number> => {
  const rows = store.tables<CursorTables>().selectFrom('ledger_cursors').selectAll()
  const row = await rows.where('name', '=', view.name).executeTakeFirst()
  if (row && row.version === view.version && row.seq <= head) return row.seq
  await store.transaction((tx: Transaction<CursorTables>) => make(store, tx, view))
  return 0
}

/** Drops what the view had, creates its tables empty and puts its cursor before the first fact. */
const make = async (store: Store, tx: Transaction<CursorTables>, view: View): Promise<void> => {
  const row = await tx.selectFrom('ledger_cursors').select('tables').where('name', '=', view.name).executeTakeFirst()
  if (row) {
    const tables = tableList(row.tables)
    const there = await tableNames(tx, store.dialect)
    if (store.dialect === 'sqlite') for (const table of tables) if (there.includes(table)) await clear(tx, table)
    await view.drop(tx)
    // an older version may have had tables that this one does not know of
    for (const table of tables) await tx.schema.dropTable(table).ifExists().execute()
    await tx.deleteFrom('ledger_cursors').where('name', '=', view.name).execute()
  }
  const before = new Set(await tableNames(tx, store.dialect))
  await view.create(tx)
  const made = (await tableNames(tx, store.dialect)).filter((name) => !before.has(name))
  const cursor = { name: view.name, version: view.version, seq: 0, tables: JSON.stringify(made) }
  await tx.insertInto('ledger_cursors').values(cursor).execute()
}

/**
 * Deletes all rows, some at a time: SQLite drops a table by overwriting all of it in one statement, for which the thread of a long transaction
 * would stand still. PostgreSQL drops the file.
 */
const clear = async (tx: Transaction<CursorTables>, table: string): Promise<void> => {
  const oldest = sql`SELECT rowid FROM ${sql.table(table)} ORDER BY rowid LIMIT ${clearedRows}`
  const some = sql`DELETE FROM ${sql.table(table)} WHERE rowid IN (${oldest})`
  let left = true
  while (left) {
    const { numAffectedRows } = await effect('ledger.clear-view', () => some.execute(tx))
    left = numAffectedRows === BigInt(clearedRows)
  }
}

const tableList = (json: string): string[] => z.array(z.string()).parse(JSON.parse(json))

const tablesOf = async (store: Store, views: readonly View[]): Promise<string[]> => {
  if (views.length === 0) return []
  const names = views.map(({ name }) => name)
  const rows = store.tables<CursorTables>().selectFrom('ledger_cursors').select('tables').where('name', 'in', names)
  return (await rows.execute()).flatMap(({ tables }) => tableList(tables)).sort()
}
