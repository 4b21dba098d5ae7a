import { z } from 'zod'
import type { Store } from '../store/store.ts'
import { Conclusion, Failure } from './facts.ts'
import type { BuildTables } from './tables.ts'
import { protectionIn } from './waits.ts'

/** A run as it is listed. Times in milliseconds since 1970. */
export const RunSummary = z
  .object({
    run: z.string(),
    /** A run is of a push or of an event; the other is null. */
    push: z.string().nullable(),
    event: z.string().nullable(),
    /** push, pull_request, schedule */
    eventName: z.string(),
    /** Counts the runs of the workflow in its repository. */
    number: z.number(),
    /** Counts from 1; more where it was run again. */
    attempt: z.number(),
    /** Who pushed or caused the event. */
    actor: z.string(),
    project: z.string(),
    repository: z.string(),
    ref: z.string(),
    commit: z.string(),
    /** Null: the workflow that headway.yaml stands for. */
    workflow: z.string().nullable(),
    name: z.string(),
    title: z.string(),
    status: z.enum(['queued', 'running', 'finished']),
    conclusion: Conclusion.nullable(),
    failure: Failure.nullable(),
    /** False: it gets no secrets. */
    isTrusted: z.boolean(),
    /** The run that holds the concurrency group for which this one waits. */
    waitsFor: z.string().nullable(),
    isolation: z.string().nullable(),
    queuedAt: z.number(),
    startedAt: z.number().nullable(),
    finishedAt: z.number().nullable(),
    durationMs: z.number().nullable(),
  })
  .meta({ id: 'Run' })
export type RunSummary = z.infer<typeof RunSummary>

export type RunQuery = {
  readonly repository?: string | undefined
  readonly push?: string | undefined
  readonly event?: string | undefined
  /** A commit, or its first characters. */
  readonly commit?: string | undefined
  readonly limit: number
}

/** The newest runs of a project first. */
export const listRuns = async (
  store: Store,
  project: string,
  { repository, push, event, commit, limit }: RunQuery,
): Promise<RunSummary[]> => {
  let query = runsWithClaims(store).where('build_runs.project', '=', project)
  if (repository !== undefined) query = query.where('build_runs.repository', '=', repository)
  if (push !== undefined) query = query.where('push', '=', push)
  if (event !== undefined) query = query.where('event', '=', event)
  if (commit !== undefined) query = query.where('commit_id', '>=', commit).where('commit_id', '<', `${commit}~`)
  return (await query.orderBy('build_runs.seq', 'desc').limit(limit).execute()).map(summaryOf)
}

/** Runs, each with the one that holds the concurrency group for which it waits. */
export const runsWithClaims = (store: Store) =>
  store
    .tables<BuildTables>()
    .selectFrom('build_runs')
    .leftJoin('build_claims', (join) =>
      join
        .onRef('build_claims.run', '=', 'build_runs.run')
        .on('build_claims.job', '=', '')
        .on('build_claims.state', '=', 'waiting'),
    )
    .selectAll('build_runs')
    .select('build_claims.rival as waits_for')

/** The runs of all pushes and events that are not concluded, and how each stands in its concurrency group. */
export const listRunsInHand = (store: Store) =>
  store
    .tables<BuildTables>()
    .selectFrom('build_runs')
    .innerJoin('build_origins', (join) =>
      join
        .onRef('build_origins.origin', '=', 'build_runs.origin')
        .onRef('build_origins.ref', '=', 'build_runs.ref')
        .on('build_origins.status', '=', 'running'),
    )
    .leftJoin('build_claims', (join) =>
      join.onRef('build_claims.run', '=', 'build_runs.run').on('build_claims.job', '=', ''),
    )
    .select([
      'build_runs.run',
      'build_runs.origin',
      'build_runs.ref',
      'build_runs.workflow',
      'build_runs.name',
      'build_runs.status',
      'build_runs.conclusion',
      'build_runs.failure',
      'build_runs.cancel_requested',
      'build_claims.state as claim',
    ])
    .orderBy('build_runs.seq')
    .execute()
export type RunInHand = Awaited<ReturnType<typeof listRunsInHand>>[number]

/** A run without its jobs; null where the project has no such run. */
export const findSummary = async (store: Store, project: string, run: string): Promise<RunSummary | null> => {
  const row = await runsWithClaims(store)
    .where('build_runs.project', '=', project)
    .where('build_runs.run', '=', run)
    .executeTakeFirst()
  return row ? summaryOf(row) : null
}

export const EnvironmentSummary = z
  .object({
    environment: z.string(),
    needsApproval: z.boolean(),
    allowsOwnApproval: z.boolean(),
    /** Patterns of the branches and tags whose runs may use it; null: all. */
    refs: z.array(z.string()).nullable(),
    /** The jobs that wait for an approval now. */
    waiting: z.array(
      z.object({
        run: z.string(),
        job: z.string(),
        name: z.string(),
        title: z.string(),
        /** Who caused the run. */
        actor: z.string(),
        queuedAt: z.number(),
      }),
    ),
  })
  .meta({ id: 'PipelineEnvironment' })
export type EnvironmentSummary = z.infer<typeof EnvironmentSummary>

/** The protected environments of a project, and the jobs that wait for each. */
export const listEnvironments = async (store: Store, project: string): Promise<EnvironmentSummary[]> => {
  const tables = store.tables<BuildTables>()
  const rows = await tables
    .selectFrom('build_environments')
    .selectAll()
    .where('project', '=', project)
    .orderBy('environment')
    .execute()
  const waiting = await tables
    .selectFrom('build_jobs')
    .innerJoin('build_runs', (join) =>
      join.onRef('build_runs.run', '=', 'build_jobs.run').onRef('build_runs.attempt', '=', 'build_jobs.attempt'),
    )
    .select(['build_jobs.run', 'build_jobs.job', 'build_jobs.name', 'build_jobs.wait'])
    .select(['build_runs.title', 'build_runs.actor', 'build_runs.queued_at'])
    .where('build_runs.project', '=', project)
    .where('build_jobs.status', '=', 'waiting')
    .where('build_runs.status', '!=', 'finished')
    .orderBy('build_jobs.seq')
    .execute()
  return rows.map((row) => ({
    environment: row.environment,
    ...protectionIn(row),
    refs: row.refs === null ? null : z.array(z.string()).parse(JSON.parse(row.refs)),
    waiting: waiting
      .filter(({ wait }) => wait === JSON.stringify({ kind: 'approval', environment: row.environment }))
      .map(({ run, job, name, title, actor, queued_at: queuedAt }) => ({ run, job, name, title, actor, queuedAt })),
  }))
}

const newestKept = 200
const keptMs = 30 * 24 * 60 * 60_000

/** The runs whose logs are kept: the newest 200 of each repository, and all of the last 30 days. */
export const runsWithKeptLogs = async (store: Store, now: number): Promise<Set<string>> => {
  const rows = await store
    .tables<BuildTables>()
    .selectFrom('build_runs')
    .select(['run', 'project', 'repository', 'queued_at'])
    .orderBy('seq', 'desc')
    .execute()
  const counts = new Map<string, number>()
  const kept = rows.filter(({ project, repository, queued_at }) => {
    const count = (counts.get(`${project}/${repository}`) ?? 0) + 1
    counts.set(`${project}/${repository}`, count)
    return count <= newestKept || Number(queued_at) > now - keptMs
  })
  return new Set(kept.map(({ run }) => run))
}

export const summaryOf = (row: BuildTables['build_runs'] & { waits_for: string | null }): RunSummary => {
  const [startedAt, finishedAt] = [timeOf(row.started_at), timeOf(row.finished_at)]
  return {
    run: row.run,
    push: row.push,
    event: row.event,
    eventName: row.event_name,
    number: row.number,
    attempt: row.attempt,
    actor: row.actor,
    project: row.project,
    repository: row.repository,
    ref: row.ref,
    commit: row.commit_id,
    workflow: row.workflow || null,
    name: row.name,
    title: row.title,
    status: row.status,
    conclusion: conclusionOf(row.conclusion),
    failure: failureOf(row.failure),
    isTrusted: row.is_trusted === 1,
    waitsFor: row.waits_for,
    isolation: row.isolation,
    queuedAt: Number(row.queued_at),
    startedAt,
    finishedAt,
    durationMs: startedAt !== null && finishedAt !== null ? finishedAt - startedAt : null,
  }
}

export const conclusionOf = (text: string | null): Conclusion | null => (text === null ? null : Conclusion.parse(text))
export const failureOf = (text: string | null): Failure | null =>
  text === null ? null : Failure.parse(JSON.parse(text))
export const timeOf = (time: number | null): number | null => (time === null ? null : Number(time))
