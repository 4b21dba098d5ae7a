import { z } from 'zod'
import { type Deployment, isUndone, nextStep } from './rollout.ts'
import { canaryPercent } from './traffic.ts'

/** Where a rollout is between its request and its end. */
export const Phase = z.enum(['starting', 'step', 'watch', 'undoing', 'ended'])
export type Phase = z.infer<typeof Phase>

export const phaseOf = (deployment: Deployment): Phase => {
  if (deployment.finished) return 'ended'
  if (isUndone(deployment)) return 'undoing'
  if (nextStep(deployment) === 'watch') return 'watch'
  return deployment.step ? 'step' : 'starting'
}

/** How a deployment stands in short: `canary at 10 %`, `canary at 10 %, held`, `watched`; null when there is no more to say than that. */
export const standingOf = (deployment: Deployment): string | null => {
  const { rollout, paused } = deployment
  switch (phaseOf(deployment)) {
    case 'step':
      return `${rollout?.strategy ?? 'rolling'} at ${canaryPercent(deployment)} %${paused ? ', held' : ''}`
    case 'watch':
      return `watched${paused ? ', held' : ''}`
    case 'undoing':
      return 'being undone'
    case 'starting':
    case 'ended':
      return null
  }
}
