import type { Kysely, Transaction } from 'kysely'
import { deliveryCarried, deliveryDeployed } from '../learn/facts.ts'
import { isFact } from '../ledger/fact.ts'
import type { View } from '../ledger/ledger.ts'
import { inSizes } from '../store/sizes.ts'
import {
  commitsPushed,
  eventReceived,
  sourceRemoved,
  sourceSet,
  subscriptionRemoved,
  subscriptionSet,
} from './facts.ts'

/** A source or a subscription as it was set last; `body` is the payload of its fact as JSON. */
export type ConfiguredRow = { project: string; name: string; body: string; set_at: number }
export type ReceivedRow = {
  seq: number
  at: number
  project: string
  source: string
  type: string
  about: string | null
  facts: number
  unplaced: string
  digest: string
}
export type PushRow = {
  seq: number
  project: string
  repository: string
  before_id: string | null
  after_id: string | null
}
export type CommitRow = {
  seq: number
  place: number
  project: string
  repository: string
  commit_id: string
  committed_at: number | null
  is_merge: number
  reverts: string | null
}
export type DeliveryRow = {
  key_name: string
  project: string
  service: string
  environment: string
  revision: string | null
  finished_at: number
  has_succeeded: number
  /** 0 while nobody knows what it brought. */
  has_commits: number
}

export type EventsTables = {
  events_sources: ConfiguredRow
  events_subscriptions: ConfiguredRow
  events_received: ReceivedRow
  events_pushes: PushRow
  events_commits: CommitRow
  events_deliveries: DeliveryRow
}
const tables = [
  'events_sources',
  'events_subscriptions',
  'events_received',
  'events_pushes',
  'events_commits',
  'events_deliveries',
] as const

export const eventsView: View<EventsTables> = {
  name: 'events',
  version: 1,
  create: async (db) => {
    await createConfigured(db, 'events_sources')
    await createConfigured(db, 'events_subscriptions')
    await createReceived(db)
    await createPushes(db)
  },
  drop: async (db) => {
    for (const table of tables) await db.schema.dropTable(table).ifExists().execute()
  },
  apply: async (tx, recorded) => {
    if (isFact(sourceSet, recorded)) {
      await configure(tx, 'events_sources', recorded.payload.project, recorded.payload.source, recorded)
    } else if (isFact(subscriptionSet, recorded)) {
      await configure(tx, 'events_subscriptions', recorded.payload.project, recorded.payload.subscription, recorded)
    } else if (isFact(sourceRemoved, recorded)) {
      await forget(tx, 'events_sources', recorded.payload.project, recorded.payload.source)
    } else if (isFact(subscriptionRemoved, recorded)) {
      await forget(tx, 'events_subscriptions', recorded.payload.project, recorded.payload.subscription)
    } else if (isFact(eventReceived, recorded)) {
      const { project, source, type, about, facts, unplaced, received } = recorded.payload
      const { seq, at } = recorded
      const row = { seq, at, project, source, type, about, facts, unplaced: JSON.stringify(unplaced), digest: received }
      await tx.insertInto('events_received').values(row).execute()
    } else if (isFact(commitsPushed, recorded)) {
      const { project, repository, before, after, commits } = recorded.payload
      const { seq } = recorded
      await tx
        .insertInto('events_pushes')
        .values({ seq, project, repository, before_id: before, after_id: after })
        .execute()
      const rows = commits.map(({ commit, committedAt, isMerge, reverts }, place) => ({
        ...{ seq, place, project, repository, commit_id: commit },
        ...{ committed_at: committedAt, is_merge: isMerge ? 1 : 0, reverts },
      }))
      for (let from = 0; from < rows.length; from += 100)
        await tx
          .insertInto('events_commits')
          .values(rows.slice(from, from + 100))
          .execute()
    } else if (isFact(deliveryDeployed, recorded)) {
      const { key, project, service, environment, revision, finishedAt, outcome, commits } = recorded.payload
      const { fresh } = deliveriesOf(tx)
      if (!fresh.has(key))
        fresh.set(key, {
          ...{ key_name: key, project, service, environment, revision, finished_at: finishedAt },
          ...{ has_succeeded: outcome === 'succeeded' ? 1 : 0, has_commits: commits.length > 0 ? 1 : 0 },
        })
    } else if (isFact(deliveryCarried, recorded)) {
      const { fresh, carriedBefore, carriedSince } = deliveriesOf(tx)
      const { deployment } = recorded.payload
      const told = fresh.has(deployment) ? carriedSince : carriedBefore
      told.add(deployment)
    }
  },
  finish: async (tx) => {
    const deliveries = batches.get(tx)
    if (!deliveries) return
    batches.delete(tx)
    const { fresh, carriedBefore, carriedSince } = deliveries
    await tellCarried(tx, carriedBefore)
    for (const rows of inSizes([...fresh.values()]))
      await tx
        .insertInto('events_deliveries')
        .values(rows)
        .onConflict((clash) => clash.column('key_name').doNothing())
        .execute()
    await tellCarried(tx, carriedSince)
  },
}

/**
 * What a batch of facts tells of deliveries. It is written at its end, as a statement for each would be most of what an import asks of the
 * store, and in the order in which it was told, so that it is the same however facts come together in batches.
 */
type Deliveries = {
  readonly fresh: Map<string, DeliveryRow>
  /** Known to have commits before, or after, it was told itself in this batch. */
  readonly carriedBefore: Set<string>
  readonly carriedSince: Set<string>
}

/** It goes with the transaction: what is rolled back is forgotten. */
const batches = new WeakMap<Transaction<EventsTables>, Deliveries>()

const deliveriesOf = (tx: Transaction<EventsTables>): Deliveries => {
  const known = batches.get(tx) ?? { fresh: new Map(), carriedBefore: new Set(), carriedSince: new Set() }
  batches.set(tx, known)
  return known
}

const tellCarried = async (tx: Transaction<EventsTables>, keys: ReadonlySet<string>): Promise<void> => {
  for (const some of inSizes([...keys]))
    await tx.updateTable('events_deliveries').set({ has_commits: 1 }).where('key_name', 'in', some).execute()
}

const configure = async (
  tx: Transaction<EventsTables>,
  table: 'events_sources' | 'events_subscriptions',
  project: string,
  name: string,
  { payload, at }: { readonly payload: unknown; readonly at: number },
): Promise<void> => {
  const fresh = { body: JSON.stringify(payload), set_at: at }
  await tx
    .insertInto(table)
    .values({ project, name, ...fresh })
    .onConflict((clash) => clash.columns(['project', 'name']).doUpdateSet(fresh))
    .execute()
}

const forget = async (
  tx: Transaction<EventsTables>,
  table: 'events_sources' | 'events_subscriptions',
  project: string,
  name: string,
): Promise<void> => {
  await tx.deleteFrom(table).where('project', '=', project).where('name', '=', name).execute()
}

const createConfigured = async (
  db: Kysely<EventsTables>,
  table: 'events_sources' | 'events_subscriptions',
): Promise<void> => {
  await db.schema
    .createTable(table)
    .addColumn('project', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('body', 'text', (column) => column.notNull())
    .addColumn('set_at', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint(`${table}_key`, ['project', 'name'])
    .execute()
}

const createReceived = async (db: Kysely<EventsTables>): Promise<void> => {
  await db.schema
    .createTable('events_received')
    .addColumn('seq', 'bigint', (column) => column.primaryKey())
    .addColumn('at', 'bigint', (column) => column.notNull())
    .addColumn('project', 'text', (column) => column.notNull())
    .addColumn('source', 'text', (column) => column.notNull())
    .addColumn('type', 'text', (column) => column.notNull())
    .addColumn('about', 'text')
    .addColumn('facts', 'integer', (column) => column.notNull())
    .addColumn('unplaced', 'text', (column) => column.notNull())
    .addColumn('digest', 'text', (column) => column.notNull())
    .execute()
  await db.schema.createIndex('events_received_project').on('events_received').columns(['project', 'seq']).execute()
}

const createPushes = async (db: Kysely<EventsTables>): Promise<void> => {
  await db.schema
    .createTable('events_pushes')
    .addColumn('seq', 'bigint', (column) => column.primaryKey())
    .addColumn('project', 'text', (column) => column.notNull())
    .addColumn('repository', 'text', (column) => column.notNull())
    .addColumn('before_id', 'text')
    .addColumn('after_id', 'text')
    .execute()
  const pushed = db.schema.createIndex('events_pushes_after').on('events_pushes')
  await pushed.columns(['project', 'after_id', 'repository']).execute()
  await db.schema
    .createTable('events_commits')
    .addColumn('seq', 'bigint', (column) => column.notNull())
    .addColumn('place', 'integer', (column) => column.notNull())
    .addColumn('project', 'text', (column) => column.notNull())
    .addColumn('repository', 'text', (column) => column.notNull())
    .addColumn('commit_id', 'text', (column) => column.notNull())
    .addColumn('committed_at', 'bigint')
    .addColumn('is_merge', 'integer', (column) => column.notNull())
    .addColumn('reverts', 'text')
    .addPrimaryKeyConstraint('events_commits_key', ['seq', 'place'])
    .execute()
  const committed = db.schema.createIndex('events_commits_id').on('events_commits')
  await committed.columns(['project', 'commit_id', 'repository']).execute()
  await db.schema
    .createTable('events_deliveries')
    .addColumn('key_name', 'text', (column) => column.primaryKey())
    .addColumn('project', 'text', (column) => column.notNull())
    .addColumn('service', 'text', (column) => column.notNull())
    .addColumn('environment', 'text', (column) => column.notNull())
    .addColumn('revision', 'text')
    .addColumn('finished_at', 'bigint', (column) => column.notNull())
    .addColumn('has_succeeded', 'integer', (column) => column.notNull())
    .addColumn('has_commits', 'integer', (column) => column.notNull())
    .execute()
  const delivered = db.schema.createIndex('events_deliveries_lane').on('events_deliveries')
  await delivered.columns(['project', 'service', 'environment', 'finished_at']).execute()
}
