import type { Ids } from '../clock.ts'
import { fact, type NewFact } from '../ledger/fact.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { CommitId, repositorySubject } from '../names.ts'
import { describeError } from '../problem.ts'
import type { Store } from '../store/store.ts'
import type { Ending } from './concluding.ts'
import type { JobSettings } from './conductor.ts'
import { runQueued, schedulesSet } from './facts.ts'
import { failureFor } from './failure.ts'
import {
  changedPaths,
  defaultBranchOf,
  mergeBase,
  type RepositoryPath,
  readCommit,
  resolveCommit,
  summaryOf,
} from './git.ts'
import type { RunSource } from './jobs/contexts.ts'
import type { Listeners } from './listeners.ts'
import { type Origin, type Raised, raisedEvent, sourceFor } from './origins.ts'
import type { PlannedEvent, PlannedRun, PlannedSchedule } from './plan.ts'
import { type BuildTables, generated } from './tables.ts'

export type StarterParts = {
  readonly ledger: Ledger
  readonly store: Store
  readonly ids: Ids
  readonly repositoryPath: RepositoryPath
  readonly settings: JobSettings
  readonly serverUrl: () => string
  readonly listeners: Listeners
  /** Says that an origin starts nothing, or could not be looked at. */
  readonly end: (origin: Origin, ending: Ending) => Promise<readonly NewFact[]>
}

/** Queues the runs that a new push or event starts; where it starts none, says so. All of it in one append. */
export const createStarter =
  (parts: StarterParts) =>
  async (pushed: Origin): Promise<void> => {
    const { ledger, store, repositoryPath } = parts
    const { project, repository } = pushed
    const gitDirectory = repositoryPath(project, repository)
    // What is pushed as an annotated tag is the tag; `github.sha` is the commit that it is on.
    const commit = (await resolveCommit(gitDirectory, pushed.commit)) ?? pushed.commit
    const origin = { ...pushed, commit }
    const defaultBranch = await defaultBranchOf(gitDirectory)
    const raised = await raisedEvent(ledger, origin)
    const head = await summaryOf(gitDirectory, commit)

    const planned = async () => {
      const { planStarts } = await import('./engine.ts')
      const event = await plannedEvent(gitDirectory, defaultBranch, origin, raised, head?.message ?? null)
      return { fault: null, ...(await planStarts(readCommit(gitDirectory, commit), event)) }
    }
    const unplanned = (error: unknown) => ({ fault: describeError(error), runs: [], notes: [], schedules: null })
    const plan = withoutEcho(origin, await planned().catch(unplanned))

    const facts: NewFact[] = []
    const isDefault = origin.push !== null && origin.ref === `refs/heads/${defaultBranch}`
    if (isDefault && plan.schedules) facts.push(...(await changedSchedules(store, origin, plan.schedules)))
    const isRefProtected = plan.runs.length > 0 && ((await parts.settings.isProtected?.(origin)) ?? false)
    for (const run of plan.runs) {
      const queued = await queue(parts, origin, raised, run, { head, defaultBranch, isRefProtected })
      facts.push(
        fact(runQueued, { subject: `run:${queued.run}`, actor: 'system:build', causes: [origin.seq], payload: queued }),
      )
      const about = { action: 'requested' as const, attempt: 1, conclusion: null, actor: origin.actor }
      facts.push(...(await parts.listeners.eventsFor(queued, about)))
    }
    if (plan.runs.length === 0) {
      const failure = plan.fault === null ? null : failureFor(plan.fault)
      const ending = {
        conclusion: failure ? ('failure' as const) : ('skipped' as const),
        failure,
        notes: plan.notes,
        runs: [],
      }
      facts.push(...(await parts.end(origin, ending)))
    }
    await ledger.append(facts)
  }

/**
 * What a job does with its own token starts no run, so that none can start itself for ever; only dispatches do
 * (docs.github.com/actions/how-tos/write-workflows/choose-when-workflows-run/trigger-a-workflow).
 */
const withoutEcho = <Plan extends { readonly runs: readonly PlannedRun[]; readonly notes: readonly string[] }>(
  { actor, eventName }: Origin,
  plan: Plan,
): Plan => {
  const isEcho = actor.startsWith('job:') && !/^(workflow|repository)_dispatch$/.test(eventName)
  if (!isEcho || plan.runs.length === 0) return plan
  const note = `${actor} did this with the token of a job, which starts no runs; use a token of a person where it should`
  return { ...plan, runs: [], notes: [...plan.notes, note] }
}

const plannedEvent = async (
  gitDirectory: string,
  defaultBranch: string,
  origin: Origin,
  raised: Raised | null,
  ownMessage: string | null,
): Promise<PlannedEvent> => {
  const { ref, commit, before, eventName } = origin
  if (raised === null) {
    const since = async (): Promise<CommitId | null> =>
      before ?? (await startOfBranch(gitDirectory, `refs/heads/${defaultBranch}`, ref, commit))
    const paths = async (): Promise<string[]> => changedPaths(gitDirectory, await since(), commit)
    const nothing = { action: null, baseRef: null, ran: null, onlyFile: null }
    return { ...nothing, name: eventName, ref, changedPaths: paths, message: ownMessage }
  }
  const { action, baseRef, changedSince, workflow, payload } = raised
  const message = await pullRequestMessage(gitDirectory, raised, ownMessage)
  const paths = changedSince === null ? null : () => changedPaths(gitDirectory, changedSince, commit)
  const about = { name: eventName, action, ref, baseRef, onlyFile: workflow, message }
  return { ...about, ran: eventName === 'workflow_run' ? ranIn(payload) : null, changedPaths: paths }
}

/** A new branch is compared with where it left the default branch; the default branch itself with nothing. */
const startOfBranch = async (
  gitDirectory: string,
  main: string,
  ref: string,
  commit: CommitId,
): Promise<CommitId | null> => {
  const newest = ref === main ? null : await resolveCommit(gitDirectory, main)
  return newest === null ? null : mergeBase(gitDirectory, newest, commit)
}

/** The commit that is checked out is the merge; the one that may ask to be skipped is the branch's last. */
const pullRequestMessage = async (
  gitDirectory: string,
  { payload }: Raised,
  ownMessage: string | null,
): Promise<string | null> => {
  const head = CommitId.safeParse(textAt(payload, 'pull_request', 'head', 'sha'))
  return head.success ? ((await summaryOf(gitDirectory, head.data))?.message ?? null) : ownMessage
}

const ranIn = (payload: Raised['payload']): PlannedEvent['ran'] => ({
  workflow: textAt(payload, 'workflow_run', 'name') ?? '',
  branch: textAt(payload, 'workflow_run', 'head_branch') ?? null,
})

const textAt = (value: unknown, ...path: readonly string[]): string | undefined => {
  const found = path.reduce<unknown>(
    (at, name) =>
      typeof at === 'object' && at !== null ? Object.entries(at).find(([key]) => key === name)?.[1] : undefined,
    value,
  )
  return typeof found === 'string' ? found : undefined
}

const queue = async (
  parts: StarterParts,
  origin: Origin,
  raised: Raised | null,
  { file, name, workflow }: PlannedRun,
  known: Pick<RunSource, 'head' | 'defaultBranch' | 'isRefProtected'>,
) => {
  const { headerOf, namesInWorkflow, titleOf } = await import('./engine.ts')
  const { project, repository, ref, commit, push, event, eventName, actor } = origin
  const run = parts.ids('run')
  const number = (await countRuns(parts.store, origin, file)) + 1
  const isTrusted = raised?.isTrusted ?? true
  const about = { run, name, workflow: file, number, isTrusted }
  const source = sourceFor(origin, raised, { ...about, attempt: 1, triggeringActor: actor }, known)
  const header = async () => {
    if (!workflow) return { title: titleOf(source), concurrency: null }
    const vars = await parts.settings.variables(source, namesInWorkflow(workflow).vars)
    return headerOf(workflow, source, vars, parts.serverUrl())
  }
  // What cannot be evaluated fails the run when it begins, where there is a place to say so.
  const { title, concurrency } = await header().catch(() => ({ title: titleOf(source), concurrency: null }))
  return { ...about, push, event, eventName, project, repository, ref, commit, title: title.slice(0, 200), concurrency }
}

const countRuns = async (
  store: Store,
  { project, repository }: Pick<Origin, 'project' | 'repository'>,
  workflow: string | null,
): Promise<number> => {
  const row = await store
    .tables<BuildTables>()
    .selectFrom('build_runs')
    .select(({ fn }) => fn.max('number').as('newest'))
    .where('project', '=', project)
    .where('repository', '=', repository)
    .where('workflow', '=', workflow ?? generated)
    .executeTakeFirst()
  return Number(row?.newest ?? 0)
}

const changedSchedules = async (
  store: Store,
  { project, repository, commit, actor, seq }: Origin,
  schedules: readonly PlannedSchedule[],
): Promise<NewFact[]> => {
  const rows = await store
    .tables<BuildTables>()
    .selectFrom('build_schedules')
    .select(['workflow', 'cron', 'timezone'])
    .where('project', '=', project)
    .where('repository', '=', repository)
    .execute()
  const keyOf = (one: { workflow: string; cron: string; timezone: string | null }): string =>
    JSON.stringify([one.workflow, one.cron, one.timezone ?? ''])
  const [before, after] = [new Set(rows.map(keyOf)), new Set(schedules.map(keyOf))]
  if (before.size === after.size && [...after].every((key) => before.has(key))) return []
  const payload = { project, repository, commit, schedules: schedules.map((one) => ({ ...one })) }
  return [fact(schedulesSet, { subject: repositorySubject(project, repository), actor, causes: [seq], payload })]
}
