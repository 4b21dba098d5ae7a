import { Upstream } from './upstream.ts'

const mostIdle = 64

/** The connections to one instance: those in use and those that are kept for the next request. */
export class Pool {
  readonly #host: string
  readonly #idle: Upstream[] = []
  readonly #open = new Set<Upstream>()

  constructor(host: string) {
    this.#host = host
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
    if (keptMs <= 0 || this.#idle.length >= mostIdle) return void upstream.destroy()
    upstream.idleUntilMs = nowMs + keptMs
    upstream.resume() // else its end would not be seen
    this.#idle.push(upstream)
  }

  get size(): number {
    return this.#open.size
  }

  /** Closes what is idle: all of it, or what has been for too long. */
  closeIdle(nowMs = Number.POSITIVE_INFINITY): void {
    for (const upstream of this.#idle.filter(({ idleUntilMs }) => idleUntilMs <= nowMs)) {
      this.#idle.splice(this.#idle.indexOf(upstream), 1)
      upstream.destroy()
    }
  }
}
