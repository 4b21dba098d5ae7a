import { Upstream } from './upstream.ts'

/** So many idle ones are kept for as long as the instance allows; beyond them stand for a moment those of a burst, as bursts come in rows. */
const usualIdle = 64
const mostIdle = 1_024
const burstMs = 5_000

/** How many may be idle where an edge takes so many connections of clients: what is idle costs descriptors too. */
export const idleWithin = (connections: number): number =>
  Math.min(mostIdle, Math.max(usualIdle, Math.floor(connections / 16)))

/** The connections to one instance: those in use and those that are kept for the next request. */
export class Pool {
  readonly #host: string
  readonly #mostIdle: number
  /** Taken from the end, so that those which only a burst needs are the ones that grow old. */
  #idle: Upstream[] = []
  readonly #open = new Set<Upstream>()

  constructor(host: string, mostIdle = usualIdle) {
    this.#host = host
    this.#mostIdle = mostIdle
  }

  /** One that was kept and leads to this port, or a new one. */
  take(port: number, nowMs: number): Upstream {
    for (let upstream = this.#idle.pop(); upstream; upstream = this.#idle.pop()) {
      if (upstream.port === port && upstream.idleUntilMs > nowMs && upstream.keepableMs() > 0) return upstream
      upstream.destroy()
    }
    return this.open(port)
  }

  open(port: number): Upstream {
    const upstream = new Upstream(this.#host, port, (closed) => {
      this.#open.delete(closed)
      const place = this.#idle.indexOf(closed)
      if (place !== -1) this.#idle.splice(place, 1)
    })
    this.#open.add(upstream)
    return upstream
  }

  /** Keeps it where that is possible; else it is closed. */
  giveBack(upstream: Upstream, nowMs: number): void {
    const keptMs = upstream.keepableMs()
    const { length } = this.#idle
    if (keptMs <= 0 || length >= this.#mostIdle) return void upstream.destroy()
    upstream.idleUntilMs = nowMs + (length < usualIdle ? keptMs : Math.min(keptMs, burstMs))
    upstream.resume() // else its end would not be seen
    this.#idle.push(upstream)
  }

  get size(): number {
    return this.#open.size
  }

  /** Closes what is idle: all of it, or what has been for too long. */
  closeIdle(nowMs = Number.POSITIVE_INFINITY): void {
    const over = this.#idle.filter(({ idleUntilMs }) => idleUntilMs <= nowMs)
    if (over.length === 0) return
    this.#idle = this.#idle.filter(({ idleUntilMs }) => idleUntilMs > nowMs)
    for (const upstream of over) upstream.destroy()
  }
}
