import { type Compilable, CompiledQuery, sql } from 'kysely'
import { inSizes } from '../../store/sizes.ts'
import { storable } from '../../store/text.ts'
import { type CommitRow, commitColumns, type DeploymentRow, deploymentColumns } from '../tables.ts'
import type { Tx } from './lane.ts'
import { type Entry, type Memory, memoryOf } from './memory.ts'
import { restand, type Standing } from './spine.ts'
import { statement } from './statement.ts'
import { together } from './together.ts'

/** Deployments as they are in this transaction: what was told is remembered, and written at the end of a batch. */

export const deploymentById = async (tx: Tx, id: number): Promise<DeploymentRow | undefined> =>
  (await entryOf(tx, id))?.row

export const deploymentByKey = async (tx: Tx, key: string): Promise<DeploymentRow | undefined> => {
  const { keys } = memoryOf(tx)
  const known = keys.get(key)
  if (known === null) return undefined
  if (known !== undefined) return deploymentById(tx, known)
  const row = await tx.selectFrom('learn_deployments').selectAll().where('key', '=', key).executeTakeFirst()
  if (!row) keys.set(key, null)
  return row && keepRow(tx, row).row
}

export const entryOf = async (tx: Tx, id: number): Promise<Entry | undefined> => {
  const known = memoryOf(tx).deployments.get(id)
  if (known) return known
  const row = await tx.selectFrom('learn_deployments').selectAll().where('id', '=', id).executeTakeFirst()
  return row && keepRow(tx, row)
}

/** Remembers a row that was read; what is remembered already is newer. */
export const keepRow = (tx: Tx, row: DeploymentRow): Entry => {
  const { deployments, keys } = memoryOf(tx)
  const entry: Entry = deployments.get(row.id) ?? {
    ...{ row, state: 'same', commits: null, blames: null, mayBeBlamed: true, mayHaveIncidents: true },
  }
  deployments.set(row.id, entry)
  keys.set(row.key, row.id)
  return entry
}

/** One that nobody knew. */
export const addDeployment = (tx: Tx, row: DeploymentRow): void => {
  const memory = memoryOf(tx)
  memory.deployments.set(row.id, {
    ...{ row, state: 'new', commits: [], blames: [], mayBeBlamed: false, mayHaveIncidents: false },
  })
  memory.unwritten.add(row.id)
  memory.keys.set(row.key, row.id)
  stand(memory, null, row)
}

/** Resolves to the row as it is now. */
export const changeDeployment = async (
  tx: Tx,
  id: number,
  values: Partial<DeploymentRow>,
): Promise<DeploymentRow | undefined> => {
  const entry = await entryOf(tx, id)
  if (!entry) return undefined
  const was = entry.row
  entry.row = { ...was, ...values }
  if (entry.state === 'same') entry.state = 'changed'
  memoryOf(tx).unwritten.add(id)
  stand(memoryOf(tx), was, entry.row)
  return entry.row
}

/** A commit comes with a deployment. */
export const addCommits = async (tx: Tx, id: number, rows: readonly CommitRow[]): Promise<void> => {
  const { commits, absent } = memoryOf(tx)
  const entry = await entryOf(tx, id)
  for (const row of rows) {
    commits.push(row)
    entry?.commits?.push(row)
    absent.commits.found(`${row.lane} ${row.commit_id}`)
  }
}

const stand = ({ spines, absent, revisions }: Memory, was: DeploymentRow | null, now: DeploymentRow): void => {
  const name = `${now.lane} ${now.revision}`
  const first = revisions.get(name) ?? now.id
  revisions.set(name, first)
  if (first !== now.id) absent.revisions.found(name)
  const spine = spines.get(now.lane)
  if (!spine) return
  const before = was && standingOf(was)
  const after = standingOf(now)
  if (before || after) restand(spine, before, after)
}

/** Null where it does not count. */
type Stands = Pick<DeploymentRow, 'id' | 'lane' | 'live_at' | 'state' | 'kind' | 'revision' | 'counted'>
export const standingOf = ({ id, lane, live_at, state, kind, revision, counted }: Stands): Standing | null =>
  counted === 0 || live_at === null ? null : { id, lane, live_at, state, kind, revision }

/** For those who ask the tables themselves: what was told so far is written first. */
export const written = async (tx: Tx): Promise<Tx> => {
  const memory = memoryOf(tx)
  const commits = memory.commits.splice(0)
  const entries = [...memory.unwritten].flatMap((id) => memory.deployments.get(id) ?? [])
  memory.unwritten.clear()
  const fresh = entries.filter(({ state }) => state === 'new').map(({ row }) => row)
  const changed = entries.filter(({ state }) => state === 'changed').map(({ row }) => row)
  for (const entry of entries) entry.state = 'same'
  const statements = [
    ...insertAll(tx, 'learn_deployments', deploymentColumns, fresh),
    ...updateAll(tx, changed),
    ...insertAll(tx, 'learn_commits', commitColumns, commits),
  ]
  if (statements.length > 0) await together(tx, (ask) => Promise.all(statements.map(ask)))
  return tx
}

const insertAll = (
  tx: Tx,
  table: 'learn_deployments' | 'learn_commits',
  columns: readonly string[],
  rows: readonly (DeploymentRow | CommitRow)[],
): Compilable<unknown>[] =>
  inSizes(rows).map((some) => {
    const values = some.flatMap((row) => valuesOf(row, columns))
    const text = statement(tx, `${table} ${some.length}`, () => {
      const row = sql`(${sql.join(columns.map(() => sql.val(null)))})`
      const names = sql.join(columns.map((column) => sql.ref(column)))
      return sql`INSERT INTO ${sql.table(table)} (${names}) VALUES ${sql.join(some.map(() => row))}`
    })
    return { compile: () => CompiledQuery.raw(text, values) }
  })

const updateAll = (tx: Tx, rows: readonly DeploymentRow[]): Compilable<unknown>[] =>
  rows.map((row) => {
    const columns = deploymentColumns.filter((column) => column !== 'id')
    const text = statement(tx, 'update', () => {
      const set = sql.join(columns.map((column) => sql`${sql.ref(column)} = ${null}`))
      return sql`UPDATE learn_deployments SET ${set} WHERE id = ${row.id}`
    })
    return { compile: () => CompiledQuery.raw(text, [...valuesOf(row, columns), row.id]) }
  })

const valuesOf = (row: Readonly<Record<string, unknown>>, columns: readonly string[]): unknown[] =>
  columns.map((column) => storable(row[column]))
