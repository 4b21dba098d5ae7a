import { deploymentByKey, written } from '../dora/book.ts'
import type { Tx } from '../dora/lane.ts'
import { memoryOf } from '../dora/memory.ts'
import { laneById } from '../dora/settle.ts'
import type { DeploymentRow } from '../tables.ts'

type Named = { readonly repository: string; readonly commit: string }

/** Says that a deployment brought what was merged or pushed as these commits. */
export const bringChanges = async (
  tx: Tx,
  { id, lane }: Pick<DeploymentRow, 'id' | 'lane'>,
  commits: readonly Named[],
): Promise<void> => {
  const { changes } = memoryOf(tx).absent
  const { project } = await laneById(tx, lane)
  const maybe = commits.filter(({ commit }) => !changes.isAbsent(`${project} ${commit}`))
  const known = new Set(maybe.map(({ repository, commit }) => `${repository} ${commit}`))
  for (let at = 0; at < maybe.length; at += 200) {
    const found = await mergedAs(
      tx,
      project,
      maybe.slice(at, at + 200).map(({ commit }) => commit),
    ).execute()
    const own = found.filter(({ repository, merged_as }) => known.has(`${repository} ${merged_as}`))
    await putBrought(
      tx,
      own.map((one) => ({ change_id: one.id, deployment: id })),
    )
  }
}

/** The changes of a project that became one of these commits. */
export const mergedAs = (tx: Tx, project: string, commits: readonly string[]) =>
  tx
    .selectFrom('learn_flow_changes')
    .select(['id', 'repository', 'merged_as'])
    .where('project', '=', project)
    .where('merged_as', 'in', [...commits])

/** What was merged or pushed as the very commit that runs came with it; what is taken back has brought nothing. */
export const bringReleased = async (tx: Tx, key: string): Promise<void> => {
  const row = await deploymentByKey(tx, key)
  if (!row) return
  if (row.counted === 0 || row.state === 'rolled-back') {
    await tx.deleteFrom('learn_flow_brought').where('deployment', '=', row.id).execute()
    return
  }
  if (row.revision === null) return
  const { project, service } = await laneById(tx, row.lane)
  if (row.source !== 'headway') return bringRevision(tx, { id: row.id, project, revision: row.revision })
  const release = await tx
    .selectFrom('learn_releases')
    .select(['repository', 'commit_id as commit'])
    .where('project', '=', project)
    .where('service', '=', service)
    .where('digest', '=', row.revision)
    .executeTakeFirst()
  if (release) await bringChanges(tx, row, [release])
}

/** Elsewhere what runs may be known by the commit that it was made of. */
const bringRevision = async (
  tx: Tx,
  { id, project, revision }: { readonly id: number; readonly project: string; readonly revision: string },
): Promise<void> => {
  if (memoryOf(tx).absent.changes.isAbsent(`${project} ${revision}`)) return
  const found = await mergedAs(tx, project, [revision]).execute()
  await putBrought(
    tx,
    found.map((one) => ({ change_id: one.id, deployment: id })),
  )
}

/** A change was told of after it was live: finds the deployments that brought it, by its commits or as what they are known by. */
export const findBrought = async (
  tx: Tx,
  change: { readonly id: number; readonly project: string; readonly repository: string; readonly merged_as: string },
): Promise<void> => {
  const lanes = tx.selectFrom('learn_lanes').select('lane').where('project', '=', change.project)
  const carrying = await (await written(tx))
    .selectFrom('learn_commits')
    .select('deployment')
    .where('lane', 'in', lanes)
    .where('commit_id', '=', change.merged_as)
    .where('repository', '=', change.repository)
    .execute()
  const named = await tx
    .selectFrom('learn_deployments')
    .select('id as deployment')
    .where('lane', 'in', lanes)
    .where('revision', '=', change.merged_as)
    .where('source', '!=', 'headway')
    .execute()
  await putBrought(
    tx,
    [...carrying, ...named].map(({ deployment }) => ({ change_id: change.id, deployment })),
  )
}

/** What is known of a deployment's approval when it is asked for. */
export const letGo = async (tx: Tx, deployment: string): Promise<Partial<DeploymentRow>> =>
  (await tx
    .selectFrom('learn_flow_promotions')
    .select(['held_at', 'granted_at'])
    .where('deployment', '=', deployment)
    .executeTakeFirst()) ?? {}

const putBrought = async (tx: Tx, rows: readonly { change_id: number; deployment: number }[]): Promise<void> => {
  if (rows.length === 0) return
  await tx
    .insertInto('learn_flow_brought')
    .values([...rows])
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}
