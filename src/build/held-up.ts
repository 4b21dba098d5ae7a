import type { Store } from '../store/store.ts'
import { personOf } from './ended-because.ts'
import { JobWait } from './facts.ts'
import type { WaitingJob } from './runners/protocol.ts'
import type { BuildTables } from './tables.ts'

/**
 * Tells what a push or an event (`push:<id>`, `event:<id>`) waits for when nothing of it goes on before somebody has acted, in sentences: an approval,
 * a runner that is not there, a concurrency group whose holder waits so. Null while something of it goes on, and where nothing is left of it.
 */
export const createHeldUp = ({
  store,
  unassigned,
}: {
  readonly store: Store
  /** The jobs of a run that have no runner yet. */
  readonly unassigned: (run: string) => Promise<readonly WaitingJob[]>
}) => {
  const tables = () => store.tables<BuildTables>()

  const heldRun = async (run: Row, before: readonly string[] = []): Promise<readonly string[] | null> => {
    const turn = await turnOf(run.run, '')
    if (turn) return behind(run.name, turn, [...before, run.run])
    if (run.status !== 'running') return null
    const [jobs, queued] = [await waitingJobs(run), await unassigned(run.run)]
    if (jobs === null || queued.some(({ isStuck }) => !isStuck)) return null
    const held: string[] = queued.map(({ name, why }) => `${name} waits: ${why}`)
    for (const { job, name, wait } of jobs) {
      if (queued.some((one) => one.job === job)) continue
      const why =
        wait.kind === 'approval'
          ? await unapproved(run, job, name, wait.environment)
          : await waitsBehind(run, job, name, before)
      if (why === null) return null
      held.push(...why)
    }
    return held.length > 0 ? held : null
  }

  /** Null where one of its jobs runs. */
  const waitingJobs = async ({ run, attempt }: Row) => {
    const jobs = await tables()
      .selectFrom('build_jobs')
      .select(['job', 'name', 'status', 'wait'])
      .where('run', '=', run)
      .where('attempt', '=', attempt)
      .where('status', '!=', 'finished')
      .orderBy('seq')
      .execute()
    if (jobs.some(({ status, wait }) => status === 'running' || wait === null)) return null
    return jobs.map(({ job, name, wait }) => ({ job, name, wait: JobWait.parse(JSON.parse(wait ?? '')) }))
  }

  const unapproved = async ({ run, attempt, project, actor }: Row, job: string, name: string, environment: string) => {
    const [answer, protection] = await Promise.all([
      tables()
        .selectFrom('build_approvals')
        .select('is_approved')
        .where('run', '=', run)
        .where('attempt', '=', attempt)
        .where('job', '=', job)
        .executeTakeFirst(),
      tables()
        .selectFrom('build_environments')
        .select('allows_own_approval')
        .where('project', '=', project)
        .where('environment', '=', environment)
        .executeTakeFirst(),
    ])
    if (answer) return null // it goes on at once
    const other = protection?.allows_own_approval === 0 ? ` other than ${personOf(actor)}` : ''
    return [`${name} waits for an operator of ${project}${other} to approve ${environment}`]
  }

  const waitsBehind = async ({ run }: Row, job: string, name: string, before: readonly string[]) => {
    const turn = await turnOf(run, job)
    return turn ? behind(name, turn, [...before, run]) : null
  }

  /** Who holds the group for which it waits. */
  const turnOf = async (run: string, job: string) =>
    tables()
      .selectFrom('build_claims as waiting')
      .innerJoin('build_claims as holding', (join) =>
        join
          .onRef('holding.project', '=', 'waiting.project')
          .onRef('holding.repository', '=', 'waiting.repository')
          .onRef('holding.group_key', '=', 'waiting.group_key')
          .on('holding.state', '=', 'holding'),
      )
      .select(['holding.run', 'waiting.group_key as group'])
      .where('waiting.run', '=', run)
      .where('waiting.job', '=', job)
      .where('waiting.state', '=', 'waiting')
      .executeTakeFirst()

  const behind = async (name: string, { run, group }: { run: string; group: string }, before: readonly string[]) => {
    if (before.includes(run)) return null
    const holder = await tables().selectFrom('build_runs').select(columns).where('run', '=', run).executeTakeFirst()
    const why = holder ? await heldRun(holder, before) : null
    return why && [`${name} waits for ${run} in the concurrency group ${group}: ${why.join('; ')}`]
  }

  return async (origin: string): Promise<readonly string[] | null> => {
    const runs = await tables()
      .selectFrom('build_runs')
      .select(columns)
      .where('origin', '=', origin)
      .where('status', '!=', 'finished')
      .orderBy('seq')
      .execute()
    const held: string[] = []
    for (const run of runs) {
      const why = await heldRun(run)
      if (why === null) return null
      held.push(...why)
    }
    return held.length > 0 ? held : null
  }
}

const columns = ['run', 'attempt', 'name', 'status', 'project', 'actor'] as const
type Row = Pick<BuildTables['build_runs'], (typeof columns)[number]>
