import { z } from 'zod'
import { Role } from '../../access/facts.ts'
import { defineFact } from '../../ledger/fact.ts'
import { CommitId, Digest, EnvironmentName, ProjectName, ServiceName } from '../../names.ts'

const target = { project: ProjectName, service: ServiceName, environment: EnvironmentName }

/** Subject of facts about a promotion. */
export const promotionSubject = (promotion: string): string => `promotion:${promotion}`
export const freezeSubject = (project: ProjectName, environment: EnvironmentName): string =>
  `environment:${project}/${environment}`

/** A release is to go into an environment, as soon as its policy lets it. */
export const promotionRequested = defineFact(
  'promotion.requested',
  1,
  z.object({
    promotion: z.string(),
    ...target,
    release: Digest,
    commit: CommitId,
    /** `push`, `git` (a commit by hand in the environments repository), or the environment in which it has succeeded. */
    from: z.string(),
    /** The fact that it goes back to: the release, its success where it comes from, or what was known when somebody asked. */
    origin: z.number().int(),
    /** When that was, in milliseconds since 1970: the soak begins there. */
    since: z.number(),
    /** When somebody, or Headway itself, asked for it; the time to approve it begins there. */
    askedAt: z.number(),
    push: z.string().nullable(),
    /** Who has a part in what it brings, or has asked for it by hand. */
    authors: z.array(z.string()),
    /** It has succeeded there before and a commit by hand asks for it again: nobody has to approve that. */
    isKnown: z.boolean(),
  }),
)
/** Why it does not go yet. Said again only when the reason is another one. */
export const promotionHeld = defineFact(
  'promotion.held',
  1,
  z.object({
    promotion: z.string(),
    ...target,
    why: z.enum(['requires', 'soak', 'approval', 'freeze', 'window']),
    detail: z.string(),
    /** When it will be looked at again at the latest, in milliseconds since 1970; null: when somebody does something. */
    until: z.number().nullable(),
  }),
)
export const promotionApproved = defineFact(
  'promotion.approved',
  1,
  z.object({ promotion: z.string(), ...target, user: z.string(), role: Role }),
)
/** Somebody wanted to approve it, and may not or cannot any more. */
export const approvalRefused = defineFact(
  'promotion.approval-refused',
  1,
  z.object({
    promotion: z.string(),
    ...target,
    user: z.string(),
    why: z.enum(['author', 'role', 'expired', 'twice', 'ended', 'not-needed', 'no-person']),
    detail: z.string(),
  }),
)
/** The policy is satisfied. `deployment` is what it leads to; null: the commit by hand that it stands for may be carried out. */
export const promotionGranted = defineFact(
  'promotion.granted',
  1,
  z.object({ promotion: z.string(), ...target, release: Digest, deployment: z.string().nullable() }),
)
export const promotionClosed = defineFact(
  'promotion.closed',
  1,
  z.object({
    promotion: z.string(),
    ...target,
    outcome: z.enum(['rejected', 'expired', 'superseded', 'withdrawn']),
    detail: z.string(),
  }),
)
/** Nothing new is deployed there until it is lifted or its time is over; going back is not held. */
export const environmentFrozen = defineFact(
  'environment.frozen',
  1,
  z.object({
    project: ProjectName,
    environment: EnvironmentName,
    reason: z.string(),
    /** Milliseconds since 1970; null: until somebody lifts it. */
    until: z.number().nullable(),
  }),
)
export const environmentUnfrozen = defineFact(
  'environment.unfrozen',
  1,
  z.object({ project: ProjectName, environment: EnvironmentName, reason: z.string() }),
)

export const promotionFacts = [
  promotionRequested,
  promotionHeld,
  promotionApproved,
  approvalRefused,
  promotionGranted,
  promotionClosed,
  environmentFrozen,
  environmentUnfrozen,
] as const
