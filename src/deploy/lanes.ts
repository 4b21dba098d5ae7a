import { mayOvertake } from './rollout.ts'
import { type Target, targetLabel } from './target.ts'

/** What a lane does in its turn; called again while there is more. */
export type LaneWork = (
  target: Target,
  turn: {
    readonly settle: boolean
    readonly signal: AbortSignal
    /** The deployment by which one that was asked for at `seq` is overtaken after so long; null while there is none. */
    overtakenBy(seq: number, waitedMs: number): string | null
  },
) => Promise<void>

type Lane = {
  running: Promise<void> | null
  again: boolean
  settle: boolean
  /** The newest request that the lane knows of and the one that it works on. */
  newest: { seq: number; deployment: string } | null
}

/** One thing at a time for each target, all targets at once. */
export const createLanes = (options: {
  readonly work: LaneWork
  readonly onError: (target: Target, error: unknown) => void
}) => {
  const lanes = new Map<string, Lane>()
  const closing = new AbortController()

  const laneOf = (target: Target): Lane => {
    const label = targetLabel(target)
    const lane = lanes.get(label) ?? { running: null, again: false, settle: false, newest: null }
    lanes.set(label, lane)
    return lane
  }

  const drive = (target: Target, ask: { settle?: boolean; newest?: Lane['newest'] } = {}): void => {
    const lane = laneOf(target)
    lane.settle ||= ask.settle === true
    if (ask.newest && ask.newest.seq > (lane.newest?.seq ?? 0)) lane.newest = ask.newest
    if (closing.signal.aborted) return
    if (lane.running) {
      lane.again = true
      return
    }
    lane.running = run(target, lane).finally(() => {
      lane.running = null
      if (lane.again) drive(target)
      else lanes.delete(targetLabel(target))
    })
  }

  const run = async (target: Target, lane: Lane): Promise<void> => {
    lane.again = false
    const { settle } = lane
    lane.settle = false
    try {
      await options.work(target, {
        settle,
        signal: closing.signal,
        overtakenBy: (seq, waitedMs) =>
          lane.newest && lane.newest.seq > seq && mayOvertake(waitedMs) ? lane.newest.deployment : null,
      })
    } catch (error) {
      if (!closing.signal.aborted) options.onError(target, error)
    }
  }

  /** Runs something in a target's turn: after what is under way, before what comes. */
  const exclusive = async <Result>(target: Target, act: (signal: AbortSignal) => Promise<Result>): Promise<Result> => {
    for (let lane = laneOf(target); lane.running; lane = laneOf(target)) await lane.running
    closing.signal.throwIfAborted()
    const lane = laneOf(target)
    const result = act(closing.signal)
    lane.running = result.then(
      () => {},
      () => {},
    )
    void lane.running.finally(() => {
      lane.running = null
      if (lane.again) drive(target)
      else lanes.delete(targetLabel(target))
    })
    return result
  }

  return {
    drive,
    exclusive,
    /** Interrupts what waits and resolves when every lane has stopped. */
    close: async () => {
      closing.abort()
      await Promise.all([...lanes.values()].map((lane) => lane.running))
    },
  }
}
export type Lanes = ReturnType<typeof createLanes>
