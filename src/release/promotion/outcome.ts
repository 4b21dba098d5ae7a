import { deploymentRequested } from '../../deploy/facts.ts'
import { deploymentIdFor, deploymentSubject } from '../../deploy/index.ts'
import { fact, type NewFact } from '../../ledger/fact.ts'
import { promotionClosed, promotionGranted, promotionHeld, promotionSubject } from './facts.ts'
import type { Promotion, Standing } from './promotion.ts'

/** Who decides when nobody does by hand. */
export const actor = 'system:release'

/** What a standing means, as facts to record; nothing when it was said before. */
export const factsFor = (promotion: Promotion, standing: Standing): NewFact[] => {
  const { id, target, held } = promotion
  const about = { subject: promotionSubject(id), actor }
  if (standing.kind === 'expired') return [closed(promotion, 'expired', standing.detail)]
  if (standing.kind === 'granted') return grant(promotion)
  const { why, detail, until } = standing
  if (held && held.why === why && held.detail === detail && held.until === until) return []
  return [fact(promotionHeld, { ...about, payload: { promotion: id, ...target, why, detail, until } })]
}

/** The permission and the intent of the deployment are one append: a crash leaves both or none. */
const grant = ({ id, target, release, commit, from, origin, push }: Promotion): NewFact[] => {
  const deployment =
    from === 'git'
      ? null
      : deploymentIdFor(from === 'push' ? `release ${origin} ${target.environment}` : `promotion ${id}`)
  const granted = fact(promotionGranted, {
    ...{ subject: promotionSubject(id), actor },
    payload: { promotion: id, ...target, release, deployment },
  })
  if (deployment === null) return [granted]
  const reason = from === 'push' ? ('push' as const) : ('promotion' as const)
  const payload = { deployment, ...target, release, commit, reason, push }
  return [
    granted,
    fact(deploymentRequested, { subject: deploymentSubject(deployment), actor, causes: [origin], payload }),
  ]
}

/** The end of a promotion that does not go. */
export const closed = (
  { id, target }: Promotion,
  outcome: 'rejected' | 'expired' | 'superseded' | 'withdrawn',
  detail: string,
  by: string = actor,
): NewFact =>
  fact(promotionClosed, {
    subject: promotionSubject(id),
    actor: by,
    payload: { promotion: id, ...target, outcome, detail },
  })
