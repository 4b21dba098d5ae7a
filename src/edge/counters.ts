import type { TrafficMinute } from '../agent/protocol.ts'
import { latencyEdgesMs } from './protocol.ts'

export const keptMinutes = 10
const minuteMs = 60_000

/** How one request ended. `failed`: the edge had to answer in the service's place, or to break the answer off. */
export type Ending = {
  /** Null where no service was found: such a request is in no cell. */
  readonly service: string | null
  readonly version: string | null
  readonly status: number
  readonly failed: boolean
  readonly durationMs: number
}

type Cell = {
  readonly minute: number
  readonly service: string
  readonly version: string
  requests: number
  readonly classes: { c1: number; c2: number; c3: number; c4: number; c5: number; failed: number }
  readonly latency: number[]
}

/** Traffic per service, version and minute in which the request ended; a minute that is over does not change any more. */
export class Counters {
  readonly #nowMs: () => number
  #minute = 0
  /** By service, then version: no key is put together for a request. */
  #current = new Map<string, Map<string, Cell>>()
  #finished: Cell[] = []

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  count(ending: Ending, nowMs = this.#nowMs()): void {
    if (ending.service === null || ending.version === null) return
    this.#turn(nowMs)
    const cell = this.#cell(ending.service, ending.version)
    cell.requests += 1
    cell.classes[classOf(ending)] += 1
    const bucket = bucketOf(ending.durationMs)
    cell.latency[bucket] = (cell.latency[bucket] ?? 0) + 1
  }

  /** The last ten minutes and the current one. Every request is in exactly one of its cell's classes. */
  minutes(): TrafficMinute[] {
    this.#turn(this.#nowMs())
    return [...this.#finished, ...this.#cells()]
  }

  #turn(now: number): void {
    const minute = now - (now % minuteMs)
    if (minute === this.#minute) return
    const oldest = minute - keptMinutes * minuteMs
    this.#finished = [...this.#finished, ...this.#cells()].filter((cell) => cell.minute >= oldest)
    this.#current = new Map()
    this.#minute = minute
  }

  #cells(): Cell[] {
    return [...this.#current.values()].flatMap((versions) => [...versions.values()])
  }

  #cell(service: string, version: string): Cell {
    let versions = this.#current.get(service)
    if (!versions) {
      versions = new Map()
      this.#current.set(service, versions)
    }
    let cell = versions.get(version)
    if (!cell) {
      cell = {
        minute: this.#minute,
        service,
        version,
        requests: 0,
        classes: { c1: 0, c2: 0, c3: 0, c4: 0, c5: 0, failed: 0 },
        latency: new Array<number>(latencyEdgesMs.length + 1).fill(0),
      }
      versions.set(version, cell)
    }
    return cell
  }
}

const classOf = ({ status, failed }: Ending): keyof Cell['classes'] => {
  if (failed) return 'failed'
  if (status < 200) return 'c1'
  if (status < 300) return 'c2'
  if (status < 400) return 'c3'
  return status < 500 ? 'c4' : 'c5'
}

const bucketOf = (durationMs: number): number => {
  let bucket = 0
  for (const edge of latencyEdgesMs) {
    if (durationMs <= edge) return bucket
    bucket += 1
  }
  return bucket
}
