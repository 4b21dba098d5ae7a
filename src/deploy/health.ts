import type { Instance } from '../agent/protocol.ts'
import type { Clock } from '../clock.ts'
import type { Runtime } from '../runtimes/runtime.ts'
import { judge, type Verdict } from './readiness.ts'
import type { Evidence } from './rollout.ts'
import { masked } from './specs.ts'
import type { Target } from './target.ts'

export type Waiting = {
  readonly instances: readonly string[]
  readonly readyTimeoutMs: number
  /** Asked from time to time: the newer deployment that this one has to give way to, if any. */
  overtakenBy(waitedMs: number): string | null
  /** Asked from time to time: whether somebody wants it no more. */
  isUnwanted(): Promise<boolean>
  readonly signal: AbortSignal
}
export type Waited =
  | Exclude<Verdict, { kind: 'waiting' }>
  | { readonly kind: 'overtaken'; readonly by: string }
  | { readonly kind: 'interrupted' }

/** How long one question to the runtime may stay open; it answers at once when there is something to say. */
const sliceMs = 2_000
/** The runtime gives up at readyTimeoutMs by itself and says why; only if it does not, we do. */
const allowanceMs = 5_000

/** Resolves as soon as all instances are healthy, or one cannot be, or something newer goes first. */
export const waitForHealth = async (runtime: Runtime, clock: Clock, waiting: Waiting): Promise<Waited> => {
  const began = clock.monotonicMs()
  const limitMs = waiting.readyTimeoutMs + allowanceMs
  for (;;) {
    const waitedMs = clock.monotonicMs() - began
    const slice = Math.max(1, Math.min(sliceMs, limitMs - waitedMs))
    const seen = await settleAll(runtime, waiting, slice)
    const afterMs = clock.monotonicMs() - began
    const verdict = judge(seen, afterMs >= limitMs)
    if (verdict.kind !== 'waiting') return verdict
    const by = waiting.overtakenBy(afterMs)
    if (by) return { kind: 'overtaken', by }
    if (await waiting.isUnwanted()) return { kind: 'interrupted' }
    if (afterMs - waitedMs < 50) await clock.sleep(100, waiting.signal) // it answered without having waited
  }
}

/** The state of all, or of those that are known when one has failed: then the others need not be waited for. */
const settleAll = async (
  runtime: Runtime,
  { instances, signal }: Waiting,
  timeoutMs: number,
): Promise<Map<string, Instance | null>> => {
  const enough = new AbortController()
  const either = AbortSignal.any([signal, enough.signal])
  const seen = new Map<string, Instance | null>()
  const ask = async (id: string): Promise<void> => {
    try {
      const state = await runtime.settled(id, timeoutMs, either)
      seen.set(id, state)
      if (judge(new Map([[id, state]]), false).kind === 'unhealthy') enough.abort()
    } catch (error) {
      if (!enough.signal.aborted) throw error
    }
  }
  await Promise.all(instances.map(ask))
  return seen
}

/** The last words of an instance, for whoever has to find out why it failed. */
export const gatherEvidence = async (
  runtime: Runtime,
  about: { target: Target; instance: string; seen: Instance | null; secretValues: readonly string[] },
): Promise<Evidence> => {
  const { project, service, environment } = about.target
  const lines: string[] = []
  try {
    const query = { project, service, environment, instance: about.instance, limit: 20 }
    for await (const line of runtime.logs(query, AbortSignal.timeout(5_000))) lines.push(line.text)
  } catch {
    // the evidence is what could be had; the verdict does not wait for a log that cannot be read
  }
  return {
    instance: about.instance,
    probe: about.seen?.lastProbe ?? null,
    lastLines: masked(lines.slice(-20), about.secretValues),
  }
}
