import { workflowEventRaised } from '../../build/facts.ts'
import type { Ids } from '../../clock.ts'
import { type Actor, fact, type NewFact } from '../../ledger/fact.ts'
import type { CommitId } from '../../names.ts'
import type { RepositoryKey } from '../address.ts'
import { type Change, userOf } from './change.ts'
import { type PullRequestAction, pullRequestPayload } from './payload.ts'

export type AnnouncingParts = {
  readonly ids: Ids
  readonly serverUrl: () => string
  /** The name of the branch that is deployed: `main`. */
  defaultBranch(key: RepositoryKey): Promise<string>
}
export type Announcing = ReturnType<typeof createAnnouncing>

/** The `pull_request` events of changes, as facts to be recorded together with what they announce. */
export const createAnnouncing = ({ ids, serverUrl, defaultBranch }: AnnouncingParts) => {
  const raise = async (
    change: Change,
    about: {
      action: PullRequestAction
      actor: Actor
      base: CommitId
      commit: CommitId
      candidate: CommitId | null
      ref: string
      before: CommitId | null
      isTrusted: boolean
    },
  ): Promise<{ event: string; raised: NewFact }> => {
    const { action, actor, base, commit, candidate, ref, before, isTrusted } = about
    const event = ids('event')
    const branch = await defaultBranch(change)
    const sender = userOf(actor) ?? change.author
    const asked = { action, sender, base, candidate, serverUrl: serverUrl(), defaultBranch: branch, before }
    const raised = fact(workflowEventRaised, {
      subject: `event:${event}`,
      actor,
      payload: {
        event,
        name: 'pull_request',
        action,
        project: change.project,
        repository: change.repository,
        ref,
        commit,
        baseRef: change.target,
        headRef: change.branch,
        changedSince: base,
        workflow: null,
        inputs: {},
        payload: pullRequestPayload(change, asked),
        isTrusted,
      },
    })
    return { event, raised }
  }

  return {
    /** Has the merge result tested. */
    tested: (
      change: Change,
      { base, candidate, isTrusted }: { base: CommitId; candidate: CommitId; isTrusted: boolean },
    ): Promise<{ event: string; raised: NewFact }> => {
      const user = change.versions.at(-1)?.user ?? null
      return raise(change, {
        ...{ base, candidate, isTrusted },
        action: change.announcement,
        actor: user === null ? 'system:code' : `user:${user}`,
        commit: candidate,
        ref: `refs/pull/${change.number}/merge`,
        before: change.versions.at(-2)?.head ?? null,
      })
    },

    /** Says that it is over. What was merged is told as its target sees it, everything else as its last merge result, or its head. */
    closed: async (
      change: Change,
      actor: Actor,
      { merged }: { merged: { before: CommitId | null; after: CommitId; method: Method; user: string | null } | null },
    ): Promise<{ event: string; raised: NewFact }> => {
      const base = merged?.before ?? change.test?.base ?? change.versions.at(-1)?.base ?? change.head
      const candidate = merged?.after ?? change.test?.candidate ?? null
      const closed: Change = {
        ...change,
        status: merged ? 'merged' : 'abandoned',
        merged: merged && { ...merged, at: change.updatedAt },
      }
      return raise(closed, {
        ...{ base, candidate, actor },
        action: 'closed',
        commit: candidate ?? change.head,
        ref: merged ? `refs/heads/${change.target}` : `refs/pull/${change.number}/merge`,
        before: null,
        isTrusted: merged !== null,
      })
    },
  }
}
type Method = NonNullable<Change['merged']>['method']
