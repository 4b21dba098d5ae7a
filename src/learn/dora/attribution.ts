import type { FailedHow, IncidentRow } from '../tables.ts'
import { deploymentByKey, written } from './book.ts'
import { defaultWindowMs, servingAt, type Tx } from './lane.ts'
import { memoryOf } from './memory.ts'

type Cause = { readonly deployment: number | null; readonly how: FailedHow | null }
const nobody: Cause = { deployment: null, how: null }

/**
 * Says which deployment an incident is put down to, in this order: what somebody has said last; the deployment that it names itself; what
 * a rollback, a revert or a hotfix took back while it was open; the last deployment of the same service and environment within the
 * window, which is suspected. Resolves to the deployments that it was and is put down to.
 */
export const attribute = async (tx: Tx, incident: string): Promise<number[]> => {
  const row = await tx.selectFrom('learn_incidents').selectAll().where('incident', '=', incident).executeTakeFirst()
  if (!row) return []
  const cause = await causeOf(tx, row)
  if (cause.deployment !== row.deployment || cause.how !== row.how)
    await tx.updateTable('learn_incidents').set(cause).where('incident', '=', incident).execute()
  return [row.deployment, cause.deployment].filter((id) => id !== null)
}

const causeOf = async (tx: Tx, row: IncidentRow): Promise<Cause> => {
  if (row.attributed === '') return nobody
  const said = row.attributed ?? row.caused_by
  if (said !== null) {
    const named = await deploymentByKey(tx, said)
    // One that is not known yet may still come; nobody else is blamed meanwhile.
    return named ? { deployment: named.id, how: row.source === 'rollback' ? 'rollback' : 'said' } : nobody
  }
  if (row.lane === null) return nobody
  const windowMs = await windowOf(tx, row.project)
  return (await mendedMeanwhile(tx, row, row.lane, windowMs)) ?? (await suspect(tx, row, row.lane, windowMs))
}

const mendedMeanwhile = async (
  tx: Tx,
  { began_at, resolved_at }: IncidentRow,
  lane: number,
  windowMs: number,
): Promise<Cause | null> => {
  const found = await (await written(tx))
    .selectFrom('learn_blames')
    .innerJoin('learn_deployments as mending', 'mending.id', 'learn_blames.deployment')
    .innerJoin('learn_deployments as blamed', 'blamed.id', 'learn_blames.blamed')
    .select(['blamed.id', 'learn_blames.how'])
    .where('mending.lane', '=', lane)
    .where('mending.live_at', '>=', began_at)
    .where('mending.live_at', '<=', Math.min(resolved_at ?? Number.MAX_SAFE_INTEGER, began_at + windowMs))
    .where('blamed.live_at', '<=', began_at)
    .orderBy('mending.live_at')
    .orderBy('blamed.id')
    .limit(1)
    .executeTakeFirst()
  return found ? { deployment: found.id, how: found.how } : null
}

const suspect = async (tx: Tx, { began_at }: IncidentRow, lane: number, windowMs: number): Promise<Cause> => {
  const serving = await servingAt(tx, lane, began_at)
  if (!serving || began_at - serving.live_at > windowMs) return nobody
  return { deployment: serving.id, how: 'suspected' }
}

export const windowOf = async (tx: Tx, project: string): Promise<number> => {
  const { windows } = memoryOf(tx)
  const known = windows.get(project)
  if (known !== undefined) return known
  const row = await windowRow(tx, project).executeTakeFirst()
  const windowMs = row?.window_ms ?? defaultWindowMs
  windows.set(project, windowMs)
  return windowMs
}

export const windowRow = (tx: Tx, project: string) =>
  tx.selectFrom('learn_windows').select('window_ms').where('project', '=', project)

/** Incidents of a lane that a deployment at this moment may have caused or mended. */
export const incidentsAround = async (tx: Tx, lane: number, moment: number): Promise<string[]> => {
  const { incidents, lanes } = memoryOf(tx)
  const around = incidents.get(lane)
  const isKnown = around && around.first <= moment && moment <= around.last
  const found = isKnown
    ? around.incidents
    : await incidentsBetween(tx, lane, await windowOfLane(tx, lane), moment, moment).execute()
  const project = lanes.get(lane)?.project
  if (found.length === 0 || project === undefined) return found.map(({ incident }) => incident)
  const windowMs = await windowOf(tx, project)
  return found.flatMap(({ incident, began_at }) => (Math.abs(began_at - moment) <= windowMs ? [incident] : []))
}

const windowOfLane = async (tx: Tx, lane: number): Promise<number> => {
  const known = memoryOf(tx).lanes.get(lane)
  const of = known ?? (await tx.selectFrom('learn_lanes').select('project').where('lane', '=', lane).executeTakeFirst())
  return of ? windowOf(tx, of.project) : defaultWindowMs
}

/** Those that deployments between these moments may have caused or mended, oldest first. */
export const incidentsBetween = (tx: Tx, lane: number, windowMs: number, first: number, last: number) =>
  tx
    .selectFrom('learn_incidents')
    .select(['incident', 'began_at'])
    .where('lane', '=', lane)
    .where('began_at', '>=', first - windowMs)
    .where('began_at', '<=', last + windowMs)
    .orderBy('began_at')
    .orderBy('seq')
