import { z } from 'zod'
import { fact, type NewFact } from '../ledger/fact.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { CommitId, type ProjectName, type RepositoryName } from '../names.ts'
import { type Conclusion, workflowEventRaised } from './facts.ts'
import { defaultBranchOf, type RepositoryPath, readCommit, resolveCommit, summaryOf } from './git.ts'
import { userOf } from './jobs/contexts.ts'
import { type Raised, raisedEvent } from './origins.ts'
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
  serverUrl,
}: {
  readonly ledger: Ledger
  readonly repositoryPath: RepositoryPath
  readonly serverUrl: () => string
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
      const { run, project, repository, event, eventName, name, workflow, number } = queued
      const gitDirectory = repositoryPath(project, repository)
      const branch = await defaultBranchOf(gitDirectory)
      const commit = await resolveCommit(gitDirectory, `refs/heads/${branch}`)
      if (commit === null) return []
      const listeners = await listenersAt(project, repository, commit)
      const isHeard = listeners.some(
        (one) => (one.workflows?.includes(name) ?? true) && (one.types?.includes(action) ?? true),
      )
      if (!isHeard) return []
      const cause = await raisedEvent(ledger, { event })
      const depth = eventName === 'workflow_run' ? Number(cause?.payload.depth ?? 1) + 1 : 1
      if (depth > longestChain) return []
      const id = `${run}-${attempt}-${action.replaceAll('_', '-')}`
      const about = {
        id: run,
        name,
        path: workflow,
        run_number: number,
        run_attempt: attempt,
        event: eventName,
        ...(await headOf(gitDirectory, queued, cause)),
        display_title: queued.title ?? name,
        html_url: `${serverUrl()}/projects/${project}/runs/${run}`,
        url: `${serverUrl()}/api/v1/projects/${project}/runs/${run}`,
        actor: { login: userOf(actor) },
        repository: { name: repository, full_name: `${project}/${repository}`, owner: { login: project } },
        head_repository: {
          name: repository,
          full_name: `${project}/${repository}`,
          owner: { login: project },
          fork: false,
        },
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

/**
 * What the run was of, as GitHub tells it: of a pull request its own branch and its newest commit, not the merge that was checked out
 * (docs.github.com/en/rest/actions/workflow-runs#get-a-workflow-run).
 */
const headOf = async (gitDirectory: string, { ref, commit }: Queued, cause: Raised | null) => {
  const request = cause?.name === 'pull_request' ? PullRequest.safeParse(cause.payload).data?.pull_request : undefined
  const sha = request?.head.sha ?? commit
  const head = await summaryOf(gitDirectory, sha)
  const branch = /^refs\/(?:heads|tags)\/(.+)$/.exec(ref)?.[1] ?? null
  return {
    head_branch: cause?.headRef ?? branch,
    head_sha: sha,
    head_commit: head && {
      id: sha,
      message: head.message,
      timestamp: head.authoredAt,
      author: { name: head.authorName, email: head.authorEmail },
    },
    pull_requests: request ? [{ number: request.number, head: request.head, base: request.base }] : [],
  }
}

const Side = z.object({ ref: z.string(), sha: CommitId })
const PullRequest = z.object({ pull_request: z.object({ number: z.number(), head: Side, base: Side }) })
