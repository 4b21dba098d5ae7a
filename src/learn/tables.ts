import type { Kysely } from 'kysely'
import { type Columns, createTable } from './create-table.ts'
import { createFlowTables, dropFlowTables, type FlowTables } from './flow/tables.ts'
import { createToilTables, dropToilTables, type ToilTables } from './toil/tables.ts'

/** What a deployment is at. `failed`: it never took production traffic. */
export type DeploymentState = 'under-way' | 'live' | 'succeeded' | 'failed' | 'superseded' | 'rolled-back'
export type FailedHow = 'said' | 'rollback' | 'revert' | 'hotfix' | 'suspected'

/** A service in an environment, numbered as they come. */
export type LaneRow = { lane: number; project: string; service: string; environment: string }

/** One row a deployment, of Headway's own and of others. The upper half is what was told, the lower what follows from it. */
export type DeploymentRow = {
  /** The number of the fact that it was first told by. */
  id: number
  /** Its id, or the key of one made elsewhere. */
  key: string
  lane: number
  environment: string
  source: string
  state: DeploymentState
  kind: 'planned' | 'hotfix' | 'rollback'
  /** The deployment that it takes back, as it says itself. */
  rolls_back: string | null
  revision: string | null
  started_at: number | null
  /** When it took production traffic: all of it, or the first part where it never had all. Null: not yet, or never. */
  live_at: number | null
  /** When the old version had all traffic again, within its own rollout. */
  reverted_at: number | null
  automatic: number | null
  /** When approvals were all that it waited for, and when it had them; null: it needed none. */
  held_at: number | null
  granted_at: number | null
  /** When it had been watched for long enough. */
  watched_at: number | null
  /** Of one that was taken back, or takes another one back: 1 if a machine has decided it, 0 if somebody has. */
  undone_by_machine: number | null
  lines: number | null
  said_failure: number | null
  said_rework: number | null
  /** Whether it is part of the figures: it took production traffic and was not superseded on its way. */
  counted: number
  pending: number
  failed: number
  failed_how: FailedHow | null
  rework: number
  restored_at: number | null
  /** Lead times of its commits in milliseconds, sorted, as doubles. */
  leads: Uint8Array
  commits: number
  /** Commits that an earlier deployment had brought already. */
  again: number
  /** Of its commits those that have no lead time, by reason. */
  merges: number
  unknown: number
  negative: number
  first: number
}

/** A commit in the deployment that brought it to a lane first. */
export type CommitRow = {
  lane: number
  commit_id: string
  deployment: number
  repository: string
  committed_at: number | null
  is_merge: number
  reverts: string | null
}
/** `deployment` is there to mend what `blamed` did. */
export type BlameRow = { deployment: number; blamed: number; how: FailedHow }
/** What was told of a deployment that is not known yet. */
export type EarlyRow = { seq: number; key: string; told: string }

export type IncidentRow = {
  incident: string
  seq: number
  project: string
  lane: number | null
  service: string | null
  environment: string | null
  title: string
  source: string
  key: string | null
  began_at: number
  detected_at: number
  acknowledged_at: number | null
  mitigated_at: number | null
  resolved_at: number | null
  dismissed: number
  caused_by: string | null
  /** The deployment that somebody has named since; empty: none did it; null: nobody has said anything. */
  attributed: string | null
  /** The deployment that it is put down to. */
  deployment: number | null
  how: FailedHow | null
}
/** A change that became one commit on its target: JSON of the commits that it was made of. */
export type SquashRow = { repository: string; merged_as: string; commits: string }
/** Where a release was made from. */
export type ReleaseRow = {
  project: string
  service: string
  digest: string
  repository: string
  commit_id: string
  /** The folder of the service in the repository; `.` for the root. */
  path: string
}
export type HotfixRow = { push: string }
export type WindowRow = { project: string; window_ms: number }

export type CellRow = {
  scope: string
  environment: string
  grain: 'day' | 'six-hours' | 'hour' | 'quarter'
  start: number
  deployments: number
  /** Everything else that is counted, and how long things took: see `cells.ts`. */
  packed: Uint8Array
}

export type DoraTables = FlowTables &
  ToilTables & {
    learn_lanes: LaneRow
    learn_deployments: DeploymentRow
    learn_commits: CommitRow
    learn_blames: BlameRow
    learn_early: EarlyRow
    learn_incidents: IncidentRow
    learn_windows: WindowRow
    learn_squashes: SquashRow
    learn_hotfixes: HotfixRow
    learn_releases: ReleaseRow
    learn_cells: CellRow
  }

const names = [
  'cells',
  'squashes',
  'hotfixes',
  'releases',
  'windows',
  'incidents',
  'early',
  'blames',
  'commits',
  'deployments',
  'lanes',
] as const

export const dropDoraTables = async (db: Kysely<DoraTables>): Promise<void> => {
  for (const name of names) await db.schema.dropTable(`learn_${name}`).ifExists().execute()
  await dropFlowTables(db)
  await dropToilTables(db)
}

const deploymentKinds: Columns = {
  ...{ id: 'bigint', key: 'text', lane: 'integer', environment: 'text', source: 'text', state: 'text' },
  ...{ kind: 'text', rolls_back: 'text?', revision: 'text?', started_at: 'bigint?', live_at: 'bigint?' },
  ...{ reverted_at: 'bigint?', automatic: 'integer?', lines: 'bigint?', held_at: 'bigint?' },
  ...{ granted_at: 'bigint?', watched_at: 'bigint?', undone_by_machine: 'integer?' },
  ...{ said_failure: 'integer?', said_rework: 'integer?' },
  ...{ counted: 'integer', pending: 'integer', failed: 'integer', failed_how: 'text?', rework: 'integer' },
  ...{ restored_at: 'bigint?', leads: 'bytea', commits: 'integer', again: 'integer', merges: 'integer' },
  ...{ unknown: 'integer', negative: 'integer', first: 'integer' },
}
const commitKinds: Columns = {
  ...{ lane: 'integer', commit_id: 'text', deployment: 'bigint', repository: 'text' },
  ...{ committed_at: 'bigint?', is_merge: 'integer', reverts: 'text?' },
}
/** In the order of their tables. */
export const deploymentColumns: readonly string[] = Object.keys(deploymentKinds)
export const commitColumns: readonly string[] = Object.keys(commitKinds)

export const createDoraTables = async (db: Kysely<DoraTables>): Promise<void> => {
  await createTable(
    db,
    'learn_lanes',
    { lane: 'integer', project: 'text', service: 'text', environment: 'text' },
    ['lane'],
    { name: ['project', 'service', 'environment'] },
  )
  await createTable(db, 'learn_deployments', deploymentKinds, ['id'], {
    keys: ['key'],
    order: ['lane', 'live_at'],
    revisions: ['lane', 'revision', 'live_at'],
    time: ['environment', 'live_at'],
  })
  await createTable(db, 'learn_commits', commitKinds, ['lane', 'commit_id'], { deployment: ['deployment'] })
  await createTable(
    db,
    'learn_blames',
    { deployment: 'bigint', blamed: 'bigint', how: 'text' },
    ['deployment', 'blamed'],
    { blamed: ['blamed'] },
  )
  await createTable(db, 'learn_early', { seq: 'bigint', key: 'text', told: 'text' }, ['seq'], { keys: ['key'] })
  await createTable(
    db,
    'learn_incidents',
    {
      ...{ incident: 'text', seq: 'bigint', project: 'text', lane: 'integer?', service: 'text?' },
      ...{ environment: 'text?', title: 'text', source: 'text', key: 'text?', began_at: 'bigint' },
      ...{ detected_at: 'bigint', acknowledged_at: 'bigint?', mitigated_at: 'bigint?', resolved_at: 'bigint?' },
      ...{ dismissed: 'integer', caused_by: 'text?', attributed: 'text?', deployment: 'bigint?', how: 'text?' },
    },
    ['incident'],
    {
      ...{ lane: ['lane', 'began_at'], caused: ['caused_by'], attributed: ['attributed'] },
      ...{ deployment: ['deployment'], project: ['project', 'began_at'], seq: ['seq'] },
    },
  )
  await createTable(db, 'learn_squashes', { repository: 'text', merged_as: 'text', commits: 'text' }, [
    'repository',
    'merged_as',
  ])
  await createTable(
    db,
    'learn_releases',
    { project: 'text', service: 'text', digest: 'text', repository: 'text', commit_id: 'text', path: 'text' },
    ['project', 'service', 'digest'],
  )
  await createTable(db, 'learn_hotfixes', { push: 'text' }, ['push'])
  await createTable(db, 'learn_windows', { project: 'text', window_ms: 'bigint' }, ['project'])
  await createTable(
    db,
    'learn_cells',
    {
      ...{ scope: 'text', environment: 'text', grain: 'text', start: 'bigint', deployments: 'integer' },
      packed: 'bytea',
    },
    ['scope', 'environment', 'grain', 'start'],
  )
  await createFlowTables(db)
  await createToilTables(db)
}
