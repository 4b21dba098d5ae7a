import { z } from 'zod'
import { defineFact } from '../../ledger/fact.ts'
import { CommitId, ProjectName, RepositoryName } from '../../names.ts'
import { MergeMethod, Rules } from './rules.ts'

/** A change is named by its number, which counts within its repository from 1. */
export type ChangeKey = {
  readonly project: ProjectName
  readonly repository: RepositoryName
  readonly number: number
}
export const changeSubject = ({ project, repository, number }: ChangeKey): string =>
  `change:${project}/${repository}/${number}`

/** Facts about a change have the subject of `changeSubject`. */
const about = { project: ProjectName, repository: RepositoryName, number: z.number().int().positive() }
const version = z.number().int().positive()

/** Where a comment stands: in which file, on which line (from 1) of the old or the new text. */
export const CommentPlace = z.object({
  file: z.string(),
  line: z.number().int().positive(),
  side: z.enum(['old', 'new']),
})
export type CommentPlace = z.infer<typeof CommentPlace>

/** Somebody proposes what is on `branch` for `target` (names without `refs/heads/`). This is its version 1. */
export const changeOpened = defineFact(
  'change.opened',
  1,
  z.object({
    ...about,
    branch: z.string(),
    target: z.string(),
    head: CommitId,
    /** Where the branch has left the target; null when they have no common history. */
    base: CommitId.nullable(),
    /** Who pushed the head; null when nobody saw, or it was no person. */
    user: z.string().nullable(),
    /** The same as it is recorded: `token:ada/laptop`, `job:run-1/test`. */
    pusher: z.string(),
    /** Who opened it. */
    author: z.string(),
    /** The range of commits on the target that it takes back. */
    reverts: z.object({ before: CommitId, after: CommitId, number: z.number().int().nullable() }).nullable(),
  }),
)

/** Title and text, by themselves so that they can be erased. */
export const changeDescribed = defineFact(
  'change.described',
  1,
  z.object({ ...about, title: z.string(), body: z.string() }),
)

/** The branch was pushed again. */
export const changeUpdated = defineFact(
  'change.updated',
  1,
  z.object({
    ...about,
    version,
    head: CommitId,
    base: CommitId.nullable(),
    user: z.string().nullable(),
    push: z.string(),
    /** Whether the version before is not part of this one. */
    forced: z.boolean(),
  }),
)

export const changeCommented = defineFact(
  'change.commented',
  1,
  z.object({
    ...about,
    comment: z.string(),
    user: z.string(),
    version,
    body: z.string(),
    place: CommentPlace.nullable(),
  }),
)
export const changeApproved = defineFact('change.approved', 1, z.object({ ...about, user: z.string(), version }))
export const approvalDismissed = defineFact(
  'change.approval-dismissed',
  1,
  z.object({ ...about, user: z.string(), version, why: z.string() }),
)

/**
 * The merge result was made and is to be tested: `candidate` is the very commit that the target will be moved to, `base` what it stands on.
 * Recorded together with the `workflow-event.raised` of this id, whose `workflow-event.concluded` says how its checks went.
 */
export const changeTestRequested = defineFact(
  'change.test-requested',
  1,
  z.object({
    ...about,
    version,
    event: z.string(),
    base: CommitId,
    candidate: CommitId,
    method: MergeMethod,
    /** `queue`: on top of those that are before it in the queue. */
    purpose: z.enum(['change', 'queue']),
    /** It changes workflows where changes have been checked before: when nothing checks it now, that is its own doing. */
    changesChecks: z.boolean(),
  }),
)

/** There is no merge result: these files conflict, or `detail` says what else is in the way. */
export const changeConflicted = defineFact(
  'change.conflicted',
  1,
  z.object({ ...about, version, base: CommitId, files: z.array(z.string()), detail: z.string() }),
)

/** Somebody wants this version merged as soon as nothing stands in the way. */
export const mergeRequested = defineFact(
  'change.merge-requested',
  1,
  z.object({
    ...about,
    version,
    user: z.string(),
    /** It mends a red target, which therefore does not hold it. */
    mends: z.boolean(),
  }),
)
/** It is not to be merged any more, and has left the queue if it was there. */
export const mergeWithdrawn = defineFact('change.merge-withdrawn', 1, z.object({ ...about, version, why: z.string() }))
/** Nothing stands in the way any more; it is tested on what is before it in the queue and lands in this order. */
export const changeQueued = defineFact('change.queued', 1, z.object({ ...about, version }))

/** The target is about to be moved from `base` to `candidate`; whether it was is seen in the repository. */
export const landingStarted = defineFact(
  'change.landing-started',
  1,
  z.object({ ...about, version, base: CommitId, candidate: CommitId }),
)
/** It is part of the target now, which went from `before` to `after`. Recorded together with the `ref.updated`. */
export const changeMerged = defineFact(
  'change.merged',
  1,
  z.object({
    ...about,
    version,
    head: CommitId,
    target: z.string(),
    before: CommitId.nullable(),
    after: CommitId,
    /** `push`: somebody pushed the target, and what was proposed with it. */
    method: z.enum([...MergeMethod.options, 'push']),
    user: z.string().nullable(),
    /** The workflow event that tells of it. */
    event: z.string(),
  }),
)
export const changeAbandoned = defineFact(
  'change.abandoned',
  1,
  z.object({ ...about, why: z.string(), event: z.string() }),
)
export const changeReopened = defineFact('change.reopened', 1, z.object({ ...about }))

/**
 * A push that asks for a change is about to be accepted: this is what it asks, by itself so that it can be erased, and so that it is not
 * lost when Headway is killed before it can record the push. Subject: the repository.
 */
export const proposalAnnounced = defineFact(
  'change.proposal-announced',
  1,
  z.object({
    project: ProjectName,
    repository: RepositoryName,
    updates: z.array(z.object({ ref: z.string(), after: CommitId })),
    options: z.array(z.string()),
  }),
)

/** What became of a push that asked for a change. Subject: `push:<id>`. */
export const proposalAnswered = defineFact(
  'change.proposal-answered',
  1,
  z.object({
    push: z.string(),
    ref: z.string(),
    project: ProjectName,
    repository: RepositoryName,
    /** The change that stands for the branch now; null: there is none, for this reason. */
    number: z.number().int().nullable(),
    why: z.string().nullable(),
  }),
)

/** What a change must have before it is merged. `repository` null: in all repositories of the project that have no rules of their own. */
export const rulesSet = defineFact(
  'change-rules.set',
  1,
  z.object({ project: ProjectName, repository: RepositoryName.nullable(), rules: Rules }),
)

export const changeFacts = [
  changeOpened,
  changeDescribed,
  changeUpdated,
  changeCommented,
  changeApproved,
  approvalDismissed,
  changeTestRequested,
  changeConflicted,
  mergeRequested,
  mergeWithdrawn,
  changeQueued,
  landingStarted,
  changeMerged,
  changeAbandoned,
  changeReopened,
  proposalAnnounced,
  proposalAnswered,
  rulesSet,
] as const
