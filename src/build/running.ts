import { join } from 'node:path'
import type { Clock } from '../clock.ts'
import { effect } from '../effect.ts'
import type { Home } from '../home.ts'
import { isFact, type NewFact } from '../ledger/fact.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { ProjectName, RepositoryName } from '../names.ts'
import { removeTree } from '../processes/files.ts'
import type { ConductorTools, Surroundings } from './conductor.ts'
import { cancelledBy, endedBecause } from './ended-because.ts'
import { runFinished, runStarted } from './facts.ts'
import { defaultBranchOf, pushedCommits, type RepositoryPath, readCommit, resolveCommit, summaryOf } from './git.ts'
import { endFamily } from './jobs/processes.ts'
import type { Listeners } from './listeners.ts'
import { type Origin, raisedEvent, sourceFor } from './origins.ts'
import { decide, evolve, type RunState } from './run.ts'
import type { Waits } from './waits.ts'
import type { OpenRepository } from './workflow/call.ts'

export type RunningParts = {
  readonly ledger: Ledger
  readonly clock: Clock
  readonly home: Home
  readonly repositoryPath: RepositoryPath
  /** Whether who caused a run may read a project, whose reusable workflows it calls. */
  readonly mayRead: (actor: string, project: ProjectName) => Promise<boolean>
  readonly waits: Waits
  readonly listeners: Listeners
  /** All but the surroundings; asked for with each run, as it may have to be made first. */
  readonly tools: () => Promise<ConductorTools>
  /** Told when a run could not be gone on with, to be tried again. */
  readonly again: (run: string, error: unknown) => void
  /** Told when a run is no longer conducted: what was asked of it while its last job was cleared away is to be looked at now. */
  readonly letGo: () => void
}

export type Cancelling = 'cancelling' | 'finished' | 'unknown'

/** The runs that this process conducts. What they are and how far is in the ledger. */
export const createRunning = (parts: RunningParts) => {
  const { ledger, clock, home, repositoryPath } = parts
  const running = new Map<string, { readonly cancel: AbortController; readonly ended: Promise<void> }>()
  const stopping = new AbortController()

  const stateOf = async (run: string): Promise<RunState | undefined> => {
    let state: RunState | undefined
    for (const recorded of await ledger.read({ subject: `run:${run}` })) state = evolve(state, recorded)
    return state
  }

  /** What an interrupted run has left: processes, directories. */
  const endLeftovers = async (run: string): Promise<void> => {
    const directory = join(home.workspaces, run)
    await endFamily({ marker: `${directory}/`, directory, sessions: new Set(), user: 'anyone' }, clock)
    await effect('build.remove-leftovers', () => removeTree(directory))
  }

  const conduct = async (origin: Origin, run: string, cancel: AbortController): Promise<void> => {
    const { conductRun } = await import('./engine.ts')
    const state = await stateOf(run)
    if (!state || state.status === 'finished') return
    if (state.isCancelRequested) cancel.abort(endedBecause(state.cancelledBecause))
    if (state.starts > 0) await endLeftovers(run)
    const { project, repository, commit } = state.queued
    const gitDirectory = repositoryPath(project, repository)
    const numbers = {
      ...state.queued,
      attempt: state.attempt,
      triggeringActor: state.rerunBy ?? origin.actor,
    }
    const raised = await raisedEvent(ledger, origin)
    const before = origin.before ?? raised?.changedSince ?? null
    const pushed = origin.eventName === 'push' ? await pushedCommits(gitDirectory, before, commit) : null
    const newest = pushed?.commits.at(-1)
    const surroundings: Surroundings = {
      waits: parts.waits,
      openRepository: openerFor(parts, origin),
      consequences: (before, facts) => consequencesOf(parts.listeners, origin.actor, before, facts),
    }
    const tools = { ...(await parts.tools()), surroundings }
    const known = {
      head: newest?.id === commit ? newest : await summaryOf(gitDirectory, commit),
      defaultBranch: await defaultBranchOf(gitDirectory),
      isRefProtected: (await tools.settings.isProtected?.(origin)) ?? false,
      ...(pushed ? { pushed } : {}),
    }
    const source = sourceFor({ ...origin, commit }, raised, numbers, known)
    const signals = { cancel: cancel.signal, kill: stopping.signal }
    await conductRun(state, source, readCommit(gitDirectory, commit), tools, signals)
  }

  return {
    stateOf,
    endLeftovers,
    has: (run: string): boolean => running.has(run),
    /** Goes on with a run in the background, from where its facts left it. */
    start: (origin: Origin, run: string): void => {
      const cancel = new AbortController()
      const ended = conduct(origin, run, cancel)
        .catch((error: unknown) => {
          if (!stopping.signal.aborted) parts.again(run, error)
        })
        .finally(() => {
          running.delete(run)
          if (!stopping.signal.aborted) parts.letGo()
        })
      running.set(run, { cancel, ended })
    },
    /** Asks a run to end; `why` where Headway itself wants it. */
    cancel: async (run: string, actor: string, why?: string): Promise<Cancelling> => {
      const state = await stateOf(run)
      if (!state) return 'unknown'
      if (state.status === 'finished') return 'finished'
      const facts = decide(state, { kind: 'cancel', actor, ...(why === undefined ? {} : { why }) })
      if (facts.length > 0) await ledger.append(facts)
      running.get(run)?.cancel.abort(endedBecause(state.cancelledBecause ?? why ?? cancelledBy(actor)))
      return 'cancelling'
    },
    /** Lets go of all runs; each goes on with the next start of the server. */
    stop: async (): Promise<void> => {
      stopping.abort()
      await Promise.all(Array.from(running.values(), ({ ended }) => ended))
    },
  }
}

export type Running = ReturnType<typeof createRunning>

const consequencesOf = async (
  listeners: Listeners,
  actor: string,
  { queued, attempt, starts }: RunState,
  facts: readonly NewFact[],
): Promise<NewFact[]> => {
  const events: NewFact[] = []
  for (const one of facts) {
    const recorded = { ...one, seq: 0, at: 0 }
    if (isFact(runStarted, recorded) && starts === 0)
      events.push(...(await listeners.eventsFor(queued, { action: 'in_progress', attempt, conclusion: null, actor })))
    if (isFact(runFinished, recorded)) {
      const { conclusion } = recorded.payload
      events.push(...(await listeners.eventsFor(queued, { action: 'completed', attempt, conclusion, actor })))
    }
  }
  return events
}

/** Other repositories of this Git host, as far as who caused the run may read them. */
const openerFor =
  ({ repositoryPath, mayRead }: RunningParts, origin: Origin): OpenRepository =>
  async (owner, name, ref) => {
    const project = ProjectName.safeParse(owner.toLowerCase())
    const repository = RepositoryName.safeParse(name.toLowerCase())
    const missing = `there is no repository ${owner}/${name} with ${ref} here, or you may not read it`
    if (!project.success || !repository.success) return missing
    if (project.data !== origin.project && !(await mayRead(origin.actor, project.data))) return missing
    const gitDirectory = repositoryPath(project.data, repository.data)
    const candidates = /^[0-9a-f]{40,64}$/.test(ref) ? [ref] : [`refs/tags/${ref}`, `refs/heads/${ref}`, ref]
    for (const candidate of candidates) {
      const commit = await resolveCommit(gitDirectory, candidate)
      if (commit !== null)
        return {
          read: readCommit(gitDirectory, commit).read,
          origin: { repository: `${project.data}/${repository.data}`, ref: candidate, commit },
        }
    }
    return missing
  }
