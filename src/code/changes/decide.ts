import { type Actor, fact, type NewFact } from '../../ledger/fact.ts'
import type { CommitId } from '../../names.ts'
import { Problem } from '../../problem.ts'
import type { Change } from './change.ts'
import {
  approvalDismissed,
  type ChangeKey,
  type CommentPlace,
  changeAbandoned,
  changeApproved,
  changeCommented,
  changeDescribed,
  changeReopened,
  changeSubject,
  changeUpdated,
  mergeRequested,
  mergeWithdrawn,
} from './facts.ts'
import { type Blocker, hasPartIn } from './gates.ts'
import type { Rules } from './rules.ts'

/** What people tell a change, as the facts that it leads to; none where it is so already. Refusals are Problems. */
type Who = { readonly user: string; readonly actor: Actor }

export const keyOf = ({ project, repository, number }: ChangeKey): ChangeKey => ({ project, repository, number })
const by = (change: Change, actor: Actor) => ({ subject: changeSubject(change), actor })

export const approve = (change: Change, { user, actor }: Who): NewFact[] => {
  mustBeOpen(change)
  if (hasPartIn(change, user))
    throw refusal(change, 403, 'own-change', `${user} has written ${nameOf(change)}, and somebody else approves it`)
  if (change.approvals.some((one) => one.user === user && one.version === change.version)) return []
  return [fact(changeApproved, { ...by(change, actor), payload: { ...keyOf(change), user, version: change.version } })]
}

export const withdrawApproval = (change: Change, { user, actor }: Who): NewFact[] => {
  mustBeOpen(change)
  return dismissals(
    change,
    actor,
    change.approvals.filter((one) => one.user === user).map((one) => one.user),
    'withdrawn',
  )
}

const dismissals = (change: Change, actor: Actor, users: readonly string[], why: string): NewFact[] =>
  users.map((user) =>
    fact(approvalDismissed, {
      ...by(change, actor),
      payload: { ...keyOf(change), user, version: change.version, why },
    }),
  )

export type NewComment = {
  readonly comment: string
  readonly body: string
  readonly version: number
  readonly place: CommentPlace | null
}

export const comment = (change: Change, { user, actor }: Who, said: NewComment): NewFact[] => [
  fact(changeCommented, { ...by(change, actor), payload: { ...keyOf(change), user, ...said } }),
]

export const describe = (change: Change, actor: Actor, text: { title: string; body: string }): NewFact[] => {
  if (change.title === text.title && change.body === text.body) return []
  return [fact(changeDescribed, { ...by(change, actor), payload: { ...keyOf(change), ...text } })]
}

/** `head` is the commit that whoever asks has seen; null: whatever is there now. What only waiting mends is no refusal. */
export const requestMerge = (
  change: Change,
  { user, actor }: Who,
  asked: { head: CommitId | null; mends: boolean },
): NewFact[] => {
  mustBeOpen(change)
  if (asked.head !== null && asked.head !== change.head)
    throw refusal(
      change,
      409,
      'change-moved',
      `${nameOf(change)} is at ${change.head.slice(0, 7)} now, and was to be merged at ${asked.head.slice(0, 7)}`,
    )
  if (change.wish?.version === change.version && change.wish.mends === asked.mends) return []
  const payload = { ...keyOf(change), version: change.version, user, mends: asked.mends }
  return [fact(mergeRequested, { ...by(change, actor), payload })]
}

export const withdrawMerge = (change: Change, actor: Actor, why: string): NewFact[] => {
  mustNotLand(change)
  if (!change.wish) return []
  return [fact(mergeWithdrawn, { ...by(change, actor), payload: { ...keyOf(change), version: change.version, why } })]
}

/** `event` is the one that tells workflows of it. */
export const abandon = (change: Change, actor: Actor, told: { why: string; event: string }): NewFact[] => {
  mustBeOpen(change)
  mustNotLand(change)
  return [fact(changeAbandoned, { ...by(change, actor), payload: { ...keyOf(change), ...told } })]
}

export const reopen = (change: Change, actor: Actor): NewFact[] => {
  if (change.status === 'open') return []
  if (change.status === 'merged')
    throw refusal(change, 409, 'change-merged', `${nameOf(change)} is merged; what follows is a new change`)
  return [fact(changeReopened, { ...by(change, actor), payload: keyOf(change) })]
}

/** A new version: what was asked and approved of the old one does not stand for it. */
export const update = (
  change: Change,
  actor: Actor,
  pushed: { head: CommitId; base: CommitId | null; user: string | null; push: string; forced: boolean },
  rules: Rules,
): NewFact[] => {
  const version = change.version + 1
  const dismissed = rules.keepApprovals
    ? []
    : dismissals(
        change,
        'system:code',
        change.approvals.map(({ user }) => user),
        'it was pushed again',
      )
  return [
    fact(changeUpdated, { ...by(change, actor), payload: { ...keyOf(change), version, ...pushed } }),
    ...dismissed,
  ]
}

/** What is in the way of a merge that no waiting takes away. */
export const isFinal = ({ kind }: Blocker): boolean => kind === 'conflict' || kind === 'checks-failed'

export const nameOf = ({ number, repository }: ChangeKey): string => `change ${number} of ${repository}`

const mustBeOpen = (change: Change): void => {
  if (change.status === 'open') return
  throw refusal(change, 409, 'change-closed', `${nameOf(change)} is ${change.status}`)
}

const mustNotLand = (change: Change): void => {
  if (change.status !== 'open' || !change.landing) return
  throw refusal(change, 409, 'change-landing', `${nameOf(change)} is being merged at this moment`)
}

const refusal = ({ number, repository }: Change, status: number, kind: string, detail: string): Problem =>
  new Problem({ kind, status, detail, next: `headway changes show ${repository}/${number} shows how it stands` })
