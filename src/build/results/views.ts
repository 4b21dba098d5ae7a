import type { Kysely, Transaction } from 'kysely'
import { isFact, type RecordedFact } from '../../ledger/fact.ts'
import type { View } from '../../ledger/ledger.ts'
import type { Migration } from '../../store/migrations.ts'
import { jobStarted } from '../facts.ts'
import { artifactRemoved, artifactStored, cacheRemoved, cacheSaved } from './facts.ts'

/** What runs have left and put aside. Numbers are those of the facts; times in milliseconds since 1970. */
export type ResultsTables = {
  build_artifacts: {
    artifact: number
    run: string
    job: string
    project: string
    repository: string
    name: string
    digest: string
    size_bytes: number
    mime: string
    stored_at: number
    expires_at: number
  }
  build_caches: {
    cache: number
    project: string
    repository: string
    scope: string
    key: string
    version: string
    digest: string
    size_bytes: number
    saved_at: number
  }
}

export const resultsView: View<ResultsTables> = {
  name: 'build-results',
  version: 1,
  create: async (db) => {
    await db.schema
      .createTable('build_artifacts')
      .addColumn('artifact', 'bigint', (column) => column.primaryKey().notNull())
      .addColumn('run', 'text', (column) => column.notNull())
      .addColumn('job', 'text', (column) => column.notNull())
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('repository', 'text', (column) => column.notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('digest', 'text', (column) => column.notNull())
      .addColumn('size_bytes', 'bigint', (column) => column.notNull())
      .addColumn('mime', 'text', (column) => column.notNull())
      .addColumn('stored_at', 'bigint', (column) => column.notNull())
      .addColumn('expires_at', 'bigint', (column) => column.notNull())
      .execute()
    await db.schema
      .createTable('build_caches')
      .addColumn('cache', 'bigint', (column) => column.primaryKey().notNull())
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('repository', 'text', (column) => column.notNull())
      .addColumn('scope', 'text', (column) => column.notNull())
      .addColumn('key', 'text', (column) => column.notNull())
      .addColumn('version', 'text', (column) => column.notNull())
      .addColumn('digest', 'text', (column) => column.notNull())
      .addColumn('size_bytes', 'bigint', (column) => column.notNull())
      .addColumn('saved_at', 'bigint', (column) => column.notNull())
      .execute()
    await db.schema.createIndex('build_artifacts_run').on('build_artifacts').columns(['run', 'name']).execute()
    await db.schema
      .createIndex('build_caches_version')
      .on('build_caches')
      .columns(['project', 'repository', 'version', 'scope'])
      .execute()
  },
  drop: async (db) => {
    for (const table of ['build_artifacts', 'build_caches'] as const)
      await db.schema.dropTable(table).ifExists().execute()
  },
  apply: async (tx, fact) => {
    await applyToArtifacts(tx, fact)
    await applyToCaches(tx, fact)
  },
}

type Tx = Transaction<ResultsTables>

const applyToArtifacts = async (tx: Tx, fact: RecordedFact): Promise<void> => {
  if (isFact(artifactStored, fact)) {
    const { run, job, project, repository, name, digest, sizeBytes, mime, expiresAt } = fact.payload
    const origin = { run, job, project, repository, name }
    const times = { stored_at: fact.at, expires_at: expiresAt }
    await tx
      .insertInto('build_artifacts')
      .values({ artifact: fact.seq, ...origin, digest, size_bytes: sizeBytes, mime, ...times })
      .execute()
  } else if (isFact(artifactRemoved, fact)) {
    await tx.deleteFrom('build_artifacts').where('artifact', '=', fact.payload.artifact).execute()
  } else if (isFact(jobStarted, fact)) {
    // A job that is run again leaves its artifacts again, under the same names.
    const { run, job } = fact.payload
    await tx.deleteFrom('build_artifacts').where('run', '=', run).where('job', '=', job).execute()
  }
}

const applyToCaches = async (tx: Tx, fact: RecordedFact): Promise<void> => {
  if (isFact(cacheSaved, fact)) {
    const { project, repository, scope, key, version, digest, sizeBytes } = fact.payload
    await tx
      .insertInto('build_caches')
      .values({
        cache: fact.seq,
        project,
        repository,
        scope,
        key,
        version,
        digest,
        size_bytes: sizeBytes,
        saved_at: fact.at,
      })
      .execute()
  } else if (isFact(cacheRemoved, fact)) {
    await tx.deleteFrom('build_caches').where('cache', '=', fact.payload.cache).execute()
  }
}

/** When caches were last found: too often for the ledger, and of no consequence when it is lost. */
export type CacheUseTables = { build_cache_uses: { cache: number; used_at: number } }

const createUses = async (db: Kysely<unknown>): Promise<void> => {
  await db.schema
    .createTable('build_cache_uses')
    .addColumn('cache', 'bigint', (column) => column.primaryKey().notNull())
    .addColumn('used_at', 'bigint', (column) => column.notNull())
    .execute()
}

export const resultsMigrations: readonly Migration[] = [{ name: 'build-cache-uses', up: createUses }]
