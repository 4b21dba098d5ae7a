import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Heading } from '../asked.ts'
import type { Placed } from '../open-list.ts'
import { type Body, ChunkedBody, LengthBody } from './body.ts'
import {
  endOfHead,
  endOfRepeated,
  mayBecomeHead,
  type RequestLines,
  readRequestLines,
  type Section,
  type Unreadable,
} from './head.ts'
import type { Sections } from './sections.ts'

/** What serves a request: it is told of the body, and of the end of the client. */
export type Served = {
  /** A piece of the body, after it had said that it `takesBody`. */
  bodyPiece(bytes: Buffer): void
  bodyEnd(trailers: readonly string[]): void
  takesBody(): boolean
  /** The client takes more of the answer again. */
  clientDrained(): void
  clientGone(): void
}
export type Server = {
  /** What clients said before. */
  readonly sections: Sections
  /** Null when the connection was taken out of HTTP, or given its last words. */
  serve(client: Client, request: RequestLines, nowMs: number): Served | null
  refuse(client: Client, unreadable: Unreadable | { status: 408 | 431; why: string }): void
  /** Its connection is closed. */
  closed(client: Client): void
}
/** What a connection must be able to do: a TCP socket, a TLS one, a stream of HTTP/2. */
export type Line = Duplex & {
  readonly bytesRead: number
  readonly bytesWritten: number
  /** Ends it so that nothing that was cut looks complete. */
  resetAndDestroy(): unknown
}
/** Who is at the far end, and whether by TLS. */
export type Peer = { readonly address: string; readonly isSecure: boolean }
export type ClientLimits = { readonly headMs: number; readonly keepAliveMs: number; readonly endedMs: number }

const headBytes = 16 << 10
/** What is read ahead of what can be used. */
const aheadBytes = 64 << 10
/** How long a body is still read that nobody waits for any more. */
const drainMs = 30_000
/** How long a client is heard after its last answer: closing over unread bytes resets the connection, and the answer may be lost with it. */
const hearMs = 1_000
const takeLastMs = 60_000
/** A connection as old as this is asked now and then whether its client is still there; most are over long before. */
const probedAfterMs = 30_000
const probeMs = 60_000

/**
 * A client's connection: reads one request after the other; the next only once the one before has been answered, so that answers are
 * in order and what is sent ahead costs nobody but the client.
 */
export class Client implements Placed {
  place = 0
  readonly socket: Line
  readonly peer: Peer
  /** What its last request's header section came to, for whoever judges the next. */
  heading: Heading | null = null
  /** Its next answer is to be its last. */
  isShed = false
  readonly #server: Server
  readonly #nowMs: () => number
  #rest: Buffer | null = null
  #scanned = 0
  #served: Served | null = null
  #answers = 0
  #body: Body | null = null
  #section: Section | null = null
  /** Nothing more is read: the last words have been said, or it is a tunnel. */
  #isOut = false
  #ended = false
  #paused = false
  /** Since when it is awaited that a request is complete, or a body that nobody wants; null while it is idle after an answer. */
  #awaitedMs: number | null
  #idleMs: number
  readonly #beganMs: number
  #isProbed = false
  #hurries = false
  /** Since when it is being left, and has all of its last words. */
  #leftMs: number | null = null
  #saidMs: number | null = null
  /** Since when it has been told nothing, its side being ended; and how much it had been told. */
  #silentMs: number | null = null
  #told = 0

  constructor(socket: Line, peer: Peer, server: Server, nowMs: () => number) {
    this.socket = socket
    this.peer = peer
    this.writesThrough = !peer.isSecure && socket instanceof Socket
    this.#server = server
    this.#nowMs = nowMs
    this.#awaitedMs = nowMs()
    this.#idleMs = this.#awaitedMs
    this.#beganMs = this.#awaitedMs
    socket.on('data', this.#onData)
    socket.on('drain', this.#onDrain)
    socket.on('end', this.#onEnd)
    socket.on('error', closeFollows)
    socket.on('close', this.#onClose)
  }

  readonly #onData = (bytes: Buffer): void => {
    this.#rest = this.#rest ? Buffer.concat([this.#rest, bytes]) : bytes
    this.#advance()
  }
  readonly #onDrain = (): void => this.#served?.clientDrained()
  readonly #onEnd = (): void => {
    this.#ended = true
    this.#advance()
  }
  readonly #onClose = (): void => {
    const served = this.#served
    this.#served = null
    served?.clientGone()
    this.#server.closed(this)
  }

  /** Whether what is written is with the kernel unless `writableLength` says otherwise: nothing between keeps it. */
  readonly writesThrough: boolean

  /** It will say nothing more, so that no request can follow the one that is served. */
  get isLast(): boolean {
    return this.#ended && this.#rest === null
  }

  /** Whether the request that is being served is here in full. */
  get isComplete(): boolean {
    return this.#body === null
  }

  /** What follows may not wait until what was written before has arrived; asked of the kernel only where something follows. */
  hurry(): void {
    if (this.#hurries || !this.writesThrough) return
    this.#hurries = true
    if (this.socket instanceof Socket) this.socket.setNoDelay(true)
  }

  /** Sends the request's body on from where it stopped; never while its caller is still at work. */
  goOn(): void {
    process.nextTick(() => this.#advance())
  }

  /** The request has been answered in full, and the connection is for the next one. */
  answered(): void {
    this.#answers += 1
    this.#served = null
    this.hurry()
    this.#idleMs = this.#nowMs()
    this.#awaitedMs = this.#body ? this.#idleMs : null
    if (this.#rest || this.#ended || this.#paused) process.nextTick(() => this.#advance())
  }

  /** Says these words, and closes; what it still sends is read and left for a moment. */
  leaveWith(words: string | Buffer = ''): void {
    if (words.length === 0 && this.#isSpent()) {
      this.#close()
      return
    }
    this.#leave()
    this.#leftMs = this.#nowMs()
    if (!this.socket.writable) return void this.socket.destroy()
    if (words.length === 0) this.socket.end()
    else this.socket.end(words, 'utf8')
    this.socket.resume()
  }

  /** It has all of its answers and said that nothing follows: closing loses nothing, and need not wait for its end. */
  #isSpent(): boolean {
    const hasAll = this.writesThrough && this.socket.writableLength === 0
    if (!hasAll || this.#rest !== null || this.#body !== null) return false
    return this.#ended || (this.heading !== null && !this.heading.keepsOpen && this.heading.body === 'none')
  }

  #close(): void {
    this.#isOut = true
    this.#served = null
    this.socket.destroy()
  }

  /** A cut body must never look complete, also not where the end of the connection is the end of the body: hence a reset. */
  breakOff(): void {
    this.#leave()
    this.socket.resetAndDestroy()
  }

  /** Hands the bare connection over, with what was sent ahead. */
  handOver(): Buffer {
    this.#leave()
    this.#probe()
    this.hurry()
    const ahead = this.#rest ?? Buffer.alloc(0)
    this.#rest = null
    return ahead
  }

  sweep(nowMs: number, { headMs, keepAliveMs, endedMs }: ClientLimits): void {
    if (!this.#isProbed && nowMs - this.#beganMs > probedAfterMs) this.#probe()
    if (this.#leftMs !== null) this.#sweepLeft(nowMs, this.#leftMs)
    if (this.#isOut) return
    if (this.#served) {
      if (this.#ended) this.#sweepEnded(nowMs, endedMs)
    } else if (this.#body) {
      if (nowMs - (this.#awaitedMs ?? nowMs) > drainMs) this.socket.destroy()
    } else if (this.#awaitedMs !== null) {
      if (nowMs - this.#awaitedMs <= headMs) return
      if (this.#rest) this.#server.refuse(this, { status: 408, why: 'it did not arrive in time' })
      else this.leaveWith()
    } else if (nowMs - this.#idleMs > keepAliveMs) this.leaveWith()
  }

  #sweepLeft(nowMs: number, leftMs: number): void {
    if (this.socket.writableFinished) this.#saidMs ??= nowMs
    if (nowMs - (this.#saidMs ?? nowMs) >= hearMs || nowMs - leftMs > takeLastMs) this.socket.destroy()
  }

  #sweepEnded(nowMs: number, endedMs: number): void {
    const told = this.socket.bytesWritten - this.socket.writableLength
    if (this.#silentMs === null || told !== this.#told) {
      this.#silentMs = nowMs
      this.#told = told
    } else if (nowMs - this.#silentMs > endedMs) this.#gone()
  }

  #probe(): void {
    this.#isProbed = true
    if (this.socket instanceof Socket) this.socket.setKeepAlive(true, probeMs)
  }

  #leave(): void {
    this.#isOut = true
    this.#served = null
    this.socket.off('data', this.#onData)
    this.socket.off('drain', this.#onDrain)
    this.socket.off('end', this.#onEnd)
    this.socket.pause() // until somebody listens again
  }

  #advance(): void {
    while (!this.#isOut && this.#step()) {}
    if (!this.#isOut) this.#flow()
  }

  /** Does what can be done with what is here; whether there may be more to do. */
  #step(): boolean {
    if (this.#body) return this.#rest ? this.#takeBody(this.#body, this.#rest) : this.#lookForEnd()
    if (this.#served) return false
    return this.#rest ? this.#takeHead(this.#rest) : this.#lookForEnd()
  }

  #takeBody(body: Body, bytes: Buffer): boolean {
    const served = this.#served
    if (served && !served.takesBody()) return false
    const end = body.take(bytes, 0, (piece) => served?.bodyPiece(piece))
    if (this.#isOut) return false
    if (end === -1) {
      this.#gone()
      return false
    }
    this.#rest = end < bytes.length ? bytes.subarray(end) : null
    if (body.over) {
      this.#body = null
      this.#awaitedMs = null
      served?.bodyEnd(body.trailers)
    }
    return this.#rest !== null || this.#ended
  }

  #takeHead(bytes: Buffer): boolean {
    if (bytes[0] === 0x0d && bytes[1] === 0x0a && this.#scanned <= 2) {
      this.#rest = bytes.length > 2 ? bytes.subarray(2) : null // RFC 9112, 2.2: an empty line ahead of a request
      this.#scanned = 0
      return this.#rest !== null
    }
    this.#awaitedMs ??= this.#nowMs()
    const repeated = this.#section === null ? -1 : endOfRepeated(bytes, this.#section)
    const end = repeated === -1 ? endOfHead(bytes) : repeated
    if (end > headBytes || (end === -1 && bytes.length > headBytes))
      return this.#refuse({ status: 431, why: `its header section is larger than ${headBytes} bytes` })
    if (end === -1) {
      if (!mayBecomeHead(bytes, this.#scanned) || this.#ended)
        return this.#refuse({ status: 400, why: 'it is not valid HTTP/1.1' })
      this.#scanned = bytes.length
      return false
    }
    this.#scanned = 0
    this.#rest = end < bytes.length ? bytes.subarray(end) : null
    const { sections } = this.#server
    const known = repeated === -1 ? sections.find(bytes, end) : this.#section
    const request = readRequestLines(bytes, end, known)
    if ('why' in request) return this.#refuse(request)
    this.#section = request.section
    if (known === null) sections.keep(request.section)
    this.#serve(request)
    return this.#rest !== null || this.#ended
  }

  #serve(request: RequestLines): void {
    const before = this.#answers
    const served = this.#server.serve(this, request, this.#nowMs())
    if (!this.#isOut && this.#answers === before) this.#served = served // else it was refused on the spot
  }

  /** Said by who serves it, before it returns: how the body is framed. */
  expectBody(framing: 'none' | 'chunked' | { readonly lengthBytes: string }): void {
    if (framing === 'none') this.#body = null
    else this.#body = framing === 'chunked' ? new ChunkedBody() : new LengthBody(Number(framing.lengthBytes))
    this.#awaitedMs = this.#body ? this.#nowMs() : null
  }

  #refuse(unreadable: Unreadable | { status: 408 | 431; why: string }): false {
    this.#server.refuse(this, unreadable)
    return false
  }

  /** The client has said all that it will: what it said in full is answered, what it did not is lost. */
  #lookForEnd(): false {
    if (!this.#ended) return false
    if (this.#body) this.#gone()
    else this.leaveWith()
    return false
  }

  #gone(): void {
    const served = this.#served
    this.#leave()
    served?.clientGone()
    this.socket.destroy()
  }

  #flow(): void {
    const wants = (this.#rest?.length ?? 0) <= aheadBytes
    if (wants === !this.#paused) return
    this.#paused = !wants
    if (wants) this.socket.resume()
    else this.socket.pause()
  }
}

const closeFollows = (): void => {}
