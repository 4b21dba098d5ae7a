import type { Kysely } from 'kysely'
import { pushVerified } from '../build/facts.ts'
import { previewBegun, previewEnding, serviceRemoved } from '../deploy/facts.ts'
import { isFact } from '../ledger/fact.ts'
import type { View } from '../ledger/ledger.ts'
import { changePackaged, pushPackaged, releaseCollected, releaseCreated } from './facts.ts'

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
/** One row for each preview that is to be packaged or may run what was: the newest that was asked for of a change. */
export type CandidateRow = {
  project: string
  repository: string
  number: number
  /** Sequence number of the fact that asked for it. */
  begun: number
  commit_id: string
  packaged: number
  /** JSON: the digests of its images. */
  digests: string
}
/** Which repository a service's name belongs to: the first that released it. */
export type OwnerRow = { project: string; service: string; repository: string }

export type PackageTables = {
  package_pushes: PushRow
  package_releases: ReleaseRow
  package_owners: OwnerRow
  package_candidates: CandidateRow
}

export const packageView: View<PackageTables> = {
  name: 'package',
  version: 3,
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
    await db.schema
      .createTable('package_candidates')
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('repository', 'text', (column) => column.notNull())
      .addColumn('number', 'integer', (column) => column.notNull())
      .addColumn('begun', 'bigint', (column) => column.notNull())
      .addColumn('commit_id', 'text', (column) => column.notNull())
      .addColumn('packaged', 'integer', (column) => column.notNull())
      .addColumn('digests', 'text', (column) => column.notNull())
      .addPrimaryKeyConstraint('package_candidates_key', ['project', 'repository', 'number'])
      .execute()
  },
  drop: async (db: Kysely<PackageTables>) => {
    for (const table of ['package_pushes', 'package_releases', 'package_owners', 'package_candidates'])
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
    } else if (isFact(previewBegun, fact)) {
      const { project, repository, number, commit } = fact.payload
      const row = { begun: fact.seq, commit_id: commit, packaged: 0, digests: '[]' }
      await tx
        .insertInto('package_candidates')
        .values({ project, repository, number, ...row })
        .onConflict((conflict) => conflict.columns(['project', 'repository', 'number']).doUpdateSet(row))
        .execute()
    } else if (isFact(changePackaged, fact)) {
      const { begun, packaged } = fact.payload
      await tx
        .updateTable('package_candidates')
        .set({ packaged: 1, digests: JSON.stringify(packaged.map(({ digest }) => digest)) })
        .where('begun', '=', begun)
        .execute()
    } else if (isFact(previewEnding, fact)) {
      const { project, repository, number } = fact.payload
      await tx
        .deleteFrom('package_candidates')
        .where('project', '=', project)
        .where('repository', '=', repository)
        .where('number', '=', number)
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
