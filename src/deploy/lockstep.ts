import { type Deployment, isBeyondWatch, isUndone } from './rollout.ts'
import type { Partners } from './steps.ts'
import { canaryPercent } from './traffic.ts'
import type { DeployQueries } from './views.ts'

/** How the services that the same push releases in lockstep with this one stand, seen from where it is. */
export const partnersOf = async (
  queries: Pick<DeployQueries, 'newestOfPush'>,
  deployment: Deployment,
  now: number,
): Promise<Partners> => {
  const { rollout, target, push } = deployment
  if (!rollout || push === null) return { kind: 'ready' }
  let kind: 'ready' | 'waiting' | 'absent' = 'ready'
  for (const service of rollout.with) {
    const partner = await queries.newestOfPush({ ...target, service }, push)
    if (!partner) kind = kind === 'waiting' ? kind : 'absent'
    else if (isLost(partner)) return { kind: 'undone', service }
    else if (!isAsFar(partner, deployment, now)) kind = 'waiting'
  }
  return { kind }
}

const isLost = (partner: Deployment): boolean =>
  isUndone(partner) || partner.finished?.outcome === 'failed' || partner.finished?.outcome === 'rolled-back'

/** Whether a partner has decided the step that this one is in, or gone beyond it; in the watch: whether its own is over. */
const isAsFar = (partner: Deployment, deployment: Deployment, now: number): boolean => {
  if (partner.finished || isBeyondWatch(partner)) return true
  if (deployment.shiftedAt !== null)
    return partner.shiftedAt !== null && now - partner.shiftedAt >= (partner.rollout?.watch.timeMs ?? 0)
  if (partner.shiftedAt !== null || canaryPercent(partner) > canaryPercent(deployment)) return true
  const { step, judged, promoted } = partner
  const isDecided = step !== null && (promoted !== null || (judged?.step === step.index && judged.at >= step.at))
  return isDecided && canaryPercent(partner) === canaryPercent(deployment)
}
