import { appendFileSync, readFileSync } from 'node:fs'
import { effectSync } from '../effect.ts'
import { writeDurably } from '../processes/files.ts'
import { fields, finite, oneOf, orNull, whole } from './check.ts'
import { parseExit, parseId, parseOwner } from './parse.ts'
import type { AgentEvent } from './protocol.ts'

export type Events = {
  append(event: Omit<AgentEvent, 'seq'>): void
  /** Those after the number; when there is none yet, as soon as there is one or the time is over. */
  after(seq: number, waitMs: number, signal: AbortSignal): Promise<{ events: AgentEvent[]; next: number }>
  /** The last one of an instance. */
  lastOf(instance: string): AgentEvent | undefined
}

/** The newest this many are kept, read or not. */
const kept = 5_000

/** What happened to instances, on disk, so that a control plane that was away learns of it. */
export const openEvents = (file: string): Events => {
  let events = load(file)
  let lines = events.length
  let last = events.at(-1)?.seq ?? 0
  const waiting = new Set<() => void>()
  const compact = (): void => {
    events = events.slice(-kept)
    lines = events.length
    effectSync('agent.events-compact', () => writeDurably(file, events.map(lineOf).join('')))
  }
  if (lines > 0) compact() // drops a line that a crash left half written

  return {
    append: (event) => {
      last += 1
      const whole = { seq: last, ...event }
      effectSync('agent.event-append', () => appendFileSync(file, lineOf(whole), { mode: 0o600 }))
      events.push(whole)
      lines += 1
      if (lines > 2 * kept) compact()
      for (const wake of waiting) wake()
    },
    after: async (seq, waitMs, signal) => {
      const from = seq > last ? 0 : seq // whoever knows more than we is from before our directory was lost
      if (from === last && !signal.aborted) await waitForOne(waiting, waitMs, signal)
      return { events: events.filter((event) => event.seq > from), next: last }
    },
    lastOf: (instance) => events.findLast((event) => event.instance === instance),
  }
}

const waitForOne = (waiting: Set<() => void>, waitMs: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const wake = (): void => {
      waiting.delete(wake)
      clearTimeout(patience)
      resolve()
    }
    const patience = setTimeout(wake, waitMs)
    signal.addEventListener('abort', wake, { once: true })
    waiting.add(wake)
  })

const lineOf = (event: AgentEvent): string => `${JSON.stringify(event)}\n`

const load = (file: string): AgentEvent[] => readOrEmpty(file).split('\n').flatMap(parseLine)

const parseLine = (line: string): AgentEvent[] => {
  try {
    const event = fields(JSON.parse(line), 'event')
    return [
      {
        seq: whole(event.seq, 'seq'),
        at: finite(event.at, 'at'),
        instance: parseId(event.instance),
        owner: parseOwner(event.owner),
        kind: oneOf(event.kind, 'kind', ['exited', 'healthy', 'unhealthy', 'failed']),
        exit: orNull(event.exit, 'exit', parseExit),
        restartInMs: orNull(event.restartInMs, 'restartInMs', finite),
      },
    ]
  } catch {
    return [] // the end of the file, or a line that a crash left half written
  }
}

const readOrEmpty = (file: string): string => {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
