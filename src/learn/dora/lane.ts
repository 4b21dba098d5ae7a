import type { Transaction } from 'kysely'
import type { CommitRow, DeploymentRow, DoraTables, FailedHow } from '../tables.ts'
import { deploymentById, deploymentByKey, entryOf, standingOf, written } from './book.ts'
import { memoryOf } from './memory.ts'
import { firstAfter, lastBefore, type Order, type Spine, type Standing } from './spine.ts'

export type Tx = Transaction<DoraTables>

/** After which time an incident is no longer suspected to come from a deployment, where nobody has said otherwise. */
export const defaultWindowMs = 24 * 3_600_000

/** Where a deployment stands in its lane; null: it takes no part yet. */
export const placeOf = ({ lane, live_at, id }: DeploymentRow): Place | null =>
  live_at === null ? null : { lane, live_at, id }

type Place = Order & { readonly lane: number }
/** Those that stayed are what a later one follows, and is compared with. */
const hasStayed = ({ state }: Standing): boolean => state !== 'rolled-back'

export const previousOf = async (tx: Tx, place: Place): Promise<Standing | undefined> => {
  const found = lastBefore(await spineOf(tx, place.lane), place, hasStayed)
  return found === 'unknown' ? toStanding(await rowsBefore(await written(tx), place).executeTakeFirst()) : found
}

/** The newest that counts, of those that were there at a moment. */
export const servingAt = async (tx: Tx, lane: number, at: number): Promise<Standing | undefined> => {
  const found = lastBefore(await spineOf(tx, lane), { live_at: at, id: Number.POSITIVE_INFINITY }, () => true)
  if (found !== 'unknown') return found
  const rows = inLane(await written(tx), lane).where('live_at', '<=', at)
  return toStanding(await rows.orderBy('live_at', 'desc').orderBy('id', 'desc').limit(1).executeTakeFirst())
}

/**
 * Those later ones whose blame may be another one now that a deployment has come to this place, or has left it: the next; the next
 * hotfix; and the next that go back to it or to what was before it. However long the lane is, they are at most four.
 */
export const affectedAfter = async (tx: Tx, place: Place, revision: string | null): Promise<number[]> => {
  const next = await nextAfter(tx, place)
  if (!next) return []
  const previous = await previousOf(tx, place)
  const found = [next, await nextAfter(tx, place, { kind: 'hotfix' })]
  for (const one of [revision, previous?.revision ?? null])
    if (one !== null) found.push(await nextAfter(tx, place, { revision: one }))
  return [...new Set(found.flatMap((one) => (one ? [one.id] : [])))]
}

type Wanted = { readonly kind?: Standing['kind']; readonly revision?: string }

const nextAfter = async (tx: Tx, place: Place, { kind, revision }: Wanted = {}): Promise<Standing | undefined> => {
  const found = firstAfter(
    await spineOf(tx, place.lane),
    place,
    (one) =>
      hasStayed(one) &&
      (kind === undefined || one.kind === kind) &&
      (revision === undefined || one.revision === revision),
  )
  if (found !== 'unknown') return found
  let rows = rowsAfter(await written(tx), place)
  if (kind !== undefined) rows = rows.where('kind', '=', kind)
  if (revision !== undefined) rows = rows.where('revision', '=', revision)
  return toStanding(await rows.executeTakeFirst())
}

/** The newest of a lane are remembered: what happens now is hardly ever older. */
const rememberedOfLane = 16

const spineOf = async (tx: Tx, lane: number): Promise<Spine> => {
  const { spines } = memoryOf(tx)
  const known = spines.get(lane)
  if (known) return known
  return keepSpine(tx, lane, await newestOf(await written(tx), lane).execute())
}

/** Remembers the newest of a lane, as they were read, newest first. */
export const keepSpine = (tx: Tx, lane: number, rows: readonly Parameters<typeof standingOf>[0][]): Spine => {
  const standings = rows.flatMap((row) => toStanding(row) ?? []).reverse()
  const [first] = standings
  const isWhole = rows.length < rememberedOfLane || first === undefined
  const spine: Spine = { standings, from: isWhole ? null : { live_at: first.live_at, id: first.id } }
  memoryOf(tx).spines.set(lane, spine)
  return spine
}

/** The newest of a lane, as its table has them. */
export const newestOf = (tx: Tx, lane: number) =>
  tx
    .selectFrom('learn_deployments')
    .select(['id', 'lane', 'live_at', 'state', 'kind', 'revision', 'counted'])
    .where('lane', '=', lane)
    .where('counted', '=', 1)
    .orderBy('live_at', 'desc')
    .orderBy('id', 'desc')
    .limit(rememberedOfLane)

const toStanding = (row: Parameters<typeof standingOf>[0] | undefined): Standing | undefined =>
  (row && standingOf(row)) ?? undefined

const inLane = (tx: Tx, lane: number) =>
  tx.selectFrom('learn_deployments').selectAll().where('lane', '=', lane).where('counted', '=', 1)

const rowsBefore = (tx: Tx, { lane, live_at, id }: Place) =>
  inLane(tx, lane)
    .where('state', '!=', 'rolled-back')
    .where('live_at', '<=', live_at)
    .where((where) => where.or([where('live_at', '<', live_at), where('id', '<', id)]))
    .orderBy('live_at', 'desc')
    .orderBy('id', 'desc')
    .limit(1)

const rowsAfter = (tx: Tx, { lane, live_at, id }: Place) =>
  inLane(tx, lane)
    .where('state', '!=', 'rolled-back')
    .where('live_at', '>=', live_at)
    .where((where) => where.or([where('live_at', '>', live_at), where('id', '>', id)]))
    .orderBy('live_at')
    .orderBy('id')
    .limit(1)

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
    const named = await deploymentByKey(tx, row.rolls_back)
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
  { id, revision }: DeploymentRow,
  place: Place,
  previous: Standing,
): Promise<Standing | undefined> => {
  if (revision === null || previous.revision === revision) return undefined
  const { absent, revisions } = memoryOf(tx)
  const name = `${place.lane} ${revision}`
  if (absent.revisions.isAbsent(name) && (revisions.get(name) ?? id) === id) return undefined
  const isIt = (one: Standing): boolean => hasStayed(one) && one.revision === revision
  const found = lastBefore(await spineOf(tx, place.lane), place, isIt)
  const was =
    found === 'unknown'
      ? toStanding(
          await rowsBefore(await written(tx), place)
            .where('revision', '=', revision)
            .executeTakeFirst(),
        )
      : found
  return was && nextAfter(tx, was)
}

/** More than these are no revert, but a branch of another one. */
const mostReverts = 50

const revertedBy = async (tx: Tx, { id }: DeploymentRow, { lane, live_at }: Place): Promise<number[]> => {
  const reverts = (await commitsOf(tx, id)).flatMap(({ reverts: commit }) => (commit === null ? [] : [commit]))
  const commits = reverts.sort().slice(0, mostReverts)
  if (commits.length === 0) return []
  const rows = await (await written(tx))
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
const notARollback = async (tx: Tx, newest: Standing): Promise<{ readonly id: number } | undefined> => {
  const undone = (await blamesBy(tx, newest.id))
    .filter(({ how }) => how === 'rollback')
    .sort((one, two) => one.blamed - two.blamed)[0]
  return undone ? deploymentById(tx, undone.blamed) : newest
}

/** Whose failures a deployment mends, as was said last. */
export const blamesBy = async (tx: Tx, deployment: number): Promise<readonly Blame[]> => {
  const entry = await entryOf(tx, deployment)
  const known =
    entry?.blames ??
    (await tx.selectFrom('learn_blames').select(['blamed', 'how']).where('deployment', '=', deployment).execute())
  if (entry) entry.blames = known
  return known
}

export const commitsOf = async (tx: Tx, deployment: number): Promise<readonly CommitRow[]> => {
  const entry = await entryOf(tx, deployment)
  if (entry?.commits) return entry.commits
  const rows = (await written(tx)).selectFrom('learn_commits').selectAll().where('deployment', '=', deployment)
  const commits = await rows.execute()
  if (entry) entry.commits = commits
  return commits
}
