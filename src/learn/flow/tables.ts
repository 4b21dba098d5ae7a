import type { Kysely } from 'kysely'
import { createTable } from '../create-table.ts'

/** A change on its way: one that was proposed, or what was pushed at once. Times are milliseconds since 1970. */
export type ChangeRow = {
  /** The number of the fact that it was first told by. */
  id: number
  /** `headway:<project>/<repository>/<number>`, `headway:push/<commit>`, or the key of one made elsewhere. */
  key: string
  project: string
  repository: string
  kind: 'change' | 'push'
  /** Null: it was pushed at once, or comes from elsewhere. */
  number: number | null
  state: 'open' | 'merged' | 'closed'
  /** Who proposed it, to tell others' answers from his own; nobody is shown it. */
  author: string | null
  committed_at: number | null
  opened_at: number | null
  reviewed_at: number | null
  approved_at: number | null
  queued_at: number | null
  merged_at: number | null
  closed_at: number | null
  /** What its target was moved to. */
  merged_as: string | null
  commits: number | null
  lines: number | null
}

/** When a commit was pushed, and when it was checked: the first start, the first success. */
export type CheckRow = {
  project: string
  repository: string
  commit_id: string
  pushed_at: number | null
  started_at: number | null
  verified_at: number | null
}
export type RunRow = { run: string; project: string; repository: string; commit_id: string }
/** When a commit became something that a service can be deployed as. */
export type MadeRow = { project: string; service: string; commit_id: string; repository: string; made_at: number }

/** How a deployment was let go: when approvals were all that was missing, and when they were there. */
export type PromotionRow = {
  promotion: string
  held_at: number | null
  granted_at: number | null
  deployment: string | null
}
/** Which deployment brought which change to its service; the first is the one that counts. */
export type BroughtRow = { change_id: number; deployment: number }

/** Who has looked at a change of somebody else, for how many share that work; nobody is shown it. */
export type ReviewRow = { change_id: number; reviewer: string }

export type FlowTables = {
  learn_flow_changes: ChangeRow
  learn_flow_checks: CheckRow
  learn_flow_runs: RunRow
  learn_flow_made: MadeRow
  learn_flow_promotions: PromotionRow
  learn_flow_brought: BroughtRow
  learn_flow_reviews: ReviewRow
}

const names = ['changes', 'checks', 'runs', 'made', 'promotions', 'brought', 'reviews'] as const

export const dropFlowTables = async (db: Kysely<FlowTables>): Promise<void> => {
  for (const name of names) await db.schema.dropTable(`learn_flow_${name}`).ifExists().execute()
}

export const createFlowTables = async (db: Kysely<FlowTables>): Promise<void> => {
  const commit = { project: 'text', repository: 'text', commit_id: 'text' } as const
  await createTable(
    db,
    'learn_flow_changes',
    {
      ...{ id: 'bigint', key: 'text', project: 'text', repository: 'text', kind: 'text', number: 'integer?' },
      ...{ state: 'text', author: 'text?', committed_at: 'bigint?', opened_at: 'bigint?', reviewed_at: 'bigint?' },
      ...{ approved_at: 'bigint?', queued_at: 'bigint?', merged_at: 'bigint?', closed_at: 'bigint?' },
      ...{ merged_as: 'text?', commits: 'integer?', lines: 'bigint?' },
    },
    ['id'],
    {
      ...{ keys: ['key'], merged: ['project', 'merged_as', 'repository'], open: ['project', 'state', 'opened_at'] },
      ...{ opened: ['project', 'opened_at'], trunk: ['project', 'repository', 'merged_at'] },
    },
  )
  await createTable(
    db,
    'learn_flow_checks',
    { ...commit, pushed_at: 'bigint?', started_at: 'bigint?', verified_at: 'bigint?' },
    ['project', 'repository', 'commit_id'],
  )
  await createTable(db, 'learn_flow_runs', { run: 'text', ...commit }, ['run'])
  await createTable(db, 'learn_flow_made', { ...commit, service: 'text', made_at: 'bigint' }, [
    ...['project', 'service', 'commit_id'],
  ])
  await createTable(
    db,
    'learn_flow_promotions',
    { promotion: 'text', held_at: 'bigint?', granted_at: 'bigint?', deployment: 'text?' },
    ['promotion'],
    { deployment: ['deployment'] },
  )
  await createTable(
    db,
    'learn_flow_brought',
    { change_id: 'bigint', deployment: 'bigint' },
    ['change_id', 'deployment'],
    {
      deployment: ['deployment'],
    },
  )
  await createTable(db, 'learn_flow_reviews', { change_id: 'bigint', reviewer: 'text' }, ['change_id', 'reviewer'])
}
