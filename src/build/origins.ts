import { z } from 'zod'
import { awakenings } from '../ledger/awakenings.ts'
import { isFact } from '../ledger/fact.ts'
import type { Ledger } from '../ledger/ledger.ts'
import { CommitId, ProjectName, RepositoryName } from '../names.ts'
import { runQueued, workflowEventConcluded, workflowEventRaised } from './facts.ts'
import type { pushedCommits } from './git.ts'
import type { RunSource, SourceEvent } from './jobs/contexts.ts'
import type { Queued } from './run.ts'
import type { BuildTables } from './tables.ts'

/** What runs are of: a pushed ref, or an event. */
export type Origin = {
  /** The subject of its facts: `push:<id>` or `event:<id>`. */
  readonly subject: string
  readonly push: string | null
  readonly event: string | null
  readonly eventName: string
  readonly seq: number
  readonly project: ProjectName
  readonly repository: RepositoryName
  readonly ref: string
  readonly commit: CommitId
  readonly before: CommitId | null
  readonly actor: string
  readonly status: 'new' | 'running' | 'concluded'
  /** Not null once it has been concluded; it may run again. */
  readonly conclusion: string | null
}

export const originIn = (row: BuildTables['build_origins']): Origin => {
  const [kind, id = ''] = row.origin.split(/:(.*)/s)
  return {
    subject: row.origin,
    push: kind === 'push' ? id : null,
    event: kind === 'event' ? id : null,
    eventName: row.event_name,
    seq: Number(row.seq),
    project: ProjectName.parse(row.project),
    repository: RepositoryName.parse(row.repository),
    ref: row.ref,
    commit: CommitId.parse(row.commit_id),
    before: row.before === null ? null : CommitId.parse(row.before),
    actor: row.actor,
    status: row.status,
    conclusion: row.conclusion,
  }
}

export type Raised = z.infer<typeof workflowEventRaised.payload>

/** The event that runs are of; null for a push. */
export const raisedEvent = async (ledger: Ledger, { event }: Pick<Origin, 'event'>): Promise<Raised | null> => {
  if (event === null) return null
  const [first] = await ledger.read({ subject: `event:${event}`, types: [workflowEventRaised.type], limit: 1 })
  return first && isFact(workflowEventRaised, first) ? first.payload : null
}

/** What is known of a run besides its origin. */
export type RunNumbers = Pick<Queued, 'run' | 'number' | 'name' | 'workflow' | 'isTrusted'> & {
  readonly attempt: number
  readonly triggeringActor: string
}

const Payload = z.record(z.string(), z.json())

export const sourceFor = (
  origin: Origin,
  raised: Raised | null,
  numbers: RunNumbers,
  known: Pick<RunSource, 'head' | 'defaultBranch' | 'isRefProtected'> & { readonly pushed?: PushedCommits },
): RunSource => ({
  run: numbers.run,
  push: origin.push,
  event: eventFor(origin, raised, known.pushed),
  workflowName: numbers.name,
  workflowFile: numbers.workflow,
  project: origin.project,
  repository: origin.repository,
  ref: origin.ref,
  before: origin.before,
  commit: origin.commit,
  head: known.head,
  defaultBranch: known.defaultBranch,
  isRefProtected: known.isRefProtected,
  actor: origin.actor,
  triggeringActor: numbers.triggeringActor,
  number: numbers.number,
  attempt: numbers.attempt,
  isTrusted: numbers.isTrusted,
})

const eventFor = (
  { event, eventName }: Origin,
  raised: Raised | null,
  pushed: PushedCommits | undefined,
): SourceEvent => ({
  id: event,
  name: eventName,
  baseRef: raised?.baseRef ?? null,
  headRef: raised?.headRef ?? null,
  payload: {
    ...(pushed ? { forced: pushed.isForced, commits: pushed.commits.map(commitPayload) } : {}),
    ...(raised ? Payload.parse(raised.payload) : {}),
    ...(raised?.action ? { action: raised.action } : {}),
  },
  inputs: raised?.inputs ?? {},
})

type PushedCommits = Awaited<ReturnType<typeof pushedCommits>>

const commitPayload = ({ id, message, authoredAt, authorName, authorEmail }: PushedCommits['commits'][number]) => ({
  id,
  message,
  timestamp: authoredAt,
  author: { name: authorName, email: authorEmail },
})

/** The runs of an event as they are queued, then what was left out, until it is concluded; nothing where there is none. */
export async function* followEvent(
  ledger: Pick<Ledger, 'read' | 'onAppend'>,
  project: ProjectName,
  event: string,
  signal: AbortSignal,
): AsyncGenerator<{ readonly run: string } | { readonly note: string }> {
  const [first] = await ledger.read({ subject: `event:${event}`, limit: 1 })
  if (!first || !isFact(workflowEventRaised, first) || first.payload.project !== project) return
  let cursor = first.seq
  const types = [runQueued.type, workflowEventConcluded.type]
  for await (const _ of awakenings(ledger, signal, types))
    for (;;) {
      const facts = await ledger.read({ after: cursor, types, limit: 200 })
      for (const fact of facts) {
        if (isFact(runQueued, fact) && fact.payload.event === event) yield { run: fact.payload.run }
        if (isFact(workflowEventConcluded, fact) && fact.payload.event === event) {
          for (const note of fact.payload.notes ?? []) yield { note }
          return
        }
      }
      const last = facts.at(-1)
      if (!last) break
      cursor = last.seq
    }
}
