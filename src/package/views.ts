import type { Kysely } from 'kysely'
import { pushVerified } from '../build/facts.ts'
import { serviceRemoved } from '../deploy/facts.ts'
import { isFact } from '../ledger/fact.ts'
import type { View } from '../ledger/ledger.ts'
import { pushPackaged, releaseCollected, releaseCreated } from './facts.ts'

/** One row for each push whose runs all succeeded. */
export type PushRow = {
  push: string
  seq: number
  project: string
  repository: string
  ref: string
  commit_id: string
  /** JSON: the runs that verified it. */
  runs: string
  packaged: number
}
/** One row for each image of a service; making it again moves it to the front. */
export type ReleaseRow = {
  project: string
  service: string
  digest: string
  commit_id: string
  repository: string
  path: string
  push: string
  size_bytes: number
  seq: number
  created_at: number
  collected: number
}
/** Which repository a service's name belongs to: the first that released it. */
export type OwnerRow = { project: string; service: string; repository: string }

export type PackageTables = {
  package_pushes: PushRow
  package_releases: ReleaseRow
  package_owners: OwnerRow
}

export const packageView: View<PackageTables> = {
  name: 'package',
  version: 2,
  create: async (db) => {
    await db.schema
      .createTable('package_pushes')
      .addColumn('push', 'text', (column) => column.primaryKey())
      .addColumn('seq', 'bigint', (column) => column.notNull())
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('repository', 'text', (column) => column.notNull())
      .addColumn('ref', 'text', (column) => column.notNull())
      .addColumn('commit_id', 'text', (column) => column.notNull())
      .addColumn('runs', 'text', (column) => column.notNull())
      .addColumn('packaged', 'integer', (column) => column.notNull())
      .execute()
    await db.schema.createIndex('package_pushes_open').on('package_pushes').columns(['packaged', 'seq']).execute()
    await db.schema
      .createTable('package_releases')
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('service', 'text', (column) => column.notNull())
      .addColumn('digest', 'text', (column) => column.notNull())
      .addColumn('commit_id', 'text', (column) => column.notNull())
      .addColumn('repository', 'text', (column) => column.notNull())
      .addColumn('path', 'text', (column) => column.notNull())
      .addColumn('push', 'text', (column) => column.notNull())
      .addColumn('size_bytes', 'bigint', (column) => column.notNull())
      .addColumn('seq', 'bigint', (column) => column.notNull())
      .addColumn('created_at', 'bigint', (column) => column.notNull())
      .addColumn('collected', 'integer', (column) => column.notNull())
      .addPrimaryKeyConstraint('package_releases_key', ['project', 'service', 'digest'])
      .execute()
    await db.schema
      .createTable('package_owners')
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('service', 'text', (column) => column.notNull())
      .addColumn('repository', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('package_owners_key', ['project', 'service'])
      .execute()
  },
  drop: async (db: Kysely<PackageTables>) => {
    for (const table of ['package_pushes', 'package_releases', 'package_owners'])
      await db.schema.dropTable(table).ifExists().execute()
  },
  apply: async (tx, fact) => {
    if (isFact(pushVerified, fact)) {
      const { push, project, repository, ref, commit, conclusion, runs, isSuperseded } = fact.payload
      if (conclusion !== 'success' || isSuperseded) return
      await tx
        .insertInto('package_pushes')
        .values({
          push,
          seq: fact.seq,
          project,
          repository,
          ref,
          commit_id: commit,
          runs: JSON.stringify(runs),
          packaged: 0,
        })
        .onConflict((conflict) => conflict.column('push').doNothing())
        .execute()
    } else if (isFact(pushPackaged, fact)) {
      await tx.updateTable('package_pushes').set({ packaged: 1 }).where('push', '=', fact.payload.push).execute()
    } else if (isFact(releaseCreated, fact)) {
      const { project, service, digest, commit, repository, path, push, sizeBytes } = fact.payload
      const row = { push, seq: fact.seq, created_at: fact.at, collected: 0 }
      await tx
        .insertInto('package_releases')
        .values({ project, service, digest, commit_id: commit, repository, path, size_bytes: sizeBytes, ...row })
        .onConflict((conflict) => conflict.columns(['project', 'service', 'digest']).doUpdateSet(row))
        .execute()
      await tx
        .insertInto('package_owners')
        .values({ project, service, repository })
        .onConflict((conflict) => conflict.columns(['project', 'service']).doNothing())
        .execute()
    } else if (isFact(releaseCollected, fact)) {
      const { project, service, digest } = fact.payload
      await tx
        .updateTable('package_releases')
        .set({ collected: 1 })
        .where('project', '=', project)
        .where('service', '=', service)
        .where('digest', '=', digest)
        .execute()
    } else if (isFact(serviceRemoved, fact)) {
      const { project, service, isGone } = fact.payload
      if (!isGone) return
      await tx.deleteFrom('package_owners').where('project', '=', project).where('service', '=', service).execute()
    }
  },
}
