import type { Identity } from '../../access/access.ts'
import { fact } from '../../ledger/fact.ts'
import type { ProjectName } from '../../names.ts'
import type { Environments } from './environments.ts'
import { approvalRefused, promotionApproved, promotionSubject } from './facts.ts'
import { closed } from './outcome.ts'
import type { PromotionParts } from './parts.ts'
import type { Progress } from './progress.ts'
import { type Approver, type Asking, askingOf, judgeApproval, type Promotion, personOf } from './promotion.ts'
import { approvalProblem, endedAlready } from './refusals.ts'

/** What people say to a promotion: yes or no. */
export const createApprovals = (
  { ledger, clock, book }: Pick<PromotionParts, 'ledger' | 'clock' | 'book'>,
  environments: Environments,
  progress: Progress,
  look: () => Promise<void>,
) => ({
  /** The approval of somebody; one that may not be given is recorded as well, and refused with a Problem. */
  approve: async (project: ProjectName, id: string, identity: Identity): Promise<Promotion> => {
    for (;;) {
      const promotion = await progress.mustExist(project, id)
      const definition = environments.mustFind(promotion.target.environment)
      const approver = approverOf(project, identity)
      const decision = judgeApproval(promotion, definition, approver, clock.now())
      const about = { subject: promotionSubject(id), actor: identity.actor }
      const named = { promotion: id, ...promotion.target, user: approver.user ?? identity.actor }
      const recorded =
        decision.kind === 'approved'
          ? fact(promotionApproved, { ...about, payload: { ...named, role: decision.role } })
          : fact(approvalRefused, { ...about, payload: { ...named, why: decision.why, detail: decision.detail } })
      const outcome = await ledger.append([recorded], { expect: { subject: about.subject, seq: promotion.seq } })
      if (outcome.kind === 'outdated') continue
      if (decision.kind === 'refused') throw approvalProblem(promotion, decision)
      await look()
      return progress.mustExist(project, id)
    }
  },

  /** Whom it waits for, as this somebody sees it. */
  asking: (promotion: Promotion, identity: Identity): Asking | null =>
    askingOf(
      promotion,
      book.find(promotion.target.environment),
      approverOf(promotion.target.project, identity),
      clock.now(),
    ),

  /** Takes it out of the way for good; a newer release opens a new one. */
  reject: async (project: ProjectName, id: string, reason: string, by: string): Promise<Promotion> => {
    for (;;) {
      const promotion = await progress.mustExist(project, id)
      if (promotion.ended) throw endedAlready(promotion)
      const facts = [closed(promotion, 'rejected', `${personOf(by) ?? by}: ${reason}`, by)]
      const outcome = await ledger.append(facts, { expect: { subject: promotionSubject(id), seq: promotion.seq } })
      if (outcome.kind === 'appended') return progress.mustExist(project, id)
    }
  },
})

const approverOf = (project: ProjectName, identity: Identity): Approver => ({
  user: identity.limits || identity.runner !== undefined ? null : personOf(identity.actor),
  actor: identity.actor,
  role: identity.roleIn(project),
})
