import type { TrafficMinute } from '../agent/protocol.ts'
import type { Clock } from '../clock.ts'
import { describeError } from '../problem.ts'
import type { Runtime } from '../runtimes/runtime.ts'
import type { TrafficStore } from './traffic.ts'

const busyMs = 5_000
/** The edge remembers ten minutes, so nothing is lost by asking seldom while nobody comes. */
const idleMs = 60_000
const retentionMs = 30 * 24 * 3_600_000
const forgetEveryMs = 3_600_000

/** Fetches the edge's counters: often while they move, seldom while they do not. */
export const createCollector = (ports: {
  readonly traffic: TrafficStore
  readonly runtime: Runtime
  readonly clock: Clock
  /** Called after each time that the counters were fetched, or could not be. */
  onCollected?(): Promise<void>
  onError?(message: string): void
}) => {
  const { traffic, runtime, clock } = ports
  /** What was stored last for each minute, so that only what changed is written. */
  let stored = new Map<string, string>()
  let forgottenAt = Number.NEGATIVE_INFINITY
  let collecting: Promise<boolean> | null = null

  const collectNow = async (): Promise<boolean> => {
    const { epoch, minutes } = await runtime.traffic()
    const seen = new Map(minutes.map((minute) => [keyOf(epoch, minute), JSON.stringify(minute)]))
    const changed = minutes.filter((minute) => {
      const key = keyOf(epoch, minute)
      return stored.get(key) !== seen.get(key)
    })
    await traffic.merge(epoch, changed)
    stored = seen
    if (clock.monotonicMs() - forgottenAt >= forgetEveryMs) {
      await traffic.forgetBefore(clock.now() - retentionMs)
      forgottenAt = clock.monotonicMs()
    }
    return changed.length > 0
  }

  /** Resolves to whether anything had happened since the last time; those who ask at the same time share the answer. */
  const collect = (): Promise<boolean> => {
    collecting ??= collectNow().finally(() => {
      collecting = null
    })
    return collecting
  }

  const follow = async (signal: AbortSignal): Promise<void> => {
    for (let waitMs = busyMs; !signal.aborted; ) {
      const moved = await collect().catch((error: unknown) => {
        if (!signal.aborted) ports.onError?.(`collecting the edge's counters: ${describeError(error)}`)
        return false
      })
      await ports.onCollected?.().catch((error: unknown) => {
        if (!signal.aborted) ports.onError?.(`looking at alerts: ${describeError(error)}`)
      })
      waitMs = moved ? busyMs : Math.min(waitMs * 2, idleMs)
      await clock.sleep(waitMs, signal).catch(() => {})
    }
  }

  return { collect, follow }
}

const keyOf = (epoch: string, { service, version, minute }: TrafficMinute): string =>
  JSON.stringify([epoch, service, version, minute])
