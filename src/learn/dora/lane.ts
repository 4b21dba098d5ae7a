import type { Transaction } from 'kysely'
import type { CommitRow, DeploymentRow, DoraTables, FailedHow } from '../tables.ts'

export type Tx = Transaction<DoraTables>

/** After which time an incident is no longer suspected to come from a deployment, where nobody has said otherwise. */
export const defaultWindowMs = 24 * 3_600_000

/** A place in the order of a lane: by when it took traffic, then as it was told. */
type Place = { readonly lane: number; readonly live_at: number; readonly id: number }

export const placeOf = ({ lane, live_at, id }: DeploymentRow): Place | null =>
  live_at === null ? null : { lane, live_at, id }

const inLane = (tx: Tx, lane: number) =>
  tx.selectFrom('learn_deployments').selectAll().where('lane', '=', lane).where('counted', '=', 1)

/** Those that stayed: what a later one follows, and is compared with. */
const stayed = (tx: Tx, lane: number) => inLane(tx, lane).where('state', '!=', 'rolled-back')

const before = (tx: Tx, { lane, live_at, id }: Place) =>
  stayed(tx, lane)
    .where('live_at', '<=', live_at)
    .where((where) => where.or([where('live_at', '<', live_at), where('id', '<', id)]))
    .orderBy('live_at', 'desc')
    .orderBy('id', 'desc')
    .limit(1)

const after = (tx: Tx, { lane, live_at, id }: Place) =>
  stayed(tx, lane)
    .where('live_at', '>=', live_at)
    .where((where) => where.or([where('live_at', '>', live_at), where('id', '>', id)]))
    .orderBy('live_at')
    .orderBy('id')
    .limit(1)

export const previousOf = (tx: Tx, place: Place): Promise<DeploymentRow | undefined> =>
  before(tx, place).executeTakeFirst()

/** The newest that stayed, of those that were there at a moment. */
export const servingAt = (tx: Tx, lane: number, at: number): Promise<DeploymentRow | undefined> =>
  inLane(tx, lane)
    .where('live_at', '<=', at)
    .orderBy('live_at', 'desc')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst()

/**
 * Those later ones whose blame may be another one now that a deployment has come to this place, or has left it: the next; the next
 * hotfix; and the next that go back to it or to what was before it. However long the lane is, they are at most four.
 */
export const affectedAfter = async (tx: Tx, place: Place, revision: string | null): Promise<DeploymentRow[]> => {
  const next = await after(tx, place).executeTakeFirst()
  if (!next) return []
  const previous = await previousOf(tx, place)
  const found = [
    next,
    await after(tx, place).where('kind', '=', 'hotfix').executeTakeFirst(),
    ...(revision === null ? [] : [await after(tx, place).where('revision', '=', revision).executeTakeFirst()]),
    ...(previous?.revision
      ? [await after(tx, place).where('revision', '=', previous.revision).executeTakeFirst()]
      : []),
  ]
  return [...new Map(found.flatMap((row) => (row ? [[row.id, row] as const] : []))).values()]
}

export type Blame = { readonly blamed: number; readonly how: FailedHow }

/**
 * Whose failure a deployment mends. An explicit link comes first; then what it takes back: by going back to a revision that was there
 * before, the first one undone, or by reverting commits, those that brought them; last, for a hotfix, the one before it.
 */
export const blamesOf = async (tx: Tx, row: DeploymentRow): Promise<Blame[]> => {
  const place = placeOf(row)
  if (!place || row.counted === 0 || row.state === 'rolled-back') return []
  const previous = await previousOf(tx, place)
  if (!previous) return []
  if (row.rolls_back !== null) {
    const named = await tx
      .selectFrom('learn_deployments')
      .select('id')
      .where('key', '=', row.rolls_back)
      .executeTakeFirst()
    if (named) return [{ blamed: named.id, how: 'rollback' }]
  }
  const undone = await firstUndone(tx, row, place, previous)
  if (undone) return [{ blamed: undone.id, how: 'rollback' }]
  const reverted = await revertedBy(tx, row, place)
  if (reverted.length > 0) return reverted.map((blamed) => ({ blamed, how: 'revert' }))
  if (row.kind === 'rollback') return [{ blamed: previous.id, how: 'rollback' }]
  if (row.kind !== 'hotfix') return []
  const mended = await notARollback(tx, previous)
  return mended ? [{ blamed: mended.id, how: 'hotfix' }] : []
}

/** V1, V2, V3, V1: it is V2. The same revision twice in a row undoes nothing. */
const firstUndone = async (
  tx: Tx,
  row: DeploymentRow,
  place: Place,
  previous: DeploymentRow,
): Promise<DeploymentRow | undefined> => {
  if (row.revision === null || previous.revision === row.revision) return undefined
  const there = await before(tx, place).where('revision', '=', row.revision).executeTakeFirst()
  const was = there && placeOf(there)
  return was ? after(tx, was).executeTakeFirst() : undefined
}

const revertedBy = async (tx: Tx, { id }: DeploymentRow, { lane, live_at }: Place): Promise<number[]> => {
  const reverts = await tx
    .selectFrom('learn_commits')
    .select('reverts')
    .where('deployment', '=', id)
    .where('reverts', 'is not', null)
    .limit(50)
    .execute()
  const commits = reverts.flatMap(({ reverts: commit }) => (commit === null ? [] : [commit]))
  if (commits.length === 0) return []
  const rows = await tx
    .selectFrom('learn_commits')
    .innerJoin('learn_deployments', 'learn_deployments.id', 'learn_commits.deployment')
    .select('learn_deployments.id')
    .distinct()
    .where('learn_commits.lane', '=', lane)
    .where('learn_commits.commit_id', 'in', commits)
    .where('learn_deployments.live_at', '<=', live_at)
    .where('learn_deployments.id', '!=', id)
    .orderBy('learn_deployments.id')
    .execute()
  return rows.map((one) => one.id)
}

/** A hotfix that comes after a rollback mends what was rolled back, not the rollback. */
const notARollback = async (tx: Tx, newest: DeploymentRow): Promise<DeploymentRow | undefined> => {
  const undone = await tx
    .selectFrom('learn_blames')
    .select('blamed')
    .where('deployment', '=', newest.id)
    .where('how', '=', 'rollback')
    .orderBy('blamed')
    .limit(1)
    .executeTakeFirst()
  if (!undone) return newest
  return tx.selectFrom('learn_deployments').selectAll().where('id', '=', undone.blamed).executeTakeFirst()
}

export const commitsOf = (tx: Tx, deployment: number): Promise<CommitRow[]> =>
  tx.selectFrom('learn_commits').selectAll().where('deployment', '=', deployment).execute()
