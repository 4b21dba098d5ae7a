import { z } from 'zod'
import { payloadErased } from '../ledger/facts.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { Store } from '../store/store.ts'
import { Annotation, Conclusion, Failure, JobWait, runFinished } from './facts.ts'
import { conclusionOf, failureOf, findSummary, RunSummary, timeOf } from './queries.ts'
import { WaitingJob } from './runners/protocol.ts'
import type { BuildTables } from './tables.ts'

const StepSummary = z.object({
  name: z.string(),
  outcome: Conclusion,
  conclusion: Conclusion,
  exitCode: z.number().nullable(),
  durationMs: z.number(),
})

/** Made once, not for each of a thousand jobs: a schema costs more to make than to use. */
const Steps = z.array(StepSummary)
const Annotations = z.array(Annotation)

const UsedEnvironment = z.object({ name: z.string(), url: z.string().nullable() })

export const RunDetails = RunSummary.extend({
  jobs: z.array(
    z.object({
      job: z.string(),
      name: z.string(),
      /** The jobs of this list that had to be over before it could start: `job` of each; of a matrix all its rows. */
      needs: z.array(z.string()),
      status: z.enum(['waiting', 'running', 'finished']),
      /** For what a waiting one waits. */
      wait: JobWait.nullable(),
      conclusion: Conclusion.nullable(),
      failure: Failure.nullable(),
      steps: Steps,
      annotations: Annotations,
      /** What it was let into, once it has ended, and where that is reached. */
      environment: UsedEnvironment.nullable(),
      starts: z.number(),
      /** The attempt that its result and log are of; an earlier one than the run's where it did not run again. */
      attempt: z.number(),
      startedAt: z.number().nullable(),
      finishedAt: z.number().nullable(),
    }),
  ),
  /** Jobs that could run, but have no runner yet. */
  unassigned: z.array(WaitingJob),
}).meta({ id: 'RunDetails' })
export type RunDetails = z.infer<typeof RunDetails>

type JobDetails = RunDetails['jobs'][number]
/** A job as it was last read; what its text `needs` names is found among all jobs of its run. */
type Read = { readonly changed: number; readonly needs: string; readonly details: Omit<JobDetails, 'needs'> }
/** The jobs of an attempt up to a fact, by their keys. */
type Known = { upTo: number; readonly jobs: Map<string, Read> }

/** Runs that are looked at while they run are few. */
const mostKnown = 4

/**
 * Shows runs with the jobs of an attempt. Of one that is under way, which is looked at again and again and may have a thousand jobs, only those jobs are
 * read that have changed since the last time.
 */
export const createDetails = (store: Store, ledger: Pick<Ledger, 'onAppend'>) => {
  const underWay = new Map<string, Known>()
  const stop = ledger.onAppend(() => underWay.clear(), [runFinished.type, payloadErased.type])

  const read = async (run: string, attempt: number, after: number) =>
    store
      .tables<BuildTables>()
      .selectFrom('build_jobs')
      .selectAll()
      .where('run', '=', run)
      .where('attempt', '=', attempt)
      .where('changed', '>', after)
      .orderBy('seq')
      .execute()

  /** Two may ask at once: what was read later counts. */
  const refresh = async (known: Known, run: string, attempt: number): Promise<void> => {
    for (const row of await read(run, attempt, known.upTo)) {
      const changed = Number(row.changed)
      if (changed > (known.jobs.get(row.job)?.changed ?? 0)) known.jobs.set(row.job, readJob(row))
      known.upTo = Math.max(known.upTo, changed)
    }
  }

  const knownOf = (key: string): Known => {
    const known = underWay.get(key) ?? { upTo: 0, jobs: new Map() }
    underWay.delete(key)
    underWay.set(key, known) // as the newest
    for (const oldest of underWay.keys()) if (underWay.size > mostKnown) underWay.delete(oldest)
    return known
  }

  return {
    /** The newest attempt where none is named; null where the project has no such run. */
    find: async (project: string, run: string, attempt?: number): Promise<Omit<RunDetails, 'unassigned'> | null> => {
      const summary = await findSummary(store, project, run)
      if (!summary) return null
      const wanted = attempt ?? summary.attempt
      const isUnderWay = summary.status !== 'finished' && wanted === summary.attempt
      const known = isUnderWay ? knownOf(JSON.stringify([run, wanted])) : { upTo: 0, jobs: new Map() }
      await refresh(known, run, wanted)
      const jobs = [...known.jobs.values()]
      const needsOf = needsAmong(jobs)
      return { ...summary, jobs: jobs.map(({ details, needs }) => ({ ...details, needs: needsOf(needs) })) }
    },
    stop,
  }
}

const readJob = (row: BuildTables['build_jobs']): Read => ({
  changed: Number(row.changed),
  needs: row.needs,
  details: {
    job: row.job,
    name: row.name,
    status: row.status,
    wait: row.wait === null ? null : JobWait.parse(JSON.parse(row.wait)),
    conclusion: conclusionOf(row.conclusion),
    failure: failureOf(row.failure),
    steps: Steps.parse(JSON.parse(row.steps)),
    annotations: Annotations.parse(JSON.parse(row.annotations)),
    environment: row.environment === null ? null : UsedEnvironment.parse(JSON.parse(row.environment)),
    starts: row.starts,
    attempt: row.ran_in,
    startedAt: timeOf(row.started_at),
    finishedAt: timeOf(row.finished_at),
  },
})

/**
 * The jobs that the text of a row's `needs` names. A job with a matrix is known by its rows: `build` is `build.1`, `build.2`; ids of jobs
 * begin with no digit. The rows of a matrix need the same, so that what was looked for once is known: a run may hold a thousand.
 */
const needsAmong = (jobs: readonly Read[]): ((needs: string) => string[]) => {
  const known = new Map<string, string[]>([['[]', []]])
  const find = (needs: string): string[] => {
    const wanted = new Set(z.array(z.string()).parse(JSON.parse(needs)))
    return jobs.flatMap(({ details: { job } }) =>
      wanted.has(job) || wanted.has(job.replace(/\.\d+$/, '')) ? [job] : [],
    )
  }
  return (needs) => {
    const found = known.get(needs) ?? find(needs)
    known.set(needs, found)
    return found
  }
}
