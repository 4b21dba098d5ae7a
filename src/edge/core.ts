import type { Clock } from '../clock.ts'
import type { Asked } from './asked.ts'
import type { Mirror } from './mirror.ts'
import type { Placed } from './open-list.ts'
import type { Refusal } from './refusal.ts'
import type { Router } from './router.ts'
import type { Line } from './wire/client.ts'

export type EdgeLimits = {
  /** From the end of a request until the instance begins to answer. */
  readonly answerMs: number
  /** A request's head, a request's body without a byte, an answer of which the client takes no byte. */
  readonly headMs: number
  readonly bodyStallMs: number
  readonly takeStallMs: number
  readonly keepAliveMs: number
  /**
   * A client that ended its side may wait for its answer or be gone: which it is shows once it is told something. For so long it may
   * be told nothing.
   */
  readonly endedMs: number
  readonly sweepMs: number
  readonly connections: number
}

export const usualLimits: EdgeLimits = {
  answerMs: 60_000,
  headMs: 60_000,
  bodyStallMs: 60_000,
  takeStallMs: 120_000,
  // Longer than clients and load balancers keep theirs (Go 90 s, Chrome 300 s, Google's balancer 600 s): whoever closes first never
  // has its next request reset.
  keepAliveMs: 620_000,
  endedMs: 10_000,
  sweepMs: 1_000,
  connections: 20_000,
}

/** Something open on behalf of a client: an exchange of request and answer, or a tunnel. */
export type Open = Placed & {
  /** The client's connection is closed. */
  clientGone(): void
  /** Called about once a second: looks at deadlines. */
  sweep(nowMs: number): void
}

/** A client's connection that speaks HTTP no more. */
export type Connection = {
  readonly socket: Line
  readonly open: Set<Open>
  /** Of `socket.bytesWritten`, those that the access log has told of. */
  readonly loggedBytes: number
}

/** How something open ended, for counters and access log. */
export type Ended = {
  readonly asked: Asked
  readonly status: number
  readonly bytes: number
  readonly durationMs: number
  readonly service: string | null
  readonly version: string | null
  readonly instance: string | null
  readonly failed: boolean
  /** Where it went was its own choice: it says nothing about what others meet. */
  readonly chosen: boolean
}

/** What an exchange and a tunnel see of the edge. */
export type Core = {
  readonly router: Router
  readonly mirror: Mirror
  readonly limits: EdgeLimits
  readonly clock: Clock
  readonly newId: () => string
  readonly isRetiring: () => boolean
  /** The Date of this second. */
  readonly httpDate: () => string
  /** The end of the head of an answer after which the connection is kept. */
  readonly keepAliveLines: string
  /** A refusal in the words of whoever runs this edge. */
  readonly worded: (refusal: Refusal) => Refusal
  readonly opened: (open: Open) => void
  /** No connection to an instance can be opened, as this process has no descriptor left. */
  readonly exhausted: (error: Error) => void
  readonly closed: (open: Open) => void
  readonly ended: (ended: Ended) => void
}
