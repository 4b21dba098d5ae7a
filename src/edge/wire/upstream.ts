import { createConnection, type Socket } from 'node:net'
import { type Body, ChunkedBody, LengthBody, OpenBody } from './body.ts'
import { endOfHead, type ResponseLines, readResponseLines } from './head.ts'

/** What an answer is heard by. After `ended` or `failed` nothing more comes. */
export type Listener = {
  connected(): void
  /** An interim answer (1xx but 101). */
  hinted(head: ResponseLines): void
  answered(head: ResponseLines, framing: AnswerFraming): void
  piece(bytes: Buffer): void
  /** All that had arrived has been told. */
  paused(): void
  ended(trailers: readonly string[]): void
  /** It takes more of the request again. */
  upstreamDrained(): void
  failed(how: 'unreachable' | 'malformed' | 'broken'): void
}
export type AnswerFraming = 'none' | 'length' | 'chunked' | 'open'

/** Larger than what is taken from clients: cookies and policies that a service sets add up. */
const headBytes = 64 << 10
const mostHints = 32
const idleMs = 30_000

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
  #keeps = true
  #keepsMs = idleMs
  #everConnected = false

  constructor(port: number, closed: (upstream: Upstream) => void) {
    this.port = port
    this.#socket = createConnection({ host: '127.0.0.1', port, noDelay: true }) // numeric: no name is looked up
    this.#socket.on('connect', () => {
      this.#everConnected = true
      this.#listener?.connected()
    })
    this.#socket.on('data', (bytes) => this.#take(bytes))
    this.#socket.on('drain', () => this.#listener?.upstreamDrained())
    this.#socket.on('end', () => this.#endOfStream())
    this.#socket.on('error', () => {}) // its close follows
    this.#socket.on('close', () => {
      closed(this)
      this.#fail(this.#everConnected ? 'broken' : 'unreachable')
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
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Nobody listens any more. */
  destroy(): void {
    this.#listener = null
    this.#socket.destroy()
  }

  /** Whether it may serve another request; it is then to be kept for at most so long. */
  keepableMs(): number {
    return this.#keeps && this.#rest === null && this.#listener === null && !this.#socket.destroyed ? this.#keepsMs : 0
  }

  #take(bytes: Buffer): void {
    if (!this.#listener) return void this.destroy() // an answer that nobody asked for
    let at = 0
    if (!this.#body) {
      const here = this.#rest ? Buffer.concat([this.#rest, bytes]) : bytes
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
      const end = endOfHead(left)
      if (end === -1 && left.length <= headBytes) {
        if (left.length > 0) this.#rest = left
        return -1
      }
      const head = end === -1 || end > headBytes ? null : readResponseLines(left.toString('latin1', 0, end))
      if (!head) return this.#fail('malformed')
      at += end
      if (head.status >= 200) return this.#begin(head) ? at : -1
      this.#hints += 1
      if (head.status === 101) return this.#fail('broken') // nobody asked for it
      if (this.#hints > mostHints) return this.#fail('malformed')
      this.#listener?.hinted(head)
      if (!this.#listener) return -1
    }
  }

  #begin(head: ResponseLines): boolean {
    const framing = framingOf(head, this.#isHead)
    if (!framing) {
      this.#fail('malformed')
      return false
    }
    this.#keeps = framing.kind !== 'open' && keepsOpen(head)
    this.#keepsMs = keepsFor(head)
    this.#body = framing.body
    this.#listener?.answered(head, framing.kind)
    return this.#listener !== null
  }

  #takeBody(body: Body, bytes: Buffer, from: number): boolean {
    const end = body.take(bytes, from, (piece) => this.#listener?.piece(piece))
    if (end === -1) {
      this.#fail('broken')
      return false
    }
    if (!body.over) return true
    if (end < bytes.length) this.#keeps = false // more than was asked for
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

  #fail(how: 'unreachable' | 'malformed' | 'broken'): -1 {
    const listener = this.#listener
    this.destroy()
    listener?.failed(how)
    return -1
  }
}

const valuesOf = ({ rawHeaders }: ResponseLines, lowerName: string): string[] => {
  const values: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (name.length === lowerName.length && name.toLowerCase() === lowerName) values.push(rawHeaders[at + 1] ?? '')
  }
  return values
}

const noBody = new LengthBody(0)

/** RFC 9112, 6.3; null where two readers could differ. */
const framingOf = (head: ResponseLines, isHead: boolean): { kind: AnswerFraming; body: Body } | null => {
  const codings = valuesOf(head, 'transfer-encoding')
  const lengths = valuesOf(head, 'content-length')
  if (codings.length + lengths.length > 1) return null
  const [length] = lengths
  if (length !== undefined && !/^[0-9]{1,15}$/.test(length)) return null
  const [coding] = codings
  if (coding !== undefined && (coding.toLowerCase() !== 'chunked' || head.httpVersion === '1.0')) return null
  if (isHead || head.status === 204 || head.status === 304) return { kind: 'none', body: noBody }
  if (coding !== undefined) return { kind: 'chunked', body: new ChunkedBody() }
  if (length === undefined) return { kind: 'open', body: new OpenBody() }
  return { kind: 'length', body: new LengthBody(Number(length)) }
}

const keepsOpen = (head: ResponseLines): boolean => {
  const options = valuesOf(head, 'connection').join(',').toLowerCase()
  return head.httpVersion === '1.1' ? !options.includes('close') : options.includes('keep-alive')
}

/** `Keep-Alive: timeout=5` is a promise for five seconds; a second of them is for the way. */
const keepsFor = (head: ResponseLines): number => {
  const seconds = /timeout=(\d{1,6})/i.exec(valuesOf(head, 'keep-alive')[0] ?? '')?.[1]
  return seconds === undefined ? idleMs : Math.min(idleMs, Number(seconds) * 1000 - 1000)
}
