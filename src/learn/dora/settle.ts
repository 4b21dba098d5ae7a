import type { DeploymentRow, LaneRow } from '../tables.ts'
import { assess, isCounted, measure } from './assess.ts'
import { attribute, incidentsAround } from './attribution.ts'
import { collect } from './cells.ts'
import { affectedAfter, blamesOf, commitsOf, placeOf, previousOf, type Tx } from './lane.ts'
import { memoryOf } from './memory.ts'

/**
 * What follows for everybody when something was told: which deployments are looked at again. Each is looked at once, and its part in the
 * cells is what it was before the first touch against what it is after the last.
 */
export type Ripple = {
  /** As they were before anything was changed. */
  readonly before: Map<number, DeploymentRow>
  /** To be judged again. */
  readonly touched: Set<number>
  /** Whose lead times are to be measured again. */
  readonly measured: Set<number>
}
export const newRipple = (): Ripple => ({ before: new Map(), touched: new Set(), measured: new Set() })

/** Remembers a row as it was; call it before the row is changed. */
export const remember = ({ before }: Ripple, row: DeploymentRow): void => {
  if (!before.has(row.id)) before.set(row.id, row)
}

export const deploymentById = (tx: Tx, id: number): Promise<DeploymentRow | undefined> =>
  tx.selectFrom('learn_deployments').selectAll().where('id', '=', id).executeTakeFirst()

/** A deployment has come, has moved, or is something else now. `was`: what it was; null: it is new. */
export const placeChanged = async (
  tx: Tx,
  ripple: Ripple,
  row: DeploymentRow,
  was: DeploymentRow | null,
): Promise<void> => {
  ripple.touched.add(row.id)
  ripple.measured.add(row.id)
  const followers = new Map<number, DeploymentRow>()
  const moments = new Set<number>()
  for (const one of [was, row]) {
    const place = one && isCounted(one) ? placeOf(one) : null
    if (!one || !place) continue
    moments.add(place.live_at)
    for (const next of await affectedAfter(tx, place, one.revision)) followers.set(next.id, next)
  }
  for (const one of [row, ...followers.values()]) {
    if (one.id !== row.id) {
      remember(ripple, one)
      ripple.measured.add(one.id)
      if (one.live_at !== null) moments.add(one.live_at)
    }
    await relink(tx, ripple, one)
  }
  for (const moment of moments)
    for (const incident of await incidentsAround(tx, row.lane, moment)) await reattribute(tx, ripple, incident)
}

/** Says again whose failures a deployment mends. */
export const relink = async (tx: Tx, ripple: Ripple, row: DeploymentRow): Promise<void> => {
  ripple.touched.add(row.id)
  const old = await tx.selectFrom('learn_blames').selectAll().where('deployment', '=', row.id).execute()
  const now = await blamesOf(tx, row)
  for (const { blamed } of [...old, ...now]) ripple.touched.add(blamed)
  const isSame =
    old.length === now.length && now.every((one) => old.some((two) => two.blamed === one.blamed && two.how === one.how))
  if (isSame) return
  if (old.length > 0) await tx.deleteFrom('learn_blames').where('deployment', '=', row.id).execute()
  if (now.length > 0)
    await tx
      .insertInto('learn_blames')
      .values(now.map((one) => ({ deployment: row.id, ...one })))
      .execute()
}

/** Says again which deployment an incident is put down to. */
export const reattribute = async (tx: Tx, ripple: Ripple, incident: string): Promise<void> => {
  for (const id of await attribute(tx, incident)) ripple.touched.add(id)
}

/** Judges and measures all that was touched; what that changes in the cells is written at the end of the batch. */
export const settle = async (tx: Tx, ripple: Ripple): Promise<void> => {
  const { cells } = memoryOf(tx)
  for (const id of ripple.touched) {
    const row = await deploymentById(tx, id)
    if (!row) continue
    const before = ripple.before.get(id) ?? row
    const after = await lookAgain(tx, ripple, row)
    const lane = await laneById(tx, row.lane)
    collect(cells, before, lane, -1)
    collect(cells, after, lane, 1)
  }
}

const lookAgain = async (tx: Tx, ripple: Ripple, row: DeploymentRow): Promise<DeploymentRow> => {
  const [mended, incidents, mends] = await evidenceOf(tx, row.id)
  const judged = { ...row, ...assess(row, { mended, incidents, mends }) }
  const after = ripple.measured.has(row.id) ? { ...judged, ...(await measureAgain(tx, judged)) } : judged
  const { id: _, ...values } = after
  await tx.updateTable('learn_deployments').set(values).where('id', '=', row.id).execute()
  return after
}

const evidenceOf = async (tx: Tx, id: number) => {
  const mended = await tx
    .selectFrom('learn_blames')
    .innerJoin('learn_deployments', 'learn_deployments.id', 'learn_blames.deployment')
    .select(['learn_blames.how', 'learn_deployments.live_at'])
    .where('learn_blames.blamed', '=', id)
    .execute()
  const incidents = await tx
    .selectFrom('learn_incidents')
    .select(['how', 'resolved_at'])
    .where('deployment', '=', id)
    .where('dismissed', '=', 0)
    .execute()
  const mends = await tx.selectFrom('learn_blames').select('how').where('deployment', '=', id).limit(1).execute()
  return [mended, incidents, mends.length > 0] as const
}

const measureAgain = async (tx: Tx, row: DeploymentRow) => {
  const place = placeOf(row)
  const isFirst = place !== null && (await previousOf(tx, place)) === undefined
  return measure(row, await commitsOf(tx, row.id), isFirst)
}

export const laneById = async (tx: Tx, lane: number): Promise<LaneRow> => {
  const { lanes } = memoryOf(tx)
  const row =
    lanes.get(lane) ??
    (await tx.selectFrom('learn_lanes').selectAll().where('lane', '=', lane).executeTakeFirstOrThrow())
  lanes.set(lane, row)
  return row
}
