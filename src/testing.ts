import type { Clock, Ids } from './clock.ts'

/** A clock that only a test turns. Sleepers wake in the order of their times when it is turned past them. */
export type TestClock = Clock & { advance(ms: number): Promise<void>; set(now: number): void }

export const testClock = (start = Date.UTC(2026, 0, 1)): TestClock => {
  let wall = start
  let elapsed = 0
  let sleepers: { at: number; wake: () => void }[] = []
  return {
    now: () => wall,
    monotonicMs: () => elapsed,
    set: (now) => {
      wall = now
    },
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        const sleeper = { at: elapsed + ms, wake: resolve }
        sleepers.push(sleeper)
        signal?.addEventListener('abort', () => {
          sleepers = sleepers.filter((other) => other !== sleeper)
          reject(signal.reason)
        })
      }),
    advance: async (ms) => {
      wall += ms
      elapsed += ms
      const due = sleepers.filter(({ at }) => at <= elapsed).sort((a, b) => a.at - b.at)
      sleepers = sleepers.filter(({ at }) => at > elapsed)
      for (const { wake } of due) wake()
      await new Promise((turn) => setImmediate(turn))
    },
  }
}

/** Identifiers in order: `run-1`, `run-2`, one count for each prefix. */
export const testIds = (): Ids => {
  const counts = new Map<string, number>()
  return (prefix) => {
    const next = (counts.get(prefix) ?? 0) + 1
    counts.set(prefix, next)
    return `${prefix}-${next}`
  }
}
