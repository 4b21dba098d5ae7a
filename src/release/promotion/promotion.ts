import { atLeast } from '../../access/access.ts'
import type { Role } from '../../access/facts.ts'
import type { EnvironmentDefinition, Target } from '../../deploy/index.ts'
import { isFact, type RecordedFact } from '../../ledger/fact.ts'
import type { CommitId, Digest } from '../../names.ts'
import { promotionApproved, promotionClosed, promotionGranted, promotionHeld, promotionRequested } from './facts.ts'
import { isoTime, type Opening } from './windows.ts'

export type Hold = {
  readonly why: 'requires' | 'soak' | 'approval' | 'freeze' | 'window'
  readonly detail: string
  readonly until: number | null
}

/** A release on its way into an environment, folded from its facts. Times in milliseconds since 1970. */
export type Promotion = {
  readonly id: string
  readonly target: Target
  readonly release: Digest
  readonly commit: CommitId
  readonly from: string
  readonly origin: number
  readonly since: number
  readonly push: string | null
  readonly authors: readonly string[]
  readonly isKnown: boolean
  readonly requestedBy: string
  readonly askedAt: number
  readonly requestedSeq: number
  /** The newest fact about it. */
  readonly seq: number
  readonly approvals: readonly { readonly user: string; readonly role: Role; readonly at: number }[]
  readonly held: Hold | null
  readonly ended: {
    readonly at: number
    readonly outcome: 'granted' | 'rejected' | 'expired' | 'superseded' | 'withdrawn'
    readonly detail: string | null
    readonly deployment: string | null
  } | null
}

/** The promotion after one more fact about it; null until it is requested. */
export const fold = (state: Promotion | null, recorded: RecordedFact): Promotion | null => {
  const { seq, at } = recorded
  if (isFact(promotionRequested, recorded)) {
    const { promotion, project, service, environment, ...asked } = recorded.payload
    return (
      state ?? {
        ...asked,
        id: promotion,
        target: { project, service, environment },
        requestedBy: recorded.actor,
        requestedSeq: seq,
        seq,
        approvals: [],
        held: null,
        ended: null,
      }
    )
  }
  if (state === null) return null
  const next = { ...state, seq }
  if (isFact(promotionHeld, recorded)) {
    const { why, detail, until } = recorded.payload
    return { ...next, held: { why, detail, until } }
  }
  if (isFact(promotionApproved, recorded)) {
    const { user, role } = recorded.payload
    return { ...next, approvals: [...state.approvals, { user, role, at }] }
  }
  if (isFact(promotionGranted, recorded))
    return {
      ...next,
      held: null,
      ended: { at, outcome: 'granted', detail: null, deployment: recorded.payload.deployment },
    }
  if (isFact(promotionClosed, recorded)) {
    const { outcome, detail } = recorded.payload
    return { ...next, held: null, ended: { at, outcome, detail, deployment: null } }
  }
  return next
}

/** What else counts when a promotion is looked at. */
export type Surroundings = {
  readonly definition: EnvironmentDefinition
  readonly opening: Opening
  /** Environments in which the release must have succeeded and has not. */
  readonly lacking: readonly string[]
  readonly now: number
}

export type Standing =
  | { readonly kind: 'granted' }
  | { readonly kind: 'expired'; readonly detail: string }
  | ({ readonly kind: 'held' } & Hold)

/** Whether a promotion may go now: what it must have proven first, then who must agree, then whether the time is right. */
export const standingOf = (promotion: Promotion, { definition, opening, lacking, now }: Surroundings): Standing => {
  const held = (why: Hold['why'], detail: string, until: number | null): Standing => ({
    ...{ kind: 'held', why, detail, until },
  })
  if (lacking.length > 0) return held('requires', `it must have succeeded in ${lacking.join(' and ')} as well`, null)
  const soaked = soakedAt(promotion, definition)
  if (now < soaked) return held('soak', `it soaks in ${promotion.from} until ${isoTime(soaked)}`, soaked)
  const { quorum, role, notAuthor } = definition.promote.approval
  const given = promotion.approvals.length
  if (needsApproval(definition) && !promotion.isKnown && given < quorum) {
    const until = expiryOf(promotion, definition)
    if (now >= until)
      return {
        kind: 'expired',
        detail: `nobody had approved it until ${isoTime(until)}`.replace('nobody', whoHad(given, quorum)),
      }
    const who = `${article(role)} ${role}${notAuthor && promotion.authors.length > 0 ? ` other than ${promotion.authors.join(', ')}` : ''}`
    const count = quorum === 1 ? `the approval of ${who}` : `${quorum} approvals, each of ${who} (${given} given)`
    return held('approval', `it waits for ${count}, until ${isoTime(until)}`, until)
  }
  if (opening.kind !== 'open') return held(opening.kind, opening.detail, opening.until)
  return { kind: 'granted' }
}

export const needsApproval = ({ promote }: EnvironmentDefinition): boolean => promote.policy === 'approval'

const soakedAt = ({ since, from }: Promotion, { promote }: EnvironmentDefinition): number =>
  from === 'git' ? since : since + promote.soak

/** Approvals are awaited from when nothing else but them is missing. */
const expiryOf = (promotion: Promotion, definition: EnvironmentDefinition): number =>
  Math.max(promotion.askedAt, soakedAt(promotion, definition)) + definition.promote.approval.expires

const whoHad = (given: number, quorum: number): string => (given === 0 ? 'nobody' : `only ${given} of ${quorum}`)
const article = (role: Role): string => (/^[aeiou]/.test(role) ? 'an' : 'a')

/** Who wants to approve: a person with a role, or something that is none (null). */
export type Approver = { readonly user: string | null; readonly actor: string; readonly role: Role | null }

export type ApprovalDecision =
  | { readonly kind: 'approved'; readonly user: string; readonly role: Role }
  | {
      readonly kind: 'refused'
      readonly why: 'author' | 'role' | 'expired' | 'twice' | 'ended' | 'not-needed' | 'no-person'
      readonly detail: string
    }

/** Whether somebody's approval counts. One that is given before the soak has ended counts as well. */
export const judgeApproval = (
  promotion: Promotion,
  definition: EnvironmentDefinition,
  approver: Approver,
  now: number,
): ApprovalDecision => {
  const refused = (why: Extract<ApprovalDecision, { kind: 'refused' }>['why'], detail: string): ApprovalDecision => ({
    kind: 'refused',
    why,
    detail,
  })
  const { ended, target } = promotion
  const { role, notAuthor } = definition.promote.approval
  if (ended?.outcome === 'expired') return refused('expired', `the time to approve it is over: ${ended.detail}`)
  if (ended) return refused('ended', `it was ${ended.outcome} already`)
  if (!needsApproval(definition)) return refused('not-needed', `${target.environment} asks for no approval`)
  const { user } = approver
  if (user === null) return refused('no-person', `${approver.actor} is no person, and only people approve`)
  const expiry = expiryOf(promotion, definition)
  if (now >= expiry) return refused('expired', `the time to approve it was over at ${isoTime(expiry)}`)
  if (!atLeast(approver.role, role) || approver.role === null)
    return refused(
      'role',
      `${target.environment} asks for the role ${role}, and ${user} has ${approver.role ?? 'none'}`,
    )
  if (notAuthor && promotion.authors.includes(user))
    return refused('author', `${user} has a part in what it brings, and nobody approves what is their own`)
  if (promotion.approvals.some((one) => one.user === user)) return refused('twice', `${user} has approved it already`)
  return { kind: 'approved', user, role: approver.role }
}

/** Who must agree still. */
export type Asking = {
  readonly role: Role
  readonly quorum: number
  /** When it is off the table. */
  readonly until: number
  /** Why the approval of whoever looks at it would not count; null: it would. */
  readonly refusal: string | null
}

/** Whom a promotion waits for, as one of them sees it; null where nobody is asked any more. */
export const askingOf = (
  promotion: Promotion,
  definition: EnvironmentDefinition | null,
  approver: Approver,
  now: number,
): Asking | null => {
  if (definition === null || promotion.ended || promotion.isKnown || !needsApproval(definition)) return null
  const { role, quorum } = definition.promote.approval
  if (promotion.approvals.length >= quorum) return null
  const decision = judgeApproval(promotion, definition, approver, now)
  const refusal = decision.kind === 'refused' ? decision.detail : null
  return { role, quorum, until: expiryOf(promotion, definition), refusal }
}

/** The person behind an actor: `token:alice/ci` is alice; null for what is none. */
export const personOf = (actor: string): string | null => /^(?:user|token):([^/]+)/.exec(actor)?.[1] ?? null
