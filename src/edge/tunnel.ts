import type { ClientRequest, IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Asked, pairsFor } from './asked.ts'
import type { Backend } from './backend.ts'
import type { Connection, Core, Open } from './core.ts'
import { isOutOfDescriptors } from './descriptors.ts'
import { namedPairs, readAnswerPass } from './headers.ts'
import { sendRequest } from './http.ts'
import { type Preference, preferenceOf } from './preference.ts'
import {
  answerLate,
  answerUnusable,
  connectionFailed,
  edgeFull,
  noHealthyInstance,
  type Refusal,
  rawHead,
  rawPage,
  unknownHost,
} from './refusal.ts'
import { choose } from './router.ts'

/**
 * A request to change the protocol (WebSocket or any other), and the tunnel that comes of it: bytes both ways with back-pressure,
 * each direction ended by itself. An instance that answers otherwise than 101 is passed on, and the connection then closed.
 */
export class Tunnel implements Open {
  place = 0
  readonly #core: Core
  readonly #connection: Connection
  readonly #head: Buffer
  readonly #asked: Asked
  readonly #beganMs: number
  #service: string | null = null
  #version: string | null = null
  #instance: string | null = null
  #preference: Preference | null = null
  #held: Backend | null = null
  #outgoing: ClientRequest | null = null
  #upstream: Duplex | null = null
  #refusing: Set<Backend> | null = null
  #status = 0
  #failed = false
  #counted = false
  #over = false

  constructor(core: Core, connection: Connection, head: Buffer, asked: Asked) {
    this.#core = core
    this.#connection = connection
    this.#head = head
    this.#asked = asked
    this.#beganMs = core.clock.monotonicMs()
  }

  run(): void {
    this.#core.opened(this)
    this.#connection.open.add(this)
    this.#forward()
  }

  #forward(): void {
    const destination = this.#core.router.find(this.#asked.heading.host, this.#asked)
    if (!destination) {
      this.#refuse(unknownHost(this.#asked.heading.host))
      return
    }
    this.#service = destination.service
    this.#version = destination.mainVersion
    const why = destination.rules?.refusal(this.#asked.heading.client, null, this.#beganMs) ?? null
    if (why && this.#refusing === null) {
      this.#refuse(why)
      return
    }
    this.#preference ??= preferenceOf(destination, this.#asked.path, this.#asked.heading.pairs)
    const choice = choose(destination, this.#refusing, this.#preference)
    if (!choice) {
      this.#refuse(this.#refusing ? connectionFailed : noHealthyInstance)
      return
    }
    this.#version = choice.version
    this.#instance = choice.backend.instance
    this.#held = choice.backend
    this.#core.router.hold(choice.backend)
    this.#send(choice.backend)
  }

  #send(backend: Backend): void {
    const { method, path, heading } = this.#asked
    const outgoing = sendRequest({
      host: backend.host,
      port: backend.port,
      method,
      path,
      headers: [...pairsFor(this.#asked), 'Connection', 'Upgrade', 'Upgrade', heading.upgrade ?? ''],
      agent: backend.fresh,
    })
    this.#outgoing = outgoing
    outgoing.on('upgrade', (incoming, upstream, head) => this.#join(incoming, upstream, head))
    outgoing.on('response', (incoming) => this.#passOn(incoming))
    outgoing.on('error', (error: Error & { syscall?: string }) => {
      if (outgoing !== this.#outgoing || this.#over) return
      if (this.#status !== 0) {
        this.#breakOff()
        return
      }
      const refusing = this.#letGo()
      if (isOutOfDescriptors(error)) {
        this.#core.exhausted(error)
        this.#refuse(edgeFull)
        return
      }
      if (error.syscall !== 'connect' || !refusing) {
        this.#refuse(connectionFailed)
        return
      }
      this.#refusing ??= new Set()
      this.#refusing.add(refusing)
      this.#forward()
    })
    outgoing.end()
  }

  #join(incoming: IncomingMessage, upstream: Duplex, head: Buffer): void {
    const { socket } = this.#connection
    if (this.#over) return void upstream.destroy()
    const answer = readAnswerPass(incoming.rawHeaders, 101)
    if (!answer) {
      upstream.destroy()
      this.#refuse(answerUnusable)
      return
    }
    this.#upstream = upstream
    this.#status = 101
    const pairs = namedPairs(answer, this.#asked.requestId)
    if (this.#preference?.setCookie) pairs.push('Set-Cookie', this.#preference.setCookie)
    const protocol = incoming.headers.upgrade ?? this.#asked.heading.upgrade ?? ''
    socket.write(
      rawHead(101, 'Switching Protocols', [...pairs, 'Connection', 'Upgrade', 'Upgrade', protocol]),
      'latin1',
    )
    if (head.length > 0) socket.write(head)
    if (this.#head.length > 0) upstream.write(this.#head)
    upstream.on('error', () => this.#breakOff())
    upstream.on('close', () => this.#upstreamClosed(upstream))
    socket.pipe(upstream)
    upstream.pipe(socket)
    this.#count()
  }

  /** Closed after both directions were ended, all is said and the client's side closes by itself; before that it is broken. */
  #upstreamClosed(upstream: Duplex): void {
    if (this.#over) return
    if (upstream.readableEnded && upstream.writableFinished) this.#letGo()
    else this.#breakOff()
  }

  /** The instance declined: its answer as it is, its end marked by the end of the connection where no length says it. */
  #passOn(incoming: IncomingMessage): void {
    if (this.#over) return
    const { socket } = this.#connection
    const status = incoming.statusCode ?? 502
    const answer = readAnswerPass(incoming.rawHeaders, status)
    if (!answer) {
      this.#refuse(answerUnusable)
      return
    }
    this.#status = status
    const asksFor = incoming.headers.upgrade // what a 426 demands
    const pairs = namedPairs(answer, this.#asked.requestId)
    if (asksFor !== undefined) pairs.push('Upgrade', asksFor)
    socket.write(rawHead(status, incoming.statusMessage ?? '', [...pairs, 'Connection', 'close']), 'latin1')
    incoming.on('close', () => {
      if (!incoming.complete) this.#breakOff()
    })
    incoming.on('error', () => this.#breakOff())
    incoming.on('end', () => {
      this.#letGo()
      endGently(socket)
    })
    incoming.pipe(socket, { end: false })
  }

  #refuse(refusal: Refusal): void {
    if (this.#over) return
    const { socket } = this.#connection
    const outgoing = this.#outgoing
    this.#outgoing = null
    outgoing?.destroy()
    this.#letGo()
    this.#status = refusal.status
    this.#failed = refusal.status >= 500
    endGently(socket, rawPage(this.#core.worded(refusal), this.#asked.heading.accept, this.#asked.requestId))
  }

  #breakOff(): void {
    if (this.#over) return
    if (this.#status !== 101) this.#failed = true
    this.#connection.socket.resetAndDestroy()
    this.clientGone()
  }

  clientGone(): void {
    if (this.#over) return
    this.#over = true
    const upstream = this.#upstream
    if (upstream?.readableEnded && this.#connection.socket.readableEnded && !upstream.destroyed) {
      upstream.once('close', () => this.#letGo()) // both have ended; the last bytes may still be on their way to the instance
    } else {
      this.#outgoing?.destroy()
      if (upstream instanceof Socket) upstream.resetAndDestroy() // it was broken off, not ended
      this.#letGo()
    }
    this.#connection.open.delete(this)
    this.#core.closed(this)
    this.#count()
  }

  #letGo(): Backend | null {
    const backend = this.#held
    this.#held = null
    if (backend) this.#core.router.release(backend)
    return backend
  }

  /** Once: a tunnel when it stands, since its length says nothing about latency; anything else when it is over. */
  #count(): void {
    if (this.#counted) return
    this.#counted = true
    const { socket } = this.#connection
    this.#core.ended({
      asked: this.#asked,
      status: this.#status === 0 ? 499 : this.#status,
      bytes: socket.bytesWritten - this.#connection.loggedBytes,
      durationMs: this.#core.clock.monotonicMs() - this.#beganMs,
      service: this.#service,
      version: this.#version,
      instance: this.#instance,
      failed: this.#failed,
      chosen: this.#preference?.version != null,
    })
  }

  sweep(nowMs: number): void {
    if (this.#status === 0 && nowMs > this.#beganMs + this.#core.limits.answerMs) this.#refuse(answerLate)
  }
}

/**
 * Says the last words and closes. What the other still sends is read and left for a moment: closing over unread bytes resets the
 * connection, and the words may be lost with it.
 */
export const endGently = (socket: Duplex, words: string | Buffer = ''): void => {
  if (!socket.writable) return void socket.destroy()
  let waiting = setTimeout(() => socket.destroy(), 60_000).unref()
  socket.once('finish', () => {
    clearTimeout(waiting)
    waiting = setTimeout(() => socket.destroy(), 1_000).unref()
  })
  socket.once('close', () => clearTimeout(waiting)) // else each connection would be remembered for a minute
  socket.end(words, 'utf8')
  socket.resume()
}
