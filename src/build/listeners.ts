import { fact, type NewFact } from '../ledger/fact.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { CommitId, ProjectName, RepositoryName } from '../names.ts'
import { type Conclusion, workflowEventRaised } from './facts.ts'
import { defaultBranchOf, type RepositoryPath, readCommit, resolveCommit } from './git.ts'
import { raisedEvent } from './origins.ts'
import type { Queued } from './run.ts'

/** Raises `workflow_run` events for the workflows of a repository's default branch that follow others. */
export type Listeners = {
  /** The events to record with what happened to a run; none where no workflow follows it. */
  eventsFor(
    run: Queued,
    about: {
      readonly action: 'requested' | 'in_progress' | 'completed'
      readonly attempt: number
      readonly conclusion: Conclusion | null
      readonly actor: string
    },
  ): Promise<NewFact[]>
}

/** At most this many follow one another: after A run B, C and D. https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows#workflow_run */
const longestChain = 3

type Listener = { readonly workflows: readonly string[] | undefined; readonly types: readonly string[] | undefined }

export const createListeners = ({
  ledger,
  repositoryPath,
}: {
  readonly ledger: Ledger
  readonly repositoryPath: RepositoryPath
}): Listeners => {
  const known = new Map<string, { readonly commit: CommitId; readonly listeners: readonly Listener[] }>()

  const listenersAt = async (
    project: ProjectName,
    repository: RepositoryName,
    commit: CommitId,
  ): Promise<readonly Listener[]> => {
    const key = `${project}/${repository}`
    const before = known.get(key)
    if (before?.commit === commit) return before.listeners
    const { parseAll } = await import('./engine.ts')
    const parsed = await parseAll(readCommit(repositoryPath(project, repository), commit))
    const listeners = parsed.flatMap(({ parsing }) =>
      parsing.kind === 'invalid' ? [] : parsing.workflow.on.filter(({ event }) => event === 'workflow_run'),
    )
    known.set(key, { commit, listeners })
    return listeners
  }

  return {
    eventsFor: async (queued, { action, attempt, conclusion, actor }) => {
      const { run, project, repository, event, eventName, name, workflow, number, ref } = queued
      const gitDirectory = repositoryPath(project, repository)
      const branch = await defaultBranchOf(gitDirectory)
      const commit = await resolveCommit(gitDirectory, `refs/heads/${branch}`)
      if (commit === null) return []
      const listeners = await listenersAt(project, repository, commit)
      const isHeard = listeners.some(
        (one) => (one.workflows?.includes(name) ?? true) && (one.types?.includes(action) ?? true),
      )
      if (!isHeard) return []
      const cause = eventName === 'workflow_run' ? await raisedEvent(ledger, { event }) : null
      const depth = cause === null ? 1 : Number(cause.payload.depth ?? 1) + 1
      if (depth > longestChain) return []
      const id = `${run}-${attempt}-${action.replaceAll('_', '-')}`
      const about = {
        id: run,
        name,
        path: workflow,
        run_number: number,
        run_attempt: attempt,
        event: eventName,
        head_branch: ref.startsWith('refs/heads/') ? ref.slice('refs/heads/'.length) : null,
        head_sha: queued.commit,
        status: action === 'completed' ? 'completed' : action === 'requested' ? 'queued' : 'in_progress',
        conclusion,
      }
      const payload = { workflow_run: about, workflow: { name, path: workflow }, depth }
      const rest = { baseRef: null, headRef: null, changedSince: null, workflow: null, inputs: {} }
      const place = { project, repository, ref: `refs/heads/${branch}`, commit }
      return [
        fact(workflowEventRaised, {
          subject: `event:${id}`,
          actor,
          payload: { event: id, name: 'workflow_run', action, ...place, ...rest, payload, isTrusted: true },
        }),
      ]
    },
  }
}
