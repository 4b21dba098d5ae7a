import type { AgentOptions, ClientRequestArgs, Agent as HttpAgent } from 'node:http'
import { createConnection, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { Agent } from './http.ts'
import { Pool } from './wire/pool.ts'
import type { Upstream } from './wire/upstream.ts'

/** One instance as the edge sees it: how to reach it, and what is open on it. Outlives its place in the table until that is over. */
export class Backend {
  readonly instance: string
  /** A numeric address. */
  readonly host: string
  port: number
  healthy = true
  /** Left out for a while, because its connections failed; until then, and how often in a row it was. */
  ejectedUntilMs = 0
  ejections = 0
  /** Connections that failed one after the other. */
  failures = 0
  /** For how long it has been there beside others, as looked at about once a second; without end for one that was there from the first. */
  ageMs = Number.POSITIVE_INFINITY
  /** The part of a request that is due to it while it is new. */
  due = 0
  #freshSinceMs: number | null = null
  /** Whether the table names it; once it does not, it gets nothing new and keeps no connection for later. */
  listed = true
  /** Open requests: those that still connect, those being answered, and tunnels. */
  requests = 0
  /** Those of requests and their answers. */
  readonly pool: Pool
  /** Those of Node's client, which serves copies and the beginnings of tunnels: copies over kept connections, each tunnel over its own. */
  readonly pooled: HttpAgent
  readonly fresh: HttpAgent
  otherConnections = 0

  constructor(instance: string, port: number, host = '127.0.0.1', mostIdle?: number) {
    this.instance = instance
    this.host = host
    this.pool = new Pool(host, mostIdle)
    this.port = port
    this.pooled = new BackendAgent(this, { keepAlive: true, maxFreeSockets: 64, timeout: 30_000 })
    this.fresh = new BackendAgent(this, { keepAlive: false })
  }

  get connections(): number {
    return this.pool.size + this.otherConnections
  }

  /** For a later request, where there may be one. */
  giveBack(upstream: Upstream, nowMs: number): void {
    if (this.listed && upstream.port === this.port) this.pool.giveBack(upstream, nowMs)
    else upstream.destroy()
  }

  get isEjected(): boolean {
    return this.ejectedUntilMs !== 0
  }

  /** It has just come, or come back. */
  begin(): void {
    this.ageMs = 0
    this.due = 0
    this.#freshSinceMs = null
  }

  growOlder(nowMs: number): void {
    this.#freshSinceMs ??= nowMs
    this.ageMs = nowMs - this.#freshSinceMs
    if (this.ageMs > longestSlowStartMs) this.ageMs = Number.POSITIVE_INFINITY
  }

  /** It is another process by now, or was found well: what failed before says nothing. */
  readmit(): void {
    this.ejectedUntilMs = 0
    this.ejections = 0
    this.failures = 0
  }

  /** The instance came back on another port. */
  moveTo(port: number): void {
    if (port === this.port) return
    this.port = port
    this.readmit()
    this.closeIdle()
  }

  leave(): void {
    this.listed = false
    this.closeIdle()
  }

  closeIdle(): void {
    this.pool.closeIdle()
    for (const sockets of Object.values(this.pooled.freeSockets)) for (const socket of sockets ?? []) socket.destroy()
  }
}

const longestSlowStartMs = 3_600_000

class BackendAgent extends Agent {
  readonly backend: Backend

  constructor(backend: Backend, options: AgentOptions) {
    super(options)
    this.backend = backend
  }

  override createConnection(options: ClientRequestArgs): Socket {
    // Half-open: a tunnel's instance may end its direction first. Numeric: no name is looked up.
    const socket = createConnection({
      host: this.backend.host,
      port: Number(options.port),
      allowHalfOpen: true,
      noDelay: true,
    })
    this.backend.otherConnections += 1
    socket.once('close', () => {
      this.backend.otherConnections -= 1
    })
    return socket
  }

  override keepSocketAlive(socket: Duplex): boolean {
    const current = 'remotePort' in socket && socket.remotePort === this.backend.port
    if (!this.backend.listed || !current) return false
    const kept: unknown = super.keepSocketAlive(socket) // false when the instance announced that it closes soon
    return kept !== false
  }
}
