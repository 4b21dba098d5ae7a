import type { Instance } from '../agent/protocol.ts'
import { shortCommit } from '../names.ts'
import type { Deployment } from './rollout.ts'

/** An instance that has ended this often before it was ever healthy will not become so by being started again. */
const hopelessRestarts = 3

export type Verdict =
  | { readonly kind: 'healthy' }
  | { readonly kind: 'waiting' }
  | { readonly kind: 'unhealthy'; readonly instance: string; readonly seen: Instance | null }

/** Whether the new instances can take the traffic. `seen` has null for one that is no longer there. */
export const judge = (seen: ReadonlyMap<string, Instance | null>, outOfTime: boolean): Verdict => {
  for (const [instance, state] of seen) {
    const hopeless = state !== null && state.state !== 'healthy' && state.restarts >= hopelessRestarts
    if (state === null || state.state === 'failed' || state.state === 'stopping' || hopeless)
      return { kind: 'unhealthy', instance, seen: state }
  }
  const late = [...seen].find(([, state]) => state?.state !== 'healthy')
  if (!late) return { kind: 'healthy' }
  return outOfTime ? { kind: 'unhealthy', instance: late[0], seen: late[1] } : { kind: 'waiting' }
}

/** Why a version did not become healthy, in one sentence that names what was seen. */
export const describeUnhealthy = (deployment: Deployment, seen: Instance | null, readyTimeoutMs: number): string => {
  const { service, environment } = deployment.target
  const version = `${service} ${shortCommit(deployment.commit)}`
  if (!seen) return `${version} did not become healthy in ${environment}: its instance is gone`
  const exit = seen.lastExit
  const ended = exit
    ? exit.outOfMemory
      ? 'it ran out of memory'
      : `it ended with ${exit.signal ? `signal ${exit.signal}` : `exit code ${exit.exitCode ?? '?'}`}`
    : null
  const after = exit && seen.restarts > 0 ? ` (${seen.restarts + 1} times)` : ''
  const within = ended ? '' : ` within ${Math.round(readyTimeoutMs / 1000)} s`
  const why = [ended && `${ended}${after}`, seen.lastProbe].filter(Boolean).join('; ')
  return `${version} did not become healthy${within} in ${environment}: ${why || 'no probe was answered'}`
}
