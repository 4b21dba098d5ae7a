import { z } from '@hono/zod-openapi'
import type { Store } from '../store/store.ts'
import { Conclusion, Failure } from './facts.ts'
import type { BuildTables } from './views.ts'

/** A run as it is listed. Times in milliseconds since 1970. */
export const RunSummary = z
  .object({
    run: z.string(),
    push: z.string(),
    project: z.string(),
    repository: z.string(),
    ref: z.string(),
    commit: z.string(),
    /** Null: the workflow that headway.yaml stands for. */
    workflow: z.string().nullable(),
    name: z.string(),
    status: z.enum(['queued', 'running', 'finished']),
    conclusion: Conclusion.nullable(),
    failure: Failure.nullable(),
    isolation: z.string().nullable(),
    queuedAt: z.number(),
    startedAt: z.number().nullable(),
    finishedAt: z.number().nullable(),
    durationMs: z.number().nullable(),
  })
  .openapi('Run')
export type RunSummary = z.infer<typeof RunSummary>

const StepSummary = z.object({
  name: z.string(),
  outcome: Conclusion,
  conclusion: Conclusion,
  exitCode: z.number().nullable(),
  durationMs: z.number(),
})

export const RunDetails = RunSummary.extend({
  jobs: z.array(
    z.object({
      job: z.string(),
      name: z.string(),
      status: z.enum(['running', 'finished']),
      conclusion: Conclusion.nullable(),
      failure: Failure.nullable(),
      steps: z.array(StepSummary),
      starts: z.number(),
      startedAt: z.number().nullable(),
      finishedAt: z.number().nullable(),
    }),
  ),
}).openapi('RunDetails')
export type RunDetails = z.infer<typeof RunDetails>

export type RunQuery = { readonly repository?: string | undefined; readonly limit: number }

/** The newest runs of a project first. */
export const listRuns = async (
  store: Store,
  project: string,
  { repository, limit }: RunQuery,
): Promise<RunSummary[]> => {
  let query = store.tables<BuildTables>().selectFrom('build_runs').selectAll().where('project', '=', project)
  if (repository !== undefined) query = query.where('repository', '=', repository)
  return (await query.orderBy('seq', 'desc').limit(limit).execute()).map(summaryOf)
}

export const findRun = async (store: Store, project: string, run: string): Promise<RunDetails | null> => {
  const tables = store.tables<BuildTables>()
  const row = await tables
    .selectFrom('build_runs')
    .selectAll()
    .where('project', '=', project)
    .where('run', '=', run)
    .executeTakeFirst()
  if (!row) return null
  const jobs = await tables.selectFrom('build_jobs').selectAll().where('run', '=', run).orderBy('seq').execute()
  return {
    ...summaryOf(row),
    jobs: jobs.map((job) => ({
      job: job.job,
      name: job.name,
      status: job.status,
      conclusion: conclusionOf(job.conclusion),
      failure: failureOf(job.failure),
      steps: z.array(StepSummary).parse(JSON.parse(job.steps)),
      starts: job.starts,
      startedAt: timeOf(job.started_at),
      finishedAt: timeOf(job.finished_at),
    })),
  }
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

const summaryOf = (row: BuildTables['build_runs']): RunSummary => {
  const [startedAt, finishedAt] = [timeOf(row.started_at), timeOf(row.finished_at)]
  return {
    run: row.run,
    push: row.push,
    project: row.project,
    repository: row.repository,
    ref: row.ref,
    commit: row.commit_id,
    workflow: row.workflow || null,
    name: row.name,
    status: row.status,
    conclusion: conclusionOf(row.conclusion),
    failure: failureOf(row.failure),
    isolation: row.isolation,
    queuedAt: Number(row.queued_at),
    startedAt,
    finishedAt,
    durationMs: startedAt !== null && finishedAt !== null ? finishedAt - startedAt : null,
  }
}

const conclusionOf = (text: string | null): Conclusion | null => (text === null ? null : Conclusion.parse(text))
export const failureOf = (text: string | null): Failure | null =>
  text === null ? null : Failure.parse(JSON.parse(text))
const timeOf = (time: number | null): number | null => (time === null ? null : Number(time))
