import { readFileSync } from 'node:fs'
import type { EdgeCounters } from '../edge/protocol.ts'
import { effectSync } from '../effect.ts'
import { writeDurably } from '../processes/files.ts'
import { fields, list, text, whole } from './check.ts'
import type { TrafficMinute } from './protocol.ts'

/** `epoch` changes only when what was counted before is lost; as long as it is the same, a minute's counts only rise. */
export type TrafficMinutes = { readonly epoch: string; readonly minutes: TrafficMinute[] }

export type Traffic = {
  /** Takes what an edge has counted up to now; the same again changes nothing. */
  take(counters: EdgeCounters): void
  /** Minutes that start at `from` (milliseconds since 1970) or later, over all edges that ever counted in them. */
  since(from: number): TrafficMinutes
  /** Writes down what was taken. */
  save(): void
}

const keptMs = 24 * 3_600_000
const keptEntries = 20_000

/** One edge's counts of one minute, service and version. */
type Entry = { readonly edge: string; readonly counts: TrafficMinute }

/** Counts by edge process: each one's newest word replaces its former, and an answer is the sum, so none is lost or counted twice. */
export const openTraffic = (file: string, newEpoch: () => string): Traffic => {
  const loaded = load(file)
  const epoch = loaded?.epoch ?? newEpoch()
  const entries = new Map((loaded?.entries ?? []).map((entry) => [keyOf(entry), entry]))
  let changed = loaded === null

  const forgetOld = (): void => {
    const newest = Math.max(0, ...[...entries.values()].map(({ counts }) => counts.minute))
    for (const [key, { counts }] of entries) if (counts.minute < newest - keptMs) entries.delete(key)
    const sorted = [...entries].sort(([, left], [, right]) => left.counts.minute - right.counts.minute)
    for (const [key] of sorted.slice(0, Math.max(0, sorted.length - keptEntries))) entries.delete(key)
  }
  return {
    take: ({ epoch: edge, minutes }) => {
      for (const counts of minutes) {
        const entry = { edge, counts }
        const known = entries.get(keyOf(entry))
        if (known && known.counts.requests >= counts.requests) continue
        entries.set(keyOf(entry), entry)
        changed = true
      }
    },
    since: (from) => {
      const sums = new Map<string, TrafficMinute>()
      for (const { counts } of entries.values()) {
        if (counts.minute < from) continue
        const key = JSON.stringify([counts.minute, counts.service, counts.version])
        const sum = sums.get(key)
        sums.set(key, sum ? add(sum, counts) : counts)
      }
      return { epoch, minutes: [...sums.values()].sort((left, right) => left.minute - right.minute) }
    },
    save: () => {
      if (!changed) return
      forgetOld()
      effectSync('agent.traffic-save', () =>
        writeDurably(file, JSON.stringify({ epoch, entries: [...entries.values()] })),
      )
      changed = false
    },
  }
}

const keyOf = ({ edge, counts }: Entry): string => JSON.stringify([edge, counts.minute, counts.service, counts.version])

const add = (one: TrafficMinute, other: TrafficMinute): TrafficMinute => ({
  ...one,
  requests: one.requests + other.requests,
  classes: {
    c1: one.classes.c1 + other.classes.c1,
    c2: one.classes.c2 + other.classes.c2,
    c3: one.classes.c3 + other.classes.c3,
    c4: one.classes.c4 + other.classes.c4,
    c5: one.classes.c5 + other.classes.c5,
    failed: one.classes.failed + other.classes.failed,
  },
  latency: one.latency.map((count, bucket) => count + (other.latency[bucket] ?? 0)),
})

/** What an edge says it has counted. */
export const parseCounters = (value: unknown): EdgeCounters => {
  const counters = fields(value, 'counters')
  return { epoch: text(counters.epoch, 'epoch'), minutes: list(counters.minutes, 'minutes', parseMinute) }
}

const parseMinute = (value: unknown, at: string): TrafficMinute => {
  const minute = fields(value, at)
  const classes = fields(minute.classes, `${at}.classes`)
  const count = (name: string): number => whole(classes[name], `${at}.classes.${name}`)
  return {
    minute: whole(minute.minute, `${at}.minute`),
    service: text(minute.service, `${at}.service`),
    version: text(minute.version, `${at}.version`),
    requests: whole(minute.requests, `${at}.requests`),
    classes: {
      c1: count('c1'),
      c2: count('c2'),
      c3: count('c3'),
      c4: count('c4'),
      c5: count('c5'),
      failed: count('failed'),
    },
    latency: list(minute.latency, `${at}.latency`, whole),
  }
}

/** Null when there is none, or none that can be read: then counting begins anew. */
const load = (file: string): { epoch: string; entries: Entry[] } | null => {
  try {
    const kept = fields(JSON.parse(readFileSync(file, 'utf8')), 'traffic')
    const entries = list(kept.entries, 'entries', (value, at) => {
      const entry = fields(value, at)
      return { edge: text(entry.edge, `${at}.edge`), counts: parseMinute(entry.counts, `${at}.counts`) }
    })
    return { epoch: text(kept.epoch, 'epoch'), entries }
  } catch {
    return null
  }
}
