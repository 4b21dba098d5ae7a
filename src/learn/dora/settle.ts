import type { DeploymentRow, LaneRow } from '../tables.ts'
import { assess, isCounted, measure } from './assess.ts'
import { attribute, incidentsAround } from './attribution.ts'
import { changeDeployment, deploymentById, entryOf, written } from './book.ts'
import { collect } from './cells.ts'
import { affectedAfter, type Blame, blamesBy, blamesOf, commitsOf, placeOf, previousOf, type Tx } from './lane.ts'
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
    for (const id of await affectedAfter(tx, place, one.revision)) {
      const next = await deploymentById(tx, id)
      if (next) followers.set(id, next)
    }
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
  const old = await blamesBy(tx, row.id)
  const now = await blamesOf(tx, row)
  for (const { blamed } of [...old, ...now]) ripple.touched.add(blamed)
  const isSame =
    old.length === now.length && now.every((one) => old.some((two) => two.blamed === one.blamed && two.how === one.how))
  if (!isSame) await blame(tx, row.id, now)
}

const blame = async (tx: Tx, deployment: number, blames: readonly Blame[]): Promise<void> => {
  const entry = await entryOf(tx, deployment)
  if (entry) entry.blames = blames
  for (const { blamed } of blames) {
    const other = await entryOf(tx, blamed)
    if (other) other.mayBeBlamed = true
  }
  await tx.deleteFrom('learn_blames').where('deployment', '=', deployment).execute()
  if (blames.length === 0) return
  await tx
    .insertInto('learn_blames')
    .values(blames.map((one) => ({ deployment, ...one })))
    .execute()
}

/** Says again which deployment an incident is put down to. */
export const reattribute = async (tx: Tx, ripple: Ripple, incident: string): Promise<void> => {
  for (const id of await attribute(tx, incident)) {
    ripple.touched.add(id)
    const entry = await entryOf(tx, id)
    if (entry) entry.mayHaveIncidents = true
  }
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
  return (await changeDeployment(tx, row.id, after)) ?? after
}

const evidenceOf = async (tx: Tx, id: number) => {
  const entry = await entryOf(tx, id)
  const mends = await blamesBy(tx, id)
  return [
    entry?.mayBeBlamed === false ? [] : await mendedBy(tx, id),
    entry?.mayHaveIncidents === false ? [] : await incidentsOf(tx, id),
    mends.length > 0,
  ] as const
}

const mendedBy = async (tx: Tx, blamed: number) =>
  (await written(tx))
    .selectFrom('learn_blames')
    .innerJoin('learn_deployments', 'learn_deployments.id', 'learn_blames.deployment')
    .select(['learn_blames.how', 'learn_deployments.live_at'])
    .where('learn_blames.blamed', '=', blamed)
    .execute()

const incidentsOf = (tx: Tx, deployment: number) =>
  tx
    .selectFrom('learn_incidents')
    .select(['how', 'resolved_at'])
    .where('deployment', '=', deployment)
    .where('dismissed', '=', 0)
    .execute()

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
