import { sql } from 'kysely'
import { z } from 'zod'
import type { Store } from '../store/store.ts'
import { Conclusion } from './facts.ts'
import { type RunQuery, RunSummary, runsWithClaims, summaryOf } from './queries.ts'
import type { BuildTables } from './tables.ts'

/** How a run stands, in one word: where it is, or how it ended. */
export const RunState = z.enum(['queued', 'running', ...Conclusion.options])
export type RunState = z.infer<typeof RunState>

export type RunPageQuery = RunQuery & {
  readonly state?: RunState | undefined
  /** Words that each stand somewhere in its title, repository, ref, commit or workflow's name, in whatever case. */
  readonly search?: string | undefined
  /** Only those that were queued before this run; or after it, those next to it. */
  readonly before?: string | undefined
  readonly after?: string | undefined
}

export const RunPage = z
  .object({
    /** Newest first. */
    runs: z.array(RunSummary),
    /** What to name as `after` for the page of newer ones, as `before` for that of older ones; null where there are none. */
    newer: z.string().nullable(),
    older: z.string().nullable(),
  })
  .meta({ id: 'RunPage' })
export type RunPage = z.infer<typeof RunPage>

/** A page of the runs of a project, newest first, from the newest on or from beside another run. */
export const pageOfRuns = async (store: Store, project: string, query: RunPageQuery): Promise<RunPage> => {
  const { before, after, limit } = query
  const cursor = before ?? after
  const seq = cursor === undefined ? null : await seqOf(store, project, cursor)
  const isUpwards = before === undefined && after !== undefined
  let found = filtered(store, project, query)
  if (seq !== null) found = found.where('build_runs.seq', isUpwards ? '>' : '<', seq)
  const rows = await found
    .orderBy('build_runs.seq', isUpwards ? 'asc' : 'desc')
    .limit(limit + 1) // one more tells whether the page is the last
    .execute()
  const isMore = rows.length > limit
  const page = rows.slice(0, limit).map(summaryOf)
  const runs = isUpwards ? page.toReversed() : page
  const [first, last] = [runs.at(0)?.run ?? null, runs.at(-1)?.run ?? null]
  return isUpwards
    ? { runs, newer: isMore ? first : null, older: last }
    : { runs, newer: seq === null ? null : first, older: isMore ? last : null }
}

/** Of a run that is not known, or no more: as if it were the newest. */
const seqOf = async (store: Store, project: string, run: string): Promise<number | null> => {
  const row = await store
    .tables<BuildTables>()
    .selectFrom('build_runs')
    .select('seq')
    .where('project', '=', project)
    .where('run', '=', run)
    .executeTakeFirst()
  return row?.seq ?? null
}

const filtered = (store: Store, project: string, query: RunPageQuery) => {
  const { repository, push, event, commit, state, search = '' } = query
  let found = runsWithClaims(store).where('build_runs.project', '=', project)
  if (repository !== undefined) found = found.where('build_runs.repository', '=', repository)
  if (push !== undefined) found = found.where('push', '=', push)
  if (event !== undefined) found = found.where('event', '=', event)
  if (commit !== undefined) found = found.where('commit_id', '>=', commit).where('commit_id', '<', `${commit}~`)
  if (state === 'queued' || state === 'running') found = found.where('status', '=', state)
  else if (state !== undefined) found = found.where('status', '=', 'finished').where('conclusion', '=', state)
  for (const word of search.toLowerCase().split(/\s+/).filter(Boolean)) found = found.where(holds(word))
  return found
}

const holds = (word: string) => {
  const pattern = `%${word.replace(/[\\%_]/g, '\\$&')}%`
  const text = sql`lower(title || ' ' || build_runs.repository || ' ' || ref || ' ' || commit_id || ' ' || name)`
  return sql<boolean>`${text} like ${pattern} escape '\\'`
}
