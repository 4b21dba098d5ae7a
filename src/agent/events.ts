import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import type { Clock } from '../clock.ts'
import { effectSync } from '../effect.ts'
import { writeDurably } from '../processes/files.ts'
import type { AgentEvent } from './protocol.ts'

const keepAtMost = 10_000

/** What happened to instances, kept on disk until the control plane has taken it. */
export const createEvents = (file: string, clock: Clock) => {
  let events: AgentEvent[] = existsSync(file) ? readFileSync(file, 'utf8').split('\n').flatMap(parsed) : []
  let seq = events.at(-1)?.seq ?? 0
  const waiting = new Set<() => void>()
  return {
    add: (event: Omit<AgentEvent, 'seq' | 'at'>): void => {
      seq += 1
      const added = { ...event, seq, at: clock.now() }
      events.push(added)
      effectSync('agent.write-event', () => appendFileSync(file, `${JSON.stringify(added)}\n`, { mode: 0o600 }))
      for (const wake of waiting) wake()
    },
    /** Those after a number, which acknowledges the others; waits up to `waitMs` for the first. */
    after: async (last: number, waitMs: number): Promise<{ events: AgentEvent[]; next: number }> => {
      if (events.length > 0 && (events[0]?.seq ?? 0) <= last) {
        // The newest stays, so that numbers go on after a restart and are never given twice.
        const kept = events.filter((event) => event.seq > last || event.seq === seq)
        if (kept.length < events.length)
          effectSync('agent.forget-events', () =>
            writeDurably(file, kept.map((event) => `${JSON.stringify(event)}\n`).join('')),
          )
        events = kept
      }
      if (events.length > keepAtMost) events = events.slice(-keepAtMost)
      if (!events.some((event) => event.seq > last) && waitMs > 0)
        await new Promise<void>((resolve) => {
          const timer = setTimeout(done, waitMs)
          function done() {
            clearTimeout(timer)
            waiting.delete(done)
            resolve()
          }
          waiting.add(done)
        })
      const found = events.filter((event) => event.seq > last)
      return { events: found, next: found.at(-1)?.seq ?? Math.min(last, seq) }
    },
  }
}

/** A line that was cut off by a crash is no event. */
const parsed = (line: string): AgentEvent[] => {
  try {
    return line === '' ? [] : [JSON.parse(line)]
  } catch {
    return []
  }
}
