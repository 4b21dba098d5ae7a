import type { Kysely, Transaction } from 'kysely'

/** Tables of the build stage; times in milliseconds since 1970, flags 0 or 1, objects as JSON text. */
export type BuildTables = {
  /** What runs are of: pushed refs, and events. */
  build_origins: {
    /** `push:<id>` or `event:<id>`, the subject of its facts. */
    origin: string
    ref: string
    seq: number
    project: string
    repository: string
    before: string | null
    commit_id: string
    actor: string
    event_name: string
    status: 'new' | 'running' | 'concluded'
    conclusion: string | null
  }
  build_runs: {
    run: string
    seq: number
    origin: string
    push: string | null
    event: string | null
    event_name: string
    project: string
    repository: string
    ref: string
    commit_id: string
    workflow: string
    name: string
    title: string
    actor: string
    number: number
    attempt: number
    status: 'queued' | 'running' | 'finished'
    conclusion: string | null
    failure: string | null
    isolation: string | null
    cancel_requested: number
    is_trusted: number
    /** The concurrency group of the whole run, as JSON; null: none. */
    concurrency: string | null
    queued_at: number
    started_at: number | null
    finished_at: number | null
  }
  build_jobs: {
    run: string
    attempt: number
    job: string
    seq: number
    /** The newest fact about it in this attempt. */
    changed: number
    name: string
    status: 'waiting' | 'running' | 'finished'
    /** JSON: the keys of the jobs before it. */
    needs: string
    /** What it waits for, as JSON. */
    wait: string | null
    conclusion: string | null
    steps: string
    failure: string | null
    annotations: string
    /** As JSON; null: it named none, or has not ended. */
    environment: string | null
    starts: number
    /** The attempt whose log and result this is; an earlier one where the job was not run again. */
    ran_in: number
    started_at: number | null
    finished_at: number | null
  }
  /** Who is in a concurrency group and who waits to be; those that left are not here. */
  build_claims: {
    run: string
    /** The key of a job; empty: the whole run. */
    job: string
    seq: number
    project: string
    repository: string
    /** In lower case. */
    group_key: string
    state: 'holding' | 'waiting' | 'superseded'
    /** A newer one asked for it to end. */
    cancel_wanted: number
    /** The run that took its place, or wants it to end. */
    rival: string | null
  }
  /** What was said of jobs that wait for an approval. */
  build_approvals: {
    run: string
    attempt: number
    job: string
    environment: string
    is_approved: number
    actor: string
    comment: string | null
  }
  build_environments: {
    project: string
    environment: string
    needs_approval: number
    allows_own_approval: number
    /** JSON: patterns of the branches and tags that may use it; null: all. */
    refs: string | null
  }
  build_schedules: {
    project: string
    repository: string
    workflow: string
    cron: string
    /** Empty: UTC. */
    timezone: string
    actor: string
    set_at: number
    last_tick: number | null
  }
  build_mains: {
    project: string
    repository: string
    ref: string
    /** JSON of what broke it; null: it is not red. */
    broken: string | null
  }
}

export type Tx = Transaction<BuildTables> | Kysely<BuildTables>

/** The workflow column of a run of the generated workflow. */
export const generated = ''

const names = [
  'build_jobs',
  'build_runs',
  'build_origins',
  'build_claims',
  'build_approvals',
  'build_environments',
  'build_schedules',
  'build_mains',
] as const

/** Dropped before version 2 of the view, which had pushes only. */
const former = ['build_pushes']

export const dropTables = async (db: Kysely<BuildTables>): Promise<void> => {
  for (const table of [...names, ...former]) await db.schema.dropTable(table).ifExists().execute()
}

export const createTables = async (db: Kysely<BuildTables>): Promise<void> => {
  await createRunTables(db)
  await db.schema
    .createTable('build_claims')
    .addColumn('run', 'text', (column) => column.notNull())
    .addColumn('job', 'text', (column) => column.notNull())
    .addColumn('seq', 'bigint', (column) => column.notNull())
    .addColumn('project', 'text', (column) => column.notNull())
    .addColumn('repository', 'text', (column) => column.notNull())
    .addColumn('group_key', 'text', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('cancel_wanted', 'integer', (column) => column.notNull())
    .addColumn('rival', 'text')
    .addPrimaryKeyConstraint('build_claims_key', ['run', 'job', 'group_key'])
    .execute()
  await db.schema
    .createTable('build_approvals')
    .addColumn('run', 'text', (column) => column.notNull())
    .addColumn('attempt', 'integer', (column) => column.notNull())
    .addColumn('job', 'text', (column) => column.notNull())
    .addColumn('environment', 'text', (column) => column.notNull())
    .addColumn('is_approved', 'integer', (column) => column.notNull())
    .addColumn('actor', 'text', (column) => column.notNull())
    .addColumn('comment', 'text')
    .addPrimaryKeyConstraint('build_approvals_key', ['run', 'attempt', 'job'])
    .execute()
  await db.schema
    .createTable('build_environments')
    .addColumn('project', 'text', (column) => column.notNull())
    .addColumn('environment', 'text', (column) => column.notNull())
    .addColumn('needs_approval', 'integer', (column) => column.notNull())
    .addColumn('allows_own_approval', 'integer', (column) => column.notNull())
    .addColumn('refs', 'text')
    .addPrimaryKeyConstraint('build_environments_key', ['project', 'environment'])
    .execute()
  await db.schema
    .createTable('build_schedules')
    .addColumn('project', 'text', (column) => column.notNull())
    .addColumn('repository', 'text', (column) => column.notNull())
    .addColumn('workflow', 'text', (column) => column.notNull())
    .addColumn('cron', 'text', (column) => column.notNull())
    .addColumn('timezone', 'text', (column) => column.notNull())
    .addColumn('actor', 'text', (column) => column.notNull())
    .addColumn('set_at', 'bigint', (column) => column.notNull())
    .addColumn('last_tick', 'bigint')
    .addPrimaryKeyConstraint('build_schedules_key', ['project', 'repository', 'workflow', 'cron', 'timezone'])
    .execute()
  await db.schema
    .createTable('build_mains')
    .addColumn('project', 'text', (column) => column.notNull())
    .addColumn('repository', 'text', (column) => column.notNull())
    .addColumn('ref', 'text', (column) => column.notNull())
    .addColumn('broken', 'text')
    .addPrimaryKeyConstraint('build_mains_key', ['project', 'repository'])
    .execute()
}

const createRunTables = async (db: Kysely<BuildTables>): Promise<void> => {
  await db.schema
    .createTable('build_origins')
    .addColumn('origin', 'text', (column) => column.notNull())
    .addColumn('ref', 'text', (column) => column.notNull())
    .addColumn('seq', 'bigint', (column) => column.notNull())
    .addColumn('project', 'text', (column) => column.notNull())
    .addColumn('repository', 'text', (column) => column.notNull())
    .addColumn('before', 'text')
    .addColumn('commit_id', 'text', (column) => column.notNull())
    .addColumn('actor', 'text', (column) => column.notNull())
    .addColumn('event_name', 'text', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('conclusion', 'text')
    .addPrimaryKeyConstraint('build_origins_key', ['origin', 'ref'])
    .execute()
  await db.schema
    .createTable('build_runs')
    .addColumn('run', 'text', (column) => column.primaryKey().notNull())
    .addColumn('seq', 'bigint', (column) => column.notNull())
    .addColumn('origin', 'text', (column) => column.notNull())
    .addColumn('push', 'text')
    .addColumn('event', 'text')
    .addColumn('event_name', 'text', (column) => column.notNull())
    .addColumn('project', 'text', (column) => column.notNull())
    .addColumn('repository', 'text', (column) => column.notNull())
    .addColumn('ref', 'text', (column) => column.notNull())
    .addColumn('commit_id', 'text', (column) => column.notNull())
    .addColumn('workflow', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('title', 'text', (column) => column.notNull())
    .addColumn('actor', 'text', (column) => column.notNull())
    .addColumn('number', 'integer', (column) => column.notNull())
    .addColumn('attempt', 'integer', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('conclusion', 'text')
    .addColumn('failure', 'text')
    .addColumn('isolation', 'text')
    .addColumn('cancel_requested', 'integer', (column) => column.notNull())
    .addColumn('is_trusted', 'integer', (column) => column.notNull())
    .addColumn('concurrency', 'text')
    .addColumn('queued_at', 'bigint', (column) => column.notNull())
    .addColumn('started_at', 'bigint')
    .addColumn('finished_at', 'bigint')
    .execute()
  await db.schema
    .createTable('build_jobs')
    .addColumn('run', 'text', (column) => column.notNull())
    .addColumn('attempt', 'integer', (column) => column.notNull())
    .addColumn('job', 'text', (column) => column.notNull())
    .addColumn('seq', 'bigint', (column) => column.notNull())
    .addColumn('changed', 'bigint', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('status', 'text', (column) => column.notNull())
    .addColumn('needs', 'text', (column) => column.notNull())
    .addColumn('wait', 'text')
    .addColumn('conclusion', 'text')
    .addColumn('steps', 'text', (column) => column.notNull())
    .addColumn('failure', 'text')
    .addColumn('annotations', 'text', (column) => column.notNull())
    .addColumn('environment', 'text')
    .addColumn('starts', 'integer', (column) => column.notNull())
    .addColumn('ran_in', 'integer', (column) => column.notNull())
    .addColumn('started_at', 'bigint')
    .addColumn('finished_at', 'bigint')
    .addPrimaryKeyConstraint('build_jobs_key', ['run', 'attempt', 'job'])
    .execute()
  await db.schema.createIndex('build_origins_status').on('build_origins').column('status').execute()
  await db.schema.createIndex('build_runs_status').on('build_runs').column('status').execute()
  await db.schema.createIndex('build_runs_origin').on('build_runs').columns(['origin', 'ref']).execute()
  await db.schema.createIndex('build_runs_project').on('build_runs').columns(['project', 'repository', 'seq']).execute()
  await db.schema
    .createIndex('build_runs_workflow')
    .on('build_runs')
    .columns(['project', 'repository', 'workflow'])
    .execute()
}
