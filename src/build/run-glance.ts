import { z } from 'zod'
import type { Store } from '../store/store.ts'
import type { BuildTables } from './tables.ts'

const Middle = z.object({ medianMs: z.number(), count: z.number().int() })

export const RunGlance = z
  .object({
    /** Those that have not ended. */
    open: z.number().int(),
    /** Whether there was ever one. */
    isAny: z.boolean(),
    /** How long those that ended since had waited for their first job to start, and how long they then took; null where there are none. */
    waited: Middle.nullable(),
    took: Middle.nullable(),
  })
  .meta({ id: 'RunGlance' })
export type RunGlance = z.infer<typeof RunGlance>

/** The runs of a project in a few numbers; `since` in milliseconds since 1970. */
export const glanceAtRuns = async (store: Store, project: string, since: number): Promise<RunGlance> => {
  const runs = store.tables<BuildTables>().selectFrom('build_runs').where('project', '=', project)
  const [open, ended, newest] = await Promise.all([
    runs
      .where('status', '!=', 'finished')
      .select(({ fn }) => fn.countAll().as('count'))
      .executeTakeFirstOrThrow(),
    runs.where('finished_at', '>=', since).select(['queued_at', 'started_at', 'finished_at']).execute(),
    runs.select('run').limit(1).executeTakeFirst(),
  ])
  const started = ended.filter(({ started_at }) => started_at !== null)
  return {
    open: Number(open.count),
    isAny: newest !== undefined,
    waited: middleOf(started.map(({ queued_at, started_at }) => Number(started_at) - Number(queued_at))),
    took: middleOf(started.map(({ started_at, finished_at }) => Number(finished_at) - Number(started_at))),
  }
}

const middleOf = (spans: readonly number[]) => {
  const medianMs = spans.toSorted((one, other) => one - other)[Math.floor(spans.length / 2)]
  return medianMs === undefined ? null : { medianMs, count: spans.length }
}
