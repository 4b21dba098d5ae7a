import type { Kysely, Transaction } from 'kysely'
import { refUpdated } from '../code/facts.ts'
import { isFact, type RecordedFact } from '../ledger/fact.ts'
import type { View } from '../ledger/ledger.ts'
import { CommitId, Digest, EnvironmentName, isPreview, ProjectName, ServiceName } from '../names.ts'
import { releaseCreated } from '../package/facts.ts'
import { inParts } from '../store/parts.ts'
import { serviceRemoved } from './facts.ts'
import { type Deployment, deploymentSubject, fold } from './rollout.ts'
import type { Target } from './target.ts'

/** One row a deployment; `state` is the folded deployment as JSON, the columns beside it are what is asked for. */
export type DeploymentRow = {
  deployment: string
  project: string
  service: string
  environment: string
  release: string
  commit_id: string
  requested_seq: number
  requested_at: number
  /** When the push that led to it was received; null for what no push led to. */
  pushed_at: number | null
  finished_at: number | null
  outcome: string | null
  state: string
}

/** One row for each service and environment that was ever deployed. */
export type ServiceRow = {
  project: string
  service: string
  environment: string
  /** The newest deployment that was asked for. */
  latest: string
  /** The deployment whose instances take the traffic; null while none does. */
  serving: string | null
  /** The newest that succeeded; null while there is none (any more). */
  current: string | null
  removed_at: number | null
}

/** One row for each release that was made for a service. */
export type ReleaseRow = {
  seq: number
  project: string
  service: string
  release: string
  commit_id: string
  push: string
  created_at: number
}

type PushRow = { push: string; pushed_at: number }

export type DeployTables = {
  deploy_deployments: DeploymentRow
  deploy_services: ServiceRow
  deploy_releases: ReleaseRow
  deploy_pushes: PushRow
}

export const deployView: View<DeployTables> = {
  name: 'deploy',
  version: 4,
  create: async (db) => {
    await db.schema
      .createTable('deploy_deployments')
      .addColumn('deployment', 'text', (column) => column.primaryKey())
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('service', 'text', (column) => column.notNull())
      .addColumn('environment', 'text', (column) => column.notNull())
      .addColumn('release', 'text', (column) => column.notNull())
      .addColumn('commit_id', 'text', (column) => column.notNull())
      .addColumn('requested_seq', 'bigint', (column) => column.notNull())
      .addColumn('requested_at', 'bigint', (column) => column.notNull())
      .addColumn('pushed_at', 'bigint')
      .addColumn('finished_at', 'bigint')
      .addColumn('outcome', 'text')
      .addColumn('state', 'text', (column) => column.notNull())
      .execute()
    await db.schema
      .createIndex('deploy_deployments_target')
      .on('deploy_deployments')
      .columns(['project', 'service', 'environment', 'requested_seq'])
      .execute()
    await db.schema
      .createIndex('deploy_deployments_outcome')
      .on('deploy_deployments')
      .columns(['outcome', 'requested_seq'])
      .execute()
    await db.schema
      .createTable('deploy_services')
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('service', 'text', (column) => column.notNull())
      .addColumn('environment', 'text', (column) => column.notNull())
      .addColumn('latest', 'text', (column) => column.notNull())
      .addColumn('serving', 'text')
      .addColumn('current', 'text')
      .addColumn('removed_at', 'bigint')
      .addPrimaryKeyConstraint('deploy_services_key', ['project', 'service', 'environment'])
      .execute()
    await db.schema
      .createTable('deploy_releases')
      .addColumn('seq', 'bigint', (column) => column.primaryKey())
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('service', 'text', (column) => column.notNull())
      .addColumn('release', 'text', (column) => column.notNull())
      .addColumn('commit_id', 'text', (column) => column.notNull())
      .addColumn('push', 'text', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .execute()
    await db.schema
      .createIndex('deploy_releases_service')
      .on('deploy_releases')
      .columns(['project', 'service', 'seq'])
      .execute()
    await db.schema
      .createTable('deploy_pushes')
      .addColumn('push', 'text', (column) => column.primaryKey())
      .addColumn('pushed_at', 'bigint', (column) => column.notNull())
      .execute()
  },
  drop: async (db) => {
    for (const table of ['deploy_deployments', 'deploy_services', 'deploy_releases', 'deploy_pushes'])
      await db.schema.dropTable(table).ifExists().execute()
  },
  apply: async (tx, recorded) => {
    if (isFact(refUpdated, recorded)) {
      const row = { push: recorded.payload.push, pushed_at: recorded.at }
      await tx
        .insertInto('deploy_pushes')
        .values(row)
        .onConflict((clash) => clash.doNothing())
        .execute()
    } else if (isFact(releaseCreated, recorded)) {
      const { project, service, digest, commit, push } = recorded.payload
      const made = { seq: recorded.seq, project, service, push, created_at: recorded.at }
      const row = { ...made, release: digest, commit_id: commit }
      await tx
        .insertInto('deploy_releases')
        .values(row)
        .onConflict((clash) => clash.doNothing())
        .execute()
    } else if (isFact(serviceRemoved, recorded)) {
      const { project, service, environment } = recorded.payload
      // A preview comes and goes with its change, and is not a place in which a service once stood.
      if (environment !== null && isPreview(environment)) return forgetService(tx, { project, service, environment })
      const all = tx
        .updateTable('deploy_services')
        .set({ current: null, serving: null, removed_at: recorded.at })
        .where('project', '=', project)
        .where('service', '=', service)
      await (environment === null ? all : all.where('environment', '=', environment)).execute()
    } else await applyToDeployment(tx, recorded)
  },
  prepare: (tx, facts) => readBatch(tx, facts),
  finish: (tx) => writeBatch(tx),
}

const forgetService = async (tx: Transaction<DeployTables>, target: Target): Promise<void> => {
  await tx
    .deleteFrom('deploy_services')
    .where('project', '=', target.project)
    .where('service', '=', target.service)
    .where('environment', '=', target.environment)
    .execute()
}

const subjectPrefix = deploymentSubject('')

/** A deployment as it is in this transaction, null while there is none. */
type Entry = { row: DeploymentRow | null; state: Deployment | null; isWritten: boolean }

/**
 * Deployments of the batch of facts that is being applied. One has several facts that follow closely, and its row is large: it is read once
 * and written once for all of them. Goes with the transaction, so that what is rolled back is forgotten.
 */
const batches = new WeakMap<Transaction<DeployTables>, Map<string, Entry>>()

const batchOf = (tx: Transaction<DeployTables>): Map<string, Entry> => {
  const known = batches.get(tx) ?? new Map<string, Entry>()
  batches.set(tx, known)
  return known
}

const idIn = ({ subject }: RecordedFact): string | null =>
  subject.startsWith(subjectPrefix) ? subject.slice(subjectPrefix.length) : null

const readBatch = async (tx: Transaction<DeployTables>, facts: readonly RecordedFact[]): Promise<void> => {
  const ids = [...new Set(facts.flatMap((recorded) => idIn(recorded) ?? []))]
  const batch = batchOf(tx)
  for (const id of ids) batch.set(id, { row: null, state: null, isWritten: true })
  for (const some of inParts(ids, 500)) {
    const rows = tx.selectFrom('deploy_deployments').selectAll().where('deployment', 'in', some)
    for (const row of await rows.execute())
      batch.set(row.deployment, { row, state: parseDeployment(row.state), isWritten: true })
  }
}

const writeBatch = async (tx: Transaction<DeployTables>): Promise<void> => {
  const rows = [...batchOf(tx).values()].flatMap(({ row, state, isWritten }) =>
    row && !isWritten ? { ...row, state: JSON.stringify(state) } : [],
  )
  batches.delete(tx)
  for (const some of inParts(rows, 50))
    await tx
      .insertInto('deploy_deployments')
      .values(some)
      .onConflict((clash) =>
        clash.column('deployment').doUpdateSet(({ ref }) => ({
          finished_at: ref('excluded.finished_at'),
          outcome: ref('excluded.outcome'),
          state: ref('excluded.state'),
        })),
      )
      .execute()
}

const applyToDeployment = async (tx: Transaction<DeployTables>, recorded: RecordedFact): Promise<void> => {
  const id = idIn(recorded)
  const entry = id === null ? undefined : batchOf(tx).get(id)
  if (id === null || !entry) return
  const before = entry.state
  const after = fold(before, recorded)
  if (!after) return
  const { project, service, environment } = after.target
  const unchanging = entry.row ?? {
    ...{ deployment: id, project, service, environment, release: after.release, commit_id: after.commit },
    ...{ requested_seq: after.requestedSeq, requested_at: after.requestedAt },
    pushed_at: after.push ? await pushedAt(tx, after.push) : null,
  }
  const { finished } = after
  const now = { finished_at: finished?.at ?? null, outcome: finished?.outcome ?? null }
  entry.row = { ...unchanging, ...now, state: '' } // told when it is written
  entry.state = after
  entry.isWritten = false
  await applyToService(tx, before, after)
}

const pushedAt = async (tx: Transaction<DeployTables>, push: string): Promise<number | null> => {
  const row = await tx.selectFrom('deploy_pushes').select('pushed_at').where('push', '=', push).executeTakeFirst()
  return row?.pushed_at ?? null
}

const applyToService = async (
  tx: Transaction<DeployTables>,
  before: Deployment | null,
  after: Deployment,
): Promise<void> => {
  const { project, service, environment } = after.target
  if (!before) {
    await tx
      .insertInto('deploy_services')
      .values({ project, service, environment, latest: after.id, serving: null, current: null, removed_at: null })
      .onConflict((clash) =>
        clash.columns(['project', 'service', 'environment']).doUpdateSet({ latest: after.id, removed_at: null }),
      )
      .execute()
    return
  }
  const shifted = before.shiftedAt === null && after.shiftedAt !== null
  const succeeded = before.finished === null && after.finished?.outcome === 'succeeded'
  const isTakenBack = before.finished === null && after.finished !== null && after.shiftedAt !== null && !succeeded
  if (!shifted && !succeeded && !isTakenBack) return
  await tx
    .updateTable('deploy_services')
    .set(
      isTakenBack
        ? { serving: after.rollout?.baseline?.deployment ?? null }
        : shifted
          ? { serving: after.id }
          : { current: after.id },
    )
    .where('project', '=', project)
    .where('service', '=', service)
    .where('environment', '=', environment)
    .execute()
}

/** Our own JSON, written by the view above. */
const parseDeployment = (state: string): Deployment => JSON.parse(state)

/** What is asked of the view. */
export const createDeployQueries = (db: Kysely<DeployTables>) => {
  const of = (target: Target) =>
    db
      .selectFrom('deploy_deployments')
      .select('state')
      .where('project', '=', target.project)
      .where('service', '=', target.service)
      .where('environment', '=', target.environment)
      .orderBy('requested_seq', 'desc')
  const parsed = (rows: readonly { state: string }[]): Deployment[] => rows.map((row) => parseDeployment(row.state))

  return {
    deployment: async (id: string): Promise<Deployment | null> => {
      const row = await db
        .selectFrom('deploy_deployments')
        .select('state')
        .where('deployment', '=', id)
        .executeTakeFirst()
      return row ? parseDeployment(row.state) : null
    },
    /** Those of these that there are, by their names. */
    deployments: async (ids: readonly string[]): Promise<ReadonlyMap<string, Deployment>> => {
      const found = new Map<string, Deployment>()
      for (let from = 0; from < ids.length; from += 1_000) {
        const some = ids.slice(from, from + 1_000)
        const rows = db.selectFrom('deploy_deployments').select('state').where('deployment', 'in', some)
        for (const one of parsed(await rows.execute())) found.set(one.id, one)
      }
      return found
    },
    deploymentWithPush: async (id: string): Promise<{ deployment: Deployment; pushedAt: number | null } | null> => {
      const row = await db
        .selectFrom('deploy_deployments')
        .select(['state', 'pushed_at'])
        .where('deployment', '=', id)
        .executeTakeFirst()
      return row ? { deployment: parseDeployment(row.state), pushedAt: row.pushed_at } : null
    },
    unfinished: async (): Promise<Deployment[]> =>
      parsed(await db.selectFrom('deploy_deployments').select('state').where('outcome', 'is', null).execute()),
    unfinishedOf: async (target: Target): Promise<Deployment[]> =>
      parsed(await of(target).where('outcome', 'is', null).execute()),
    /** The newest that succeeded first, each release once. */
    succeededOf: async (target: Target, limit: number): Promise<Deployment[]> =>
      parsed(await of(target).where('outcome', '=', 'succeeded').limit(limit).execute()),
    /** The newest success of this release with this target. */
    lastSuccessOf: async (target: Target, release: Digest): Promise<Deployment | null> =>
      parsed(
        await of(target).where('outcome', '=', 'succeeded').where('release', '=', release).limit(1).execute(),
      )[0] ?? null,
    /** Every deployment of this target. */
    allOf: async (target: Target): Promise<Deployment[]> => parsed(await of(target).execute()),
    /** The newest that a push asked for with this target. */
    newestOfPush: async (target: Target, push: string): Promise<Deployment | null> =>
      parsed(await of(target).limit(20).execute()).find((deployment) => deployment.push === push) ?? null,
    releasesOf: async (project: ProjectName, service: ServiceName): Promise<ReleaseRow[]> =>
      db
        .selectFrom('deploy_releases')
        .selectAll()
        .where('project', '=', project)
        .where('service', '=', service)
        .orderBy('seq', 'desc')
        .limit(1000)
        .execute(),
    service: async (target: Target): Promise<ServiceRow | null> =>
      (await db
        .selectFrom('deploy_services')
        .selectAll()
        .where('project', '=', target.project)
        .where('service', '=', target.service)
        .where('environment', '=', target.environment)
        .executeTakeFirst()) ?? null,
    services: async (project?: ProjectName): Promise<ServiceRow[]> => {
      const all = db.selectFrom('deploy_services').selectAll().orderBy('project').orderBy('service')
      return (project ? all.where('project', '=', project) : all).execute()
    },
    history: async (query: {
      project: ProjectName
      service?: ServiceName | undefined
      /** Only those that were asked for since, in milliseconds since 1970. */
      since?: number | undefined
      /** Only those that are under way. */
      isOpen?: boolean | undefined
      limit: number
    }): Promise<{ deployment: Deployment; pushedAt: number | null }[]> => {
      const all = db
        .selectFrom('deploy_deployments')
        .select(['state', 'pushed_at'])
        .where('project', '=', query.project)
        .orderBy('requested_seq', 'desc')
        .limit(query.limit)
        .$if(query.service !== undefined, (some) => some.where('service', '=', query.service ?? ''))
        .$if(query.since !== undefined, (some) => some.where('requested_at', '>=', query.since ?? 0))
        .$if(query.isOpen === true, (some) => some.where('outcome', 'is', null))
      const rows = await all.execute()
      return rows.map((row) => ({ deployment: parseDeployment(row.state), pushedAt: row.pushed_at }))
    },
  }
}
export type DeployQueries = ReturnType<typeof createDeployQueries>

export const targetOfRow = (row: { project: string; service: string; environment: string }): Target => ({
  project: ProjectName.parse(row.project),
  service: ServiceName.parse(row.service),
  environment: EnvironmentName.parse(row.environment),
})
export const releaseOfRow = (row: ReleaseRow): { release: Digest; commit: CommitId } => ({
  release: Digest.parse(row.release),
  commit: CommitId.parse(row.commit_id),
})
