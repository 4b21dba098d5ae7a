import type { Kysely, Transaction } from 'kysely'
import { refUpdated } from '../code/facts.ts'
import { isFact, type RecordedFact } from '../ledger/fact.ts'
import type { View } from '../ledger/ledger.ts'
import {
  jobFinished,
  jobStarted,
  pushVerified,
  runCancelRequested,
  runFinished,
  runQueued,
  runStarted,
} from './facts.ts'

/** Tables of the build stage; times in milliseconds since 1970, flags 0 or 1, objects as JSON text. */
export type BuildTables = {
  build_pushes: {
    push: string
    ref: string
    seq: number
    project: string
    repository: string
    before: string | null
    after: string
    actor: string
    status: 'new' | 'running' | 'verified'
    conclusion: string | null
  }
  build_runs: {
    run: string
    seq: number
    push: string
    project: string
    repository: string
    ref: string
    commit_id: string
    workflow: string
    name: string
    status: 'queued' | 'running' | 'finished'
    conclusion: string | null
    failure: string | null
    isolation: string | null
    cancel_requested: number
    queued_at: number
    started_at: number | null
    finished_at: number | null
  }
  build_jobs: {
    run: string
    job: string
    seq: number
    name: string
    status: 'running' | 'finished'
    conclusion: string | null
    steps: string
    failure: string | null
    starts: number
    started_at: number | null
    finished_at: number | null
  }
}

/** The workflow column of a run of the generated workflow. */
export const generated = ''

export const buildView: View<BuildTables> = {
  name: 'build',
  version: 1,
  create: async (db) => {
    await db.schema
      .createTable('build_pushes')
      .addColumn('push', 'text', (column) => column.notNull())
      .addColumn('ref', 'text', (column) => column.notNull())
      .addColumn('seq', 'bigint', (column) => column.notNull())
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('repository', 'text', (column) => column.notNull())
      .addColumn('before', 'text')
      .addColumn('after', 'text', (column) => column.notNull())
      .addColumn('actor', 'text', (column) => column.notNull())
      .addColumn('status', 'text', (column) => column.notNull())
      .addColumn('conclusion', 'text')
      .addPrimaryKeyConstraint('build_pushes_key', ['push', 'ref'])
      .execute()
    await db.schema
      .createTable('build_runs')
      .addColumn('run', 'text', (column) => column.primaryKey().notNull())
      .addColumn('seq', 'bigint', (column) => column.notNull())
      .addColumn('push', 'text', (column) => column.notNull())
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('repository', 'text', (column) => column.notNull())
      .addColumn('ref', 'text', (column) => column.notNull())
      .addColumn('commit_id', 'text', (column) => column.notNull())
      .addColumn('workflow', 'text', (column) => column.notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('status', 'text', (column) => column.notNull())
      .addColumn('conclusion', 'text')
      .addColumn('failure', 'text')
      .addColumn('isolation', 'text')
      .addColumn('cancel_requested', 'integer', (column) => column.notNull())
      .addColumn('queued_at', 'bigint', (column) => column.notNull())
      .addColumn('started_at', 'bigint')
      .addColumn('finished_at', 'bigint')
      .execute()
    await db.schema
      .createTable('build_jobs')
      .addColumn('run', 'text', (column) => column.notNull())
      .addColumn('job', 'text', (column) => column.notNull())
      .addColumn('seq', 'bigint', (column) => column.notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('status', 'text', (column) => column.notNull())
      .addColumn('conclusion', 'text')
      .addColumn('steps', 'text', (column) => column.notNull())
      .addColumn('failure', 'text')
      .addColumn('starts', 'integer', (column) => column.notNull())
      .addColumn('started_at', 'bigint')
      .addColumn('finished_at', 'bigint')
      .addPrimaryKeyConstraint('build_jobs_key', ['run', 'job'])
      .execute()
    await db.schema.createIndex('build_pushes_status').on('build_pushes').column('status').execute()
    await db.schema.createIndex('build_runs_status').on('build_runs').column('status').execute()
    await db.schema.createIndex('build_runs_push').on('build_runs').columns(['push', 'ref']).execute()
    await db.schema
      .createIndex('build_runs_project')
      .on('build_runs')
      .columns(['project', 'repository', 'seq'])
      .execute()
  },
  drop: async (db) => {
    for (const table of ['build_jobs', 'build_runs', 'build_pushes'] as const)
      await db.schema.dropTable(table).ifExists().execute()
  },
  apply: async (tx, fact) => {
    await applyToPushes(tx, fact)
    await applyToRuns(tx, fact)
    await applyToJobs(tx, fact)
  },
}

type Tx = Transaction<BuildTables> | Kysely<BuildTables>

const applyToPushes = async (tx: Tx, fact: RecordedFact): Promise<void> => {
  if (isFact(refUpdated, fact)) {
    const { push, ref, project, repository, before, after } = fact.payload
    const isBuilt = ref.startsWith('refs/heads/') || ref.startsWith('refs/tags/')
    if (after === null || !isBuilt) return
    const { seq, actor } = fact
    await tx
      .insertInto('build_pushes')
      .values({ push, ref, seq, project, repository, before, after, actor, status: 'new', conclusion: null })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  } else if (isFact(runQueued, fact)) {
    const { push, ref } = fact.payload
    if (push === null) return
    await tx
      .updateTable('build_pushes')
      .set({ status: 'running' })
      .where('push', '=', push)
      .where('ref', '=', ref)
      .execute()
  } else if (isFact(pushVerified, fact)) {
    const { push, ref, conclusion } = fact.payload
    await tx
      .updateTable('build_pushes')
      .set({ status: 'verified', conclusion })
      .where('push', '=', push)
      .where('ref', '=', ref)
      .execute()
  }
}

const applyToRuns = async (tx: Tx, fact: RecordedFact): Promise<void> => {
  const change = (run: string, values: Partial<BuildTables['build_runs']>) =>
    tx.updateTable('build_runs').set(values).where('run', '=', run).execute()
  if (isFact(runQueued, fact)) {
    const { run, push, project, repository, ref, commit, workflow, name } = fact.payload
    await tx
      .insertInto('build_runs')
      .values({
        run,
        seq: fact.seq,
        push: push ?? '',
        project,
        repository,
        ref,
        commit_id: commit,
        workflow: workflow ?? generated,
        name,
        status: 'queued',
        conclusion: null,
        failure: null,
        isolation: null,
        cancel_requested: 0,
        queued_at: fact.at,
        started_at: null,
        finished_at: null,
      })
      .execute()
  } else if (isFact(runStarted, fact)) {
    const { run, isolation } = fact.payload
    await change(run, { status: 'running', isolation })
    await tx
      .updateTable('build_runs')
      .set({ started_at: fact.at })
      .where('run', '=', run)
      .where('started_at', 'is', null)
      .execute()
  } else if (isFact(runCancelRequested, fact)) {
    await change(fact.payload.run, { cancel_requested: 1 })
  } else if (isFact(runFinished, fact)) {
    const { run, conclusion, failure } = fact.payload
    await change(run, {
      status: 'finished',
      conclusion,
      failure: failure && JSON.stringify(failure),
      finished_at: fact.at,
    })
  }
}

const applyToJobs = async (tx: Tx, fact: RecordedFact): Promise<void> => {
  if (isFact(jobStarted, fact)) {
    const { run, job, name } = fact.payload
    await tx
      .insertInto('build_jobs')
      .values({ ...noJob, run, job, name, seq: fact.seq, status: 'running', starts: 1, started_at: fact.at })
      .onConflict((conflict) =>
        conflict.columns(['run', 'job']).doUpdateSet((row) => ({ starts: row('build_jobs.starts', '+', 1) })),
      )
      .execute()
  } else if (isFact(jobFinished, fact)) {
    const { run, job, conclusion, steps, failure } = fact.payload
    const end = {
      status: 'finished' as const,
      conclusion,
      steps: JSON.stringify(steps),
      failure: failure ? JSON.stringify(failure) : null,
      finished_at: fact.at,
    }
    // A job that was skipped was never started.
    await tx
      .insertInto('build_jobs')
      .values({ ...noJob, ...end, run, job, name: job, seq: fact.seq })
      .onConflict((conflict) => conflict.columns(['run', 'job']).doUpdateSet(end))
      .execute()
  }
}

const noJob = { conclusion: null, steps: '[]', failure: null, starts: 0, started_at: null, finished_at: null }
