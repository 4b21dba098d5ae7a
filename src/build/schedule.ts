import { createHash } from 'node:crypto'
import type { Clock } from '../clock.ts'
import { fact } from '../ledger/fact.ts'
import type { Ledger, Views } from '../ledger/ledger.ts'
import { ProjectName, RepositoryName } from '../names.ts'
import type { Store } from '../store/store.ts'
import { workflowEventRaised } from './facts.ts'
import { defaultBranchOf, type RepositoryPath, resolveCommit } from './git.ts'
import type { BuildTables } from './tables.ts'
import { nextAfter, parseCron } from './workflow/cron.ts'

type Schedule = BuildTables['build_schedules']

/** Ticks that are older than this are not made up for. */
const missedMs = 24 * 60 * 60_000
/** The machine's clock may be set meanwhile, and other schedules may come: nobody sleeps longer. */
const longestSleepMs = 60_000

/**
 * The newest tick of a schedule that is due and has not been raised, and when the one after that is. Of those that passed while
 * Headway was down only the newest counts, and only for a day: a nightly run is made up for, a hundred missed minutes are one run.
 */
export const ticksOf = (
  schedule: Pick<Schedule, 'cron' | 'timezone' | 'set_at' | 'last_tick'>,
  now: number,
): { readonly due: number | undefined; readonly next: number | undefined } => {
  const cron = parseCron(schedule.cron)
  if (!cron) return { due: undefined, next: undefined }
  const timezone = schedule.timezone || 'UTC'
  const since = Math.max(Number(schedule.last_tick ?? 0), Number(schedule.set_at), now - missedMs)
  let due: number | undefined
  for (let at = nextAfter(cron, timezone, since); at !== undefined; at = nextAfter(cron, timezone, at)) {
    if (at > now) return { due, next: at }
    due = at
  }
  return { due, next: undefined }
}

/** Raises the `schedule` events of the workflows on default branches. */
export const createScheduler = ({
  ledger,
  store,
  views,
  clock,
  repositoryPath,
}: {
  readonly ledger: Ledger
  readonly store: Store
  readonly views: Views
  readonly clock: Clock
  readonly repositoryPath: RepositoryPath
}) => {
  const raise = async (schedule: Schedule, tick: number): Promise<void> => {
    const project = ProjectName.parse(schedule.project)
    const repository = RepositoryName.parse(schedule.repository)
    const gitDirectory = repositoryPath(project, repository)
    const branch = await defaultBranchOf(gitDirectory)
    const commit = await resolveCommit(gitDirectory, `refs/heads/${branch}`)
    if (commit === null) return
    // The same tick has the same name, so that it is raised once however often it is tried.
    const event = `event-${digestOf([project, repository, schedule.workflow, schedule.cron, schedule.timezone, tick])}`
    const subject = `event:${event}`
    const place = { project, repository, ref: `refs/heads/${branch}`, commit, workflow: schedule.workflow }
    const rest = { action: null, baseRef: null, headRef: null, changedSince: null, inputs: {}, isTrusted: true }
    const payload = { schedule: schedule.cron, ...(schedule.timezone ? { timezone: schedule.timezone } : {}), tick }
    const about = { subject, actor: schedule.actor, payload: { event, name: 'schedule', ...place, ...rest, payload } }
    await ledger.append([fact(workflowEventRaised, about)], { expect: { subject, seq: 0 } })
  }

  /** Raises what is due; resolves to when something will be, in milliseconds since 1970. */
  const tick = async (): Promise<number | undefined> => {
    await views.reach()
    const now = clock.now()
    const times: number[] = []
    for (const schedule of await store.tables<BuildTables>().selectFrom('build_schedules').selectAll().execute()) {
      const { due, next } = ticksOf(schedule, now)
      if (due !== undefined) await raise(schedule, due)
      if (next !== undefined) times.push(next)
    }
    return times.length === 0 ? undefined : Math.min(...times)
  }

  return {
    tick,
    /** Goes on until the signal aborts, and rejects with its reason then. */
    run: async (signal: AbortSignal, report: (error: unknown) => void): Promise<void> => {
      for (;;) {
        const next = await tick().catch((error: unknown) => void report(error))
        const untilNext = (next ?? Number.POSITIVE_INFINITY) - clock.now()
        await clock.sleep(Math.min(Math.max(untilNext, 1), longestSleepMs), signal)
      }
    },
  }
}

const digestOf = (parts: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 24)
