import { createConnection, type Socket } from 'node:net'
import { isOutOfDescriptors } from '../descriptors.ts'
import { type Answer, type AnswerFraming, bodyOf, readAnswer } from './answer.ts'
import { type Body, OpenBody } from './body.ts'
import { endOfHead } from './head.ts'

/** What an answer is heard by. After `ended` or `failed` nothing more comes. */
export type Listener = {
  connected(): void
  /** An interim answer (1xx but 101). */
  hinted(answer: Answer): void
  answered(answer: Answer, framing: AnswerFraming): void
  /** What is lent is only there until this returns; of anything else, whether it is still needed then. */
  piece(bytes: Buffer, isLent: boolean): boolean
  /** All that had arrived has been told. */
  paused(): void
  ended(trailers: readonly string[]): void
  /** It takes more of the request again. */
  upstreamDrained(): void
  /** An error is one of this process, which has no descriptor left: it says nothing about the instance. */
  failed(how: 'unreachable' | 'malformed' | 'broken' | Error): void
}

/** Larger than what is taken from clients: cookies and policies that a service sets add up. */
const headBytes = 64 << 10
const mostHints = 32
const readBytes = 64 << 10
const smallBytes = 16 << 10
/**
 * Read into by every connection to an instance whose answers are small: they are copied and sent on before anything else is read. A
 * connection with larger ones reads into memory of its own, which is passed on without a copy and used again once the client has it.
 */
const lent = Buffer.allocUnsafeSlow(readBytes)

/** A connection to an instance, and the reader of its answers. For one request at a time; idle in between. */
export class Upstream {
  readonly port: number
  /** Whether it has served a request before. */
  reused = false
  /** While idle: when it is to be closed; the instance may have said that it closes earlier. */
  idleUntilMs = 0
  readonly #socket: Socket
  #listener: Listener | null = null
  #rest: Buffer | null = null
  #body: Body | null = null
  #isHead = false
  #hints = 0
  /** For how long it may be kept after what it serves. */
  #keptMs = 0
  /** The last head, as the next one is often the same. */
  #answer: Answer | null = null
  #everConnected = false
  #isPaused = false
  #own: Buffer | null = null
  /** Whether its answers are large. */
  #isLarge = false
  #isLent = false
  /** Somebody holds what was read last. */
  #isTaken = false

  constructor(host: string, port: number, closed: (upstream: Upstream) => void) {
    this.port = port
    const buffer = (): Buffer => {
      if (this.#body === null && !this.#isLarge) return lent
      this.#own ??= Buffer.allocUnsafeSlow(readBytes)
      return this.#own
    }
    const callback = (size: number, bytes: Uint8Array): boolean => {
      this.#isLent = bytes === lent
      this.#isTaken = false
      this.#take(Buffer.from(bytes.buffer, bytes.byteOffset, size))
      if (this.#isTaken) this.#own = null
      return !this.#isPaused
    }
    // Numeric: no name is looked up.
    this.#socket = createConnection({ host, port, noDelay: true, onread: { buffer, callback } })
    this.#socket.on('connect', () => {
      this.#everConnected = true
      this.#listener?.connected()
    })
    this.#socket.on('drain', () => this.#listener?.upstreamDrained())
    this.#socket.on('end', () => this.#endOfStream())
    let why: 'unreachable' | Error = 'unreachable'
    this.#socket.on('error', (error) => {
      if (isOutOfDescriptors(error)) why = error // its close follows
    })
    this.#socket.on('close', () => {
      closed(this)
      this.#fail(this.#everConnected ? 'broken' : why)
    })
  }

  get isConnected(): boolean {
    return this.#everConnected
  }

  get isHeldBack(): boolean {
    return this.#socket.writableNeedDrain
  }

  /** Sends a request's head and listens for its answer; the body follows by `write`. */
  ask(head: string, isHead: boolean, listener: Listener): void {
    this.#listener = listener
    this.#isHead = isHead
    this.#hints = 0
    this.#socket.write(head, 'latin1')
  }

  /** False when the instance takes no more for now. */
  write(bytes: Buffer | string): boolean {
    return this.#socket.write(bytes, 'latin1')
  }

  /** Puts together what is written within `writes`. */
  together(writes: () => boolean): boolean {
    this.#socket.cork()
    const goOn = writes()
    this.#socket.uncork()
    return goOn
  }

  pause(): void {
    this.#isPaused = true
    this.#socket.pause()
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#socket.resume()
  }

  /** Nobody listens any more. */
  destroy(): void {
    this.#listener = null
    this.#socket.destroy()
  }

  /** Whether it may serve another request; it is then to be kept for at most so long. */
  keepableMs(): number {
    return this.#rest === null && this.#listener === null && !this.#socket.destroyed ? this.#keptMs : 0
  }

  #take(bytes: Buffer): void {
    if (!this.#listener) return void this.destroy() // an answer that nobody asked for
    let at = 0
    if (!this.#body) {
      const here = this.#rest ? Buffer.concat([this.#rest, bytes]) : bytes
      if (this.#rest) this.#isLent = false
      this.#rest = null
      at = this.#takeHeads(here)
      if (at === -1) return
      bytes = here
    }
    if (this.#body && !this.#takeBody(this.#body, bytes, at)) return
    this.#listener?.paused()
  }

  /** Where the body begins; -1 when there is none yet, or nothing more to do. */
  #takeHeads(bytes: Buffer): number {
    let at = 0
    for (;;) {
      const left = at === 0 ? bytes : bytes.subarray(at)
      const repeated = this.#answer
      if (repeated && isRepeated(left, repeated)) return this.#begin(repeated) ? at + repeated.bytes.length : -1
      const end = endOfHead(left)
      if (end === -1 && left.length <= headBytes) {
        if (left.length > 0) this.#rest = Buffer.from(left)
        return -1
      }
      const answer = end === -1 || end > headBytes ? null : readAnswer(left.subarray(0, end))
      if (!answer) return this.#fail('malformed')
      at += end
      if (answer.status >= 200) {
        this.#answer = answer
        return this.#begin(answer) ? at : -1
      }
      this.#hints += 1
      if (answer.status === 101) return this.#fail('broken') // nobody asked for it
      if (this.#hints > mostHints) return this.#fail('malformed')
      this.#listener?.hinted(answer)
      if (!this.#listener) return -1
    }
  }

  #begin(answer: Answer): boolean {
    const framing = this.#isHead ? 'none' : answer.framing
    this.#keptMs = framing === 'open' ? 0 : answer.keptMs
    this.#body = bodyOf(framing, answer.lengthBytes)
    this.#isLarge = framing === 'length' && answer.lengthBytes > smallBytes
    this.#listener?.answered(answer, framing)
    return this.#listener !== null
  }

  readonly #pass = (piece: Buffer): void => {
    if (this.#listener?.piece(piece, this.#isLent)) this.#isTaken = true
  }

  #takeBody(body: Body, bytes: Buffer, from: number): boolean {
    const end = body.take(bytes, from, this.#pass)
    if (end === -1) {
      this.#fail('broken')
      return false
    }
    if (!body.over) return true
    if (end < bytes.length) this.#keptMs = 0 // more than was asked for
    this.#end(body.trailers)
    return false
  }

  #endOfStream(): void {
    if (this.#body instanceof OpenBody && this.#listener) this.#end([])
    else this.#socket.destroy()
  }

  #end(trailers: readonly string[]): void {
    const listener = this.#listener
    this.#listener = null
    this.#body = null
    this.#rest = null
    this.reused = true
    listener?.ended(trailers)
  }

  #fail(how: 'unreachable' | 'malformed' | 'broken' | Error): -1 {
    const listener = this.#listener
    this.destroy()
    listener?.failed(how)
    return -1
  }
}

const isRepeated = (bytes: Buffer, { bytes: before }: Answer): boolean =>
  bytes.length >= before.length && before.compare(bytes, 0, before.length) === 0
