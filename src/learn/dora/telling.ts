import { z } from 'zod'
import { CarriedCommit } from '../facts.ts'
import { bringChanges } from '../flow/bringing.ts'
import type { CommitRow, DeploymentRow, LaneRow } from '../tables.ts'
import { isCounted } from './assess.ts'
import {
  addCommits,
  addDeployment,
  changeDeployment,
  deploymentById,
  deploymentByKey,
  entryOf,
  written,
} from './book.ts'
import type { Tx } from './lane.ts'
import { memoryOf } from './memory.ts'
import { newRipple, placeChanged, type Ripple, reattribute, remember, settle } from './settle.ts'

/** What was told of a deployment. */
export type Told = Partial<Omit<DeploymentRow, 'id' | 'key' | 'lane' | 'environment'>>
type Lane = { readonly project: string; readonly service: string; readonly environment: string }

/** A deployment is told of for the first time, or again under the same key: what is told last holds. */
export const tellDeployment = async (
  tx: Tx,
  seq: number,
  key: string,
  lane: Lane,
  told: Told,
  commits: readonly CarriedCommit[] = [],
): Promise<void> => {
  const known = await deploymentByKey(tx, key)
  if (known) {
    await tellMore(tx, known, told)
    if (commits.length > 0) await tellCarried(tx, seq, key, { commits: [...commits] })
    return
  }
  const fresh: DeploymentRow = {
    ...{ id: seq, key, lane: await laneOf(tx, lane), environment: lane.environment, source: 'headway' },
    ...{ state: 'under-way', kind: 'planned', rolls_back: null, revision: null, started_at: null, live_at: null },
    ...{ reverted_at: null, automatic: null, lines: null, said_failure: null, said_rework: null },
    ...{ held_at: null, granted_at: null, watched_at: null, undone_by_machine: null },
    ...{ counted: 0, pending: 0, failed: 0, failed_how: null, rework: 0, restored_at: null },
    ...{ leads: new Uint8Array(), commits: 0, again: 0, merges: 0, unknown: 0, negative: 0, first: 0 },
    ...told,
  }
  // Neighbours are found by what is stored, so that it is stored at once whether it counts.
  const row = { ...fresh, counted: isCounted(fresh) ? 1 : 0 }
  addDeployment(tx, row)
  if (isCounted(row)) {
    const ripple = newRipple()
    remember(ripple, fresh)
    if (commits.length > 0) {
      await putCommits(tx, ripple, row, await unsquashed(tx, commits))
      await bringChanges(tx, row, commits)
    }
    await placeChanged(tx, ripple, row, null)
    await settle(tx, ripple)
  }
  await namedBefore(tx, key)
}

/** Something more is known of a deployment. Nothing else is looked at where nothing that figures depend on has changed. */
export const tellMore = async (tx: Tx, known: DeploymentRow, told: Told): Promise<void> => {
  const row = { ...known, ...told }
  await changeDeployment(tx, known.id, told)
  const matters = [
    'state',
    'kind',
    'rolls_back',
    'revision',
    'live_at',
    'reverted_at',
    'said_failure',
    'said_rework',
  ] as const
  if (!matters.some((name) => known[name] !== row[name])) return
  if (isCounted(known) || isCounted(row)) await changed(tx, row, known)
}

const changed = async (tx: Tx, row: DeploymentRow, was: DeploymentRow | null): Promise<void> => {
  const ripple = newRipple()
  remember(ripple, was ?? row)
  // Neighbours are found by what is stored, so that it is stored first whether it counts.
  const stored = { ...row, counted: isCounted(row) ? 1 : 0 }
  await changeDeployment(tx, row.id, { counted: stored.counted })
  await placeChanged(tx, ripple, stored, was)
  await settle(tx, ripple)
}

/** Incidents that named it, and commits that were told, before it was known. */
const namedBefore = async (tx: Tx, key: string): Promise<void> => {
  const { named, early: unknown } = memoryOf(tx).absent
  const incidents = named.isAbsent(key) ? [] : await incidentsNaming(tx, key)
  for (const { incident } of incidents) await incidentChanged(tx, incident)
  if (unknown.isAbsent(key)) return
  const early = await tx.selectFrom('learn_early').selectAll().where('key', '=', key).orderBy('seq').execute()
  if (early.length === 0) return
  await tx.deleteFrom('learn_early').where('key', '=', key).execute()
  for (const { seq, told } of early) await tellCarried(tx, seq, key, EarlyTold.parse(JSON.parse(told)))
}

const incidentsNaming = (tx: Tx, key: string) =>
  tx
    .selectFrom('learn_incidents')
    .select('incident')
    .where((where) => where.or([where('caused_by', '=', key), where('attributed', '=', key)]))
    .orderBy('seq')
    .execute()

/** Which deployment an incident is put down to is said again, and what follows from it. */
export const incidentChanged = async (tx: Tx, incident: string): Promise<void> => {
  const ripple = newRipple()
  await reattribute(tx, ripple, incident)
  await settle(tx, ripple)
}

const EarlyTold = z.object({
  commits: z.array(CarriedCommit).default([]),
  lines: z.number().nullable().default(null),
  said: z.object({ said_failure: z.number().nullable(), said_rework: z.number().nullable() }).nullable().default(null),
})
type Carried = z.input<typeof EarlyTold>

/** What a deployment brought, or what somebody says of it; kept until the deployment is told of where it is not known yet. */
export const tellCarried = async (tx: Tx, seq: number, key: string, carried: Carried): Promise<void> => {
  const row = await deploymentByKey(tx, key)
  if (!row) {
    memoryOf(tx).absent.early.found(key)
    await tx
      .insertInto('learn_early')
      .values({ seq, key, told: JSON.stringify(carried) })
      .execute()
    return
  }
  const { commits, lines, said } = EarlyTold.parse(carried)
  if (said) return tellMore(tx, row, said)
  const ripple = newRipple()
  remember(ripple, row)
  if (lines !== null) await changeDeployment(tx, row.id, { lines })
  await bring(tx, ripple, row, await unsquashed(tx, commits))
  await bringChanges(tx, row, commits)
  await settle(tx, ripple)
}

const bring = async (tx: Tx, ripple: Ripple, row: DeploymentRow, commits: readonly CarriedCommit[]): Promise<void> => {
  await putCommits(tx, ripple, row, commits)
  // A revert says what an incident that was open comes from, too.
  if (commits.some(({ reverts }) => reverts !== null)) await placeChanged(tx, ripple, row, null)
}

/** Puts commits to the deployment that brought them first; the others are told that they came again. */
const putCommits = async (
  tx: Tx,
  ripple: Ripple,
  row: DeploymentRow,
  commits: readonly CarriedCommit[],
): Promise<void> => {
  const byName = new Map(commits.map((one) => [one.commit, one]))
  const again = new Map<number, number>()
  const count = (id: number): void => void again.set(id, (again.get(id) ?? 0) + 1)
  const { absent } = memoryOf(tx)
  const names = [...byName.keys()].filter((name) => !absent.commits.isAbsent(`${row.lane} ${name}`))
  for (let at = 0; at < names.length; at += 200) {
    const known = await (await written(tx))
      .selectFrom('learn_commits')
      .select(['commit_id', 'deployment'])
      .where('lane', '=', row.lane)
      .where('commit_id', 'in', names.slice(at, at + 200))
      .execute()
    for (const { commit_id, deployment } of known) {
      if (deployment === row.id) byName.delete(commit_id)
      else if (await isEarlier(tx, row, deployment)) {
        count(deployment)
        await forget(tx, ripple, row.lane, commit_id, deployment)
      } else {
        count(row.id)
        byName.delete(commit_id)
      }
    }
  }
  await addCommits(
    tx,
    row.id,
    [...byName.values()].map((one) => commitRow(row, one)),
  )
  for (const [id, more] of again) await cameAgain(tx, ripple, id, more)
  ripple.touched.add(row.id)
  ripple.measured.add(row.id)
}

const commitRow = (row: DeploymentRow, one: CarriedCommit): CommitRow => ({
  ...{ lane: row.lane, commit_id: one.commit, deployment: row.id, repository: one.repository },
  ...{ committed_at: one.committedAt, is_merge: one.isMerge ? 1 : 0, reverts: one.reverts },
})

const isEarlier = async (tx: Tx, { live_at, id }: DeploymentRow, other: number): Promise<boolean> => {
  const row = await deploymentById(tx, other)
  if (!row || row.live_at === null) return true
  return live_at !== null && (live_at < row.live_at || (live_at === row.live_at && id < row.id))
}

const forget = async (tx: Tx, ripple: Ripple, lane: number, commit: string, deployment: number): Promise<void> => {
  const row = await deploymentById(tx, deployment)
  if (row) remember(ripple, row)
  ripple.touched.add(deployment)
  ripple.measured.add(deployment)
  const entry = await entryOf(tx, deployment)
  if (entry) entry.commits = null
  await (await written(tx))
    .deleteFrom('learn_commits')
    .where('lane', '=', lane)
    .where('commit_id', '=', commit)
    .execute()
}

const cameAgain = async (tx: Tx, ripple: Ripple, id: number, more: number): Promise<void> => {
  const row = await deploymentById(tx, id)
  if (!row) return
  remember(ripple, row)
  ripple.touched.add(id)
  await changeDeployment(tx, id, { again: row.again + more })
}

const Squashed = z.array(CarriedCommit)

/** With the commits that a change was made of in the place of the one that it was squashed to. */
const unsquashed = async (tx: Tx, commits: readonly CarriedCommit[]): Promise<CarriedCommit[]> => {
  const { squashes } = memoryOf(tx).absent
  const maybe = commits.filter((one) => !one.isMerge && !squashes.isAbsent(`${one.repository} ${one.commit}`))
  const made = new Map<string, string>()
  for (const [repository, names] of byRepository(maybe))
    for (let at = 0; at < names.length; at += 200) {
      const some = names.slice(at, at + 200)
      for (const row of await squashesOf(tx, repository, some).execute())
        made.set(`${repository} ${row.merged_as}`, row.commits)
    }
  return commits.flatMap((one) => {
    const squashed = one.isMerge ? undefined : made.get(`${one.repository} ${one.commit}`)
    return squashed === undefined ? [one] : Squashed.parse(JSON.parse(squashed))
  })
}

/** Their names, by what they are in. */
export const byRepository = (commits: readonly CarriedCommit[]): Map<string, string[]> => {
  const found = new Map<string, string[]>()
  for (const { repository, commit } of commits) {
    const names = found.get(repository) ?? []
    names.push(commit)
    found.set(repository, names)
  }
  return found
}

export const squashesOf = (tx: Tx, repository: string, names: readonly string[]) =>
  tx
    .selectFrom('learn_squashes')
    .select(['merged_as', 'commits'])
    .where('repository', '=', repository)
    .where('merged_as', 'in', [...names])

/** A change was squashed to one commit; where that is in production already, its lead times are told again. */
export const tellSquash = async (
  tx: Tx,
  repository: string,
  mergedAs: string,
  commits: readonly CarriedCommit[],
): Promise<void> => {
  if (commits.length === 0 || commits.some(({ commit }) => commit === mergedAs)) return
  const values = { repository, merged_as: mergedAs, commits: JSON.stringify(commits) }
  await tx
    .insertInto('learn_squashes')
    .values(values)
    .onConflict((conflict) => conflict.columns(['repository', 'merged_as']).doUpdateSet({ commits: values.commits }))
    .execute()
  memoryOf(tx).absent.squashes.found(`${repository} ${mergedAs}`)
  const lanes = tx.selectFrom('learn_lanes').select('lane')
  const rows = await (await written(tx))
    .selectFrom('learn_commits')
    .selectAll()
    .where('lane', 'in', lanes)
    .where('commit_id', '=', mergedAs)
    .where('repository', '=', repository)
    .execute()
  for (const { lane, deployment } of rows) {
    const row = await deploymentById(tx, deployment)
    if (!row) continue
    const ripple = newRipple()
    await forget(tx, ripple, lane, mergedAs, deployment)
    await bring(tx, ripple, row, commits)
    await settle(tx, ripple)
  }
}

export const laneOf = async (tx: Tx, { project, service, environment }: Lane): Promise<number> => {
  const known = await findLane(tx, { project, service, environment })
  if (known !== null) return known
  const last = await tx.selectFrom('learn_lanes').select('lane').orderBy('lane', 'desc').limit(1).executeTakeFirst()
  const lane = (last?.lane ?? 0) + 1
  await tx.insertInto('learn_lanes').values({ lane, project, service, environment }).execute()
  return lane
}

export const findLane = async (tx: Tx, { project, service, environment }: Lane): Promise<number | null> => {
  const { lanes } = memoryOf(tx)
  const known = lanes.get(nameOfLane({ project, service, environment }))
  if (known) return known.lane
  const row = await laneNamed(tx, { project, service, environment }).executeTakeFirst()
  if (!row) return null
  rememberLane(tx, row)
  return row.lane
}

export const laneNamed = (tx: Tx, { project, service, environment }: Lane) =>
  tx
    .selectFrom('learn_lanes')
    .selectAll()
    .where('project', '=', project)
    .where('service', '=', service)
    .where('environment', '=', environment)

export const nameOfLane = ({ project, service, environment }: Lane): string => `${project}/${service} ${environment}`

export const rememberLane = (tx: Tx, row: LaneRow): void => {
  memoryOf(tx).lanes.set(nameOfLane(row), row).set(row.lane, row)
}
