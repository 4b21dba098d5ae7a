import type { Ledger, Views } from '../ledger/ledger.ts'
import { type Deployment, isUndone } from './rollout.ts'
import type { DeployQueries } from './views.ts'

export type WaitingPorts = { readonly ledger: Ledger; readonly views: Views; readonly queries: DeployQueries }

/** Waits for what becomes of deployments, whoever carries them out. */
export const createWaiting = ({ ledger, views, queries }: WaitingPorts) => {
  const until = (
    deployment: string,
    holds: (state: Deployment) => boolean,
    signal?: AbortSignal,
  ): Promise<Deployment> =>
    new Promise<Deployment>((resolve, reject) => {
      const look = async (): Promise<void> => {
        await views.reach()
        const state = await queries.deployment(deployment)
        if (!state) throw new Error(`there is no deployment ${deployment}`)
        if (holds(state)) done(() => resolve(state))
      }
      const done = (settle: () => void): void => {
        stopListening()
        signal?.removeEventListener('abort', onAbort)
        settle()
      }
      const onAbort = (): void => done(() => reject(signal?.reason))
      const check = (): void => void look().catch((error: unknown) => done(() => reject(error)))
      const stopListening = ledger.onAppend(check)
      signal?.addEventListener('abort', onAbort, { once: true })
      check()
    })

  return {
    /** Resolves when a deployment has come to its end; rejects when there is none of that id or the signal aborts. */
    finished: (deployment: string, signal?: AbortSignal): Promise<Deployment> =>
      until(deployment, ({ finished }) => finished !== null, signal),

    /** Resolves as soon as its users have (a part of) it, or will not get it: a rollout may take hours. */
    begun: (deployment: string, signal?: AbortSignal): Promise<Deployment> => until(deployment, hasBegun, signal),
  }
}

/** Ended, or with traffic that is judged or watched for as long as it takes; one that goes live at once is waited for. */
const hasBegun = (deployment: Deployment): boolean =>
  deployment.finished !== null || (goesOn(deployment) && !isUndone(deployment))

const goesOn = ({ step, rollout }: Deployment): boolean =>
  step !== null && rollout !== null && (rollout.isJudged || rollout.watch.timeMs > 0)
