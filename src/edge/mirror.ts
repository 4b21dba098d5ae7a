import type { ClientRequest } from 'node:http'
import type { Clock } from '../clock.ts'
import { type Asked, framingOf, pairsFor } from './asked.ts'
import type { Backend } from './backend.ts'
import type { EdgeLimits } from './core.ts'
import { sendRequest } from './http.ts'
import { copyDue, type Destination, type Router } from './router.ts'
import type { Samples } from './samples.ts'

/** Over all services of an edge. */
export const openCopies = 64
/** Larger bodies are not copied; together these are all the memory that copies may hold. */
export const copiedBodyBytes = 64 << 10
const busyFrom = 0.8
const busyLookMs = 250

/** Takes what the original sends of its body, as it sends it; to be dropped when the original is over, however that came. */
export type Tap = { readonly data: (chunk: Buffer) => void; readonly end: () => void; readonly drop: () => void }

export type MirrorOptions = {
  readonly router: Router
  readonly samples: Samples
  readonly limits: EdgeLimits
  readonly clock: Clock
  readonly isBusy: () => boolean
}

/**
 * Sends copies of requests to the version that a route mirrors to, and throws the answers away. A copy is begun after its original has
 * been sent, is never waited for, never repeated, and left out where too many are open, its body is too large or the machine is busy.
 */
export class Mirror {
  readonly #options: MirrorOptions
  readonly #open = new Set<ClientRequest>()
  readonly #collecting = new Set<Tap>()

  constructor(options: MirrorOptions) {
    this.#options = options
  }

  /** To be told of the original's body; null where there is none to be told of. */
  copy(destination: Destination, asked: Asked): Tap | null {
    const due = copyDue(destination, asked.method)
    if (!due) return null
    const { version, backend } = due
    const { samples, isBusy } = this.#options
    const leaveOut = () => samples.leaveOut(destination.service, version)
    if (!backend || this.#open.size + this.#collecting.size >= openCopies || isBusy()) {
      leaveOut()
      return null
    }
    const send = (body: Buffer | null) => this.#send({ service: destination.service, version, backend, asked, body })
    if (asked.heading.body === 'none') {
      send(null)
      return null
    }
    return this.#collect(send, leaveOut)
  }

  end(): void {
    for (const outgoing of this.#open) outgoing.destroy()
  }

  #collect(send: (body: Buffer) => void, leaveOut: () => void): Tap {
    const chunks: Buffer[] = []
    let sizeBytes = 0
    const tap: Tap = {
      data: (chunk) => {
        sizeBytes += chunk.length
        if (sizeBytes <= copiedBodyBytes) chunks.push(chunk)
        else chunks.length = 0
      },
      end: () => {
        if (this.#collecting.delete(tap) && sizeBytes <= copiedBodyBytes) send(Buffer.concat(chunks))
        else leaveOut()
      },
      drop: () => {
        if (this.#collecting.delete(tap)) leaveOut()
      },
    }
    this.#collecting.add(tap)
    return tap
  }

  #send({ service, version, backend, asked, body }: Sending): void {
    const { router, samples, limits, clock } = this.#options
    const beganMs = clock.monotonicMs()
    const outgoing = sendRequest({
      host: backend.host,
      port: backend.port,
      method: asked.method,
      path: asked.path,
      headers: [...pairsFor(asked), 'X-Headway-Mirrored', 'true', ...copyFraming(asked, body)],
      agent: backend.pooled,
    })
    let status = 0
    let whole = false
    this.#open.add(outgoing)
    router.hold(backend)
    const late = setTimeout(() => outgoing.destroy(), limits.answerMs)
    outgoing.on('response', (incoming) => {
      status = incoming.statusCode ?? 0
      incoming.on('error', () => {})
      incoming.on('end', () => {
        whole = incoming.complete
      })
      incoming.resume()
    })
    outgoing.on('upgrade', (_incoming, socket) => socket.destroy())
    outgoing.on('error', () => {}) // its close follows
    outgoing.on('close', () => {
      clearTimeout(late)
      this.#open.delete(outgoing)
      router.release(backend)
      const { method, path, heading } = asked
      const { client } = heading
      const durationMs = clock.monotonicMs() - beganMs
      samples.count({ service, version, status, failed: !whole, durationMs, client, method, path, mirrored: true })
    })
    outgoing.end(body ?? undefined)
  }
}

type Sending = {
  readonly service: string
  readonly version: string
  readonly backend: Backend
  readonly asked: Asked
  readonly body: Buffer | null
}

const copyFraming = (asked: Asked, body: Buffer | null): string[] =>
  body === null ? framingOf(asked) : ['Content-Length', String(body.length)]

/** Whether this process was at work for most of the last quarter of a second. */
export const saturation = (clock: Clock): (() => boolean) => {
  let lookedMs = Number.NEGATIVE_INFINITY
  let last = performance.eventLoopUtilization()
  let busy = false
  return () => {
    const nowMs = clock.monotonicMs()
    if (nowMs - lookedMs >= busyLookMs) {
      const now = performance.eventLoopUtilization()
      busy = performance.eventLoopUtilization(now, last).utilization > busyFrom
      last = now
      lookedMs = nowMs
    }
    return busy
  }
}
