import { type Asked, headFor } from './asked.ts'
import type { Backend } from './backend.ts'
import { type Coding, compressed, createEncoder } from './compression.ts'
import type { Core, Open } from './core.ts'
import type { Entrant, Gate } from './gate.ts'
import { fieldIn, linesOf, namedPairs, passableTrailers } from './headers.ts'
import { STATUS_CODES } from './http.ts'
import type { Tap } from './mirror.ts'
import { type Preference, preferenceOf } from './preference.ts'
import {
  answerLate,
  answerUnusable,
  bodyLate,
  connectionFailed,
  edgeFull,
  noHealthyInstance,
  pageOf,
  type Refusal,
  rawHead,
  unknownHost,
} from './refusal.ts'
import { choose } from './router.ts'
import { overloaded, type Rules, tooLarge } from './rules.ts'
import type { Answer, AnswerFraming } from './wire/answer.ts'
import type { Client, Served } from './wire/client.ts'
import type { Listener, Upstream } from './wire/upstream.ts'

type Encoder = { readonly stream: ReturnType<typeof createEncoder>; readonly isOpen: boolean }

/** A whole request; bodies that stand still are ended long before. */
const requestMs = 3_600_000
/** An answer's head and a piece up to this size leave as one write; larger pieces are not copied. */
const joinedBytes = 16 << 10
const scratchBytes = 80 << 10
let scratch = Buffer.allocUnsafeSlow(scratchBytes)

/**
 * One request and its answer. Whatever happens, the client gets the instance's answer whole, an answer of the edge's own, or a
 * connection that is visibly broken off; and the instance's books are balanced once.
 */
export class Exchange implements Open, Served, Listener, Entrant {
  place = 0
  readonly #core: Core
  readonly #client: Client
  readonly #asked: Asked
  readonly #beganMs: number
  #givenBytes = 0
  #service: string | null = null
  #version: string | null = null
  #instance: string | null = null
  #preference: Preference | null = null
  /** Null for most: nothing of what they ask for is looked at. */
  #rules: Rules | null = null
  #encoder: Encoder | null = null
  #gate: Gate | null = null
  #waits = false
  /** By a rule, before any instance was chosen: it says nothing of a version. */
  #isTurnedAway = false
  #bodyBytes = 0
  #tap: Tap | null = null
  #held: Backend | null = null
  #upstream: Upstream | null = null
  #refusing: Set<Backend> | null = null
  #resets = 0
  #continued = false
  /** The head of the answer while it waits for the first piece of the body. */
  #head: string | null = null
  #begun = false
  /** In chunks of our own; else the pieces as they are. */
  #inChunks = false
  #isCorked = false
  #keeps = false
  #status = 0
  #failed = false
  /** Writes whose end is awaited: all to a client over TLS or HTTP/2, else the last one. */
  #untaken = 0
  #onTaken: ((error?: Error | null) => void) | null = null
  /** All has been said, and is over once it is taken. */
  #awaitsTaking = false
  #over = false
  #endedMs: number | undefined
  #answerDueMs: number
  #progress = 0
  #progressMs: number

  constructor(core: Core, client: Client, asked: Asked, nowMs: number) {
    this.#core = core
    this.#client = client
    this.#asked = asked
    this.#beganMs = nowMs
    this.#answerDueMs = nowMs + core.limits.answerMs
    this.#progressMs = nowMs
  }

  run(): void {
    this.#core.opened(this)
    this.#client.expectBody(this.#asked.heading.body)
    this.#forward({ fresh: false })
  }

  /** Chooses by the table as it is now, also for a second attempt: what was taken out meanwhile gets nothing new. */
  #forward({ fresh }: { fresh: boolean }): void {
    const destination = this.#core.router.find(this.#asked.heading.host, this.#asked)
    if (!destination) {
      this.#refuse(unknownHost(this.#asked.heading.host))
      return
    }
    this.#service = destination.service
    this.#version ??= destination.mainVersion
    const isFirst = this.#preference === null
    if (destination.rules && isFirst) {
      this.#rules = destination.rules
      this.#answerDueMs = this.#beganMs + this.#answerMs()
      const why = destination.rules.refusal(this.#asked.heading.client, lengthOf(this.#asked), this.#beganMs)
      if (why) {
        this.#isTurnedAway = true
        this.#refuse(why)
        return
      }
      if (destination.rules.gate && !this.#enter(destination.rules.gate)) return
    }
    this.#preference ??= preferenceOf(destination, this.#asked.path, this.#asked.heading.pairs)
    const choice = choose(destination, this.#refusing, this.#preference)
    if (!choice) {
      this.#refuse(this.#refusing ? connectionFailed : noHealthyInstance)
      return
    }
    this.#version = choice.version
    this.#hold(choice.backend)
    this.#send(choice.backend, fresh || !this.#asked.repeatable)
    if (isFirst && destination.mirror) this.#tap = this.#core.mirror.copy(destination, this.#asked)
  }

  /** False when it waits for its turn, or there is no room to wait. */
  #enter(gate: Gate): boolean {
    if (this.#gate) return true
    const how = gate.enter(this)
    if (how === 'full') this.tooLate()
    else this.#gate = gate
    this.#waits = how === 'waits'
    return how === 'entered'
  }

  admitted(): void {
    this.#waits = false
    this.#answerDueMs = this.#core.clock.monotonicMs() + this.#answerMs()
    this.#forward({ fresh: false })
  }

  tooLate(): void {
    this.#waits = false
    this.#gate = null
    this.#isTurnedAway = true
    this.#refuse(overloaded)
  }

  #send({ pool, port }: Backend, fresh: boolean): void {
    const upstream = fresh ? pool.open(port) : pool.take(port, this.#beganMs)
    this.#upstream = upstream
    upstream.ask(headFor(this.#asked), this.#asked.method === 'HEAD', this)
  }

  // What the instance's connection tells.

  connected(): void {
    if (!this.#client.isComplete) this.#client.goOn() // until now another endpoint could still have taken the request
  }

  hinted({ status, reason, pass }: Answer): void {
    if (this.#begun || this.#asked.httpVersion !== '1.1') return
    if (status === 100) {
      if (!this.#asked.heading.expectsContinue || this.#continued) return
      this.#continued = true
      this.#say('HTTP/1.1 100 Continue\r\n\r\n')
    } else if (pass) {
      const pairs = namedPairs(pass, this.#asked.requestId)
      this.#say(rawHead(status, reason, pairs))
    }
  }

  answered({ status, lines, opening, pass }: Answer, framing: AnswerFraming): void {
    if (!pass) {
      this.#refuse(answerUnusable)
      return
    }
    const isCurrent = this.#asked.httpVersion === '1.1'
    const withoutLength = framing === 'chunked' || framing === 'open'
    this.#inChunks = withoutLength && isCurrent
    this.#keeps = this.#mayKeep() && (!withoutLength || isCurrent)
    if (this.#held && this.#held.failures !== 0) this.#held.readmit()
    let head = pass.isNamed ? opening : `${opening}${this.#asked.requestId}\r\n`
    if (this.#rules) {
      const ruled = this.#applyRules(this.#rules, status, lines, withoutLength && isCurrent)
      head = pass.isNamed ? ruled.lines : `${ruled.lines}X-Request-Id: ${this.#asked.requestId}\r\n`
      if (ruled.isEncoded) this.#inChunks = true
    }
    if (!pass.isDated) head += `Date: ${this.#core.httpDate()}\r\n`
    if (this.#inChunks) head += 'Transfer-Encoding: chunked\r\n'
    if (this.#inChunks && pass.trailer !== null) head += `Trailer: ${pass.trailer}\r\n`
    if (this.#preference?.setCookie) head += `Set-Cookie: ${this.#preference.setCookie}\r\n`
    this.#status = status
    this.#begun = true
    this.#head = head + this.#connectionLines()
  }

  /** What a service asked for: its answers compressed, and never again by plain HTTP. */
  #applyRules({ rules }: Rules, status: number, lines: string, isOpen: boolean): { lines: string; isEncoded: boolean } {
    const { heading, method, httpVersion } = this.#asked
    let changed = lines
    let isEncoded = false
    if (rules.compress && httpVersion === '1.1') {
      const acceptEncoding = fieldIn(heading.pairs, 'accept-encoding')
      const found = compressed(lines, { method, status, acceptEncoding })
      if (found) changed = found.lines
      if (found?.coding) {
        isEncoded = true
        this.#encoder = this.#encode(found.coding, isOpen)
      }
    }
    if (rules.hsts !== undefined && heading.proto === 'https' && !/^strict-transport-security:/im.test(changed))
      changed += `Strict-Transport-Security: ${rules.hsts}\r\n`
    return { lines: changed, isEncoded }
  }

  #encode(coding: Coding, isOpen: boolean): Encoder {
    const stream = createEncoder(coding)
    stream.on('data', (bytes: Buffer) => {
      if (this.#over) return
      this.#pass(bytes, false)
      this.#flush()
    })
    stream.on('drain', () => this.#upstream?.resume())
    stream.on('error', () => this.#breakOff())
    return { stream, isOpen }
  }

  piece(bytes: Buffer, isLent: boolean): boolean {
    if (!this.#encoder) return this.#pass(bytes, isLent)
    if (!this.#encoder.stream.write(isLent ? Buffer.from(bytes) : bytes)) this.#upstream?.pause()
    return true
  }

  /** Whether the bytes are still needed. */
  #pass(bytes: Buffer, isLent: boolean): boolean {
    const { writesThrough, socket } = this.#client
    const before = `${this.#head ?? ''}${this.#inChunks ? `${bytes.length.toString(16)}\r\n` : ''}`
    const after = this.#inChunks ? '\r\n' : ''
    this.#head = null
    if (this.#inChunks) this.#cork()
    const isCopied = isLent || (before !== '' && bytes.length <= joinedBytes)
    let takesMore: boolean
    if (isCopied && writesThrough && !this.#isCorked) takesMore = this.#giveAtOnce(before, bytes)
    else if (isCopied) takesMore = this.#give(joined(before, bytes, after))
    else {
      const isCorked = this.#isCorked
      if (before !== '' && !isCorked) socket.cork()
      if (before !== '') this.#say(before)
      takesMore = this.#give(bytes)
      if (after !== '') takesMore = this.#say(after)
      if (before !== '' && !isCorked) socket.uncork()
    }
    const isWithKernel = writesThrough && socket.writableLength === 0
    if (!takesMore && !isWithKernel) {
      this.#upstream?.pause()
      this.#encoder?.stream.pause()
    }
    return !isCopied && !isWithKernel
  }

  /** By way of memory that is used again at once where the kernel took all of it. */
  #giveAtOnce(before: string, bytes: Buffer): boolean {
    const size = before.length + bytes.length
    if (size > scratch.length) return this.#give(joined(before, bytes, ''))
    const { socket } = this.#client
    if (before !== '') scratch.write(before, 0, 'latin1')
    bytes.copy(scratch, before.length)
    const takesMore = this.#give(scratch.subarray(0, size))
    if (socket.writableLength > 0) scratch = Buffer.allocUnsafeSlow(scratchBytes)
    return takesMore
  }

  paused(): void {
    if (!this.#encoder) this.#flush()
    else if (this.#encoder.isOpen) this.#encoder.stream.flush() // somebody waits for what there is of a stream
  }

  ended(trailers: readonly string[]): void {
    const upstream = this.#upstream
    this.#upstream = null
    const backend = this.#letGo()
    this.#endedMs = this.#core.clock.monotonicMs()
    if (upstream && backend && this.#client.isComplete) backend.giveBack(upstream, this.#endedMs)
    else upstream?.destroy()
    const encoder = this.#encoder
    if (!encoder) {
      this.#endAnswer(trailers)
      return
    }
    encoder.stream.once('end', () => {
      if (!this.#over) this.#endAnswer(trailers)
    })
    encoder.stream.end()
  }

  #endAnswer(trailers: readonly string[]): void {
    if (this.#inChunks) {
      this.#cork()
      this.#say(`${this.#head ?? ''}0\r\n${linesOf(passableTrailers(trailers))}\r\n`)
      this.#head = null
    }
    this.#flush()
    this.#finish()
  }

  upstreamDrained(): void {
    if (!this.#client.isComplete) this.#client.goOn()
  }

  failed(how: 'unreachable' | 'malformed' | 'broken' | Error): void {
    const wasReused = this.#upstream?.reused === true
    this.#upstream = null
    const backend = this.#letGo()
    if (how instanceof Error) {
      this.#core.exhausted(how)
      this.#refuse(edgeFull)
      return
    }
    if (backend && how !== 'malformed' && !wasReused && !this.#begun)
      this.#core.router.noteFailure(backend, this.#core.clock.monotonicMs())
    if (this.#begun) this.#breakOff()
    else if (how === 'malformed') this.#refuse(answerUnusable)
    else if (how === 'unreachable' && backend) {
      this.#refusing ??= new Set()
      this.#refusing.add(backend)
      this.#forward({ fresh: false })
    } else if (!this.#asked.repeatable || !(wasReused || this.#resets < (this.#rules?.rules.retries ?? 1)))
      this.#refuse(connectionFailed)
    else {
      // A kept connection that the instance was just closing says nothing about the instance; a new one that breaks does, once.
      if (!wasReused) this.#resets += 1
      this.#forward({ fresh: true })
    }
  }

  // What the client's connection tells.

  takesBody(): boolean {
    if (this.#waits) return false
    const upstream = this.#upstream
    return upstream === null || (upstream.isConnected && !upstream.isHeldBack)
  }

  bodyPiece(bytes: Buffer): void {
    if (this.#rules) {
      this.#bodyBytes += bytes.length
      const most = this.#rules.rules.bodyBytes
      if (most !== undefined && this.#bodyBytes > most) {
        this.#refuse(tooLarge(most))
        return
      }
    }
    this.#tap?.data(bytes)
    const upstream = this.#upstream
    if (this.#asked.heading.body !== 'chunked') upstream?.write(bytes)
    else
      upstream?.together(() => {
        upstream.write(`${bytes.length.toString(16)}\r\n`)
        upstream.write(bytes)
        return upstream.write('\r\n')
      })
  }

  bodyEnd(trailers: readonly string[]): void {
    this.#tap?.end()
    this.#answerDueMs = this.#core.clock.monotonicMs() + this.#answerMs()
    if (this.#asked.heading.body !== 'chunked') return
    this.#upstream?.write(`0\r\n${linesOf(passableTrailers(trailers))}\r\n`)
  }

  clientDrained(): void {
    this.#upstream?.resume()
    this.#encoder?.stream.resume()
  }

  #answerMs(): number {
    return this.#rules?.rules.answerMs ?? this.#core.limits.answerMs
  }

  clientGone(): void {
    if (this.#over) return
    this.#upstream?.destroy()
    this.#close(this.#failed ? this.#status : 499) // nginx's word for a client that went away
  }

  sweep(nowMs: number): void {
    const { bodyStallMs, takeStallMs } = this.#core.limits
    const { socket, isComplete } = this.#client
    const untaken = socket.writableLength
    const progress = socket.bytesRead + socket.bytesWritten - untaken
    if (progress !== this.#progress) {
      this.#progress = progress
      this.#progressMs = nowMs
    }
    const stalledMs = nowMs - this.#progressMs
    const wholeMs = this.#rules?.rules.wholeMs
    if (wholeMs !== undefined && nowMs - this.#beganMs > wholeMs) this.#refuse(answerLate)
    else if (this.#begun) {
      // Of a client that is held back because the instance takes nothing, the end of its connection is not even seen.
      const notTaken = !isComplete && this.#upstream?.isHeldBack === true
      if ((untaken > 0 || notTaken) && stalledMs > takeStallMs) this.#breakOff()
    } else if (!this.#waits && !isComplete) {
      this.#answerDueMs = nowMs + this.#answerMs() // it counts from the end of the request
      if (stalledMs > bodyStallMs) this.#refuse(this.#upstream?.isHeldBack ? answerLate : bodyLate)
      else if (nowMs - this.#beganMs > (this.#rules?.rules.requestMs ?? requestMs)) this.#refuse(bodyLate)
    } else if (!this.#waits && nowMs > this.#answerDueMs) this.#refuse(answerLate)
  }

  /** A client that was told no before it sent its body may or may not send it. */
  #mayKeep(): boolean {
    const { expectsContinue, upgrade, keepsOpen } = this.#asked.heading
    if (!keepsOpen || upgrade !== null || this.#client.isShed || this.#client.isLast || this.#core.isRetiring())
      return false
    return !expectsContinue || this.#continued || this.#client.isComplete
  }

  /** The end of an answer's head. */
  #connectionLines(): string {
    return this.#keeps ? this.#core.keepAliveLines : 'Connection: close\r\n\r\n'
  }

  #refuse(refusal: Refusal): void {
    if (this.#over) return
    this.#upstream?.destroy()
    this.#upstream = null
    const backend = this.#letGo()
    this.#failed = refusal.status >= 500 && (this.#service !== null || backend !== null)
    if (this.#begun) {
      this.#breakOff()
      return
    }
    const { headers, body } = pageOf(this.#core.worded(refusal), this.#asked.heading.accept, this.#asked.requestId)
    this.#status = refusal.status
    this.#begun = true
    this.#inChunks = false
    this.#keeps = this.#mayKeep()
    headers.push('Date', this.#core.httpDate())
    const line = `HTTP/1.1 ${refusal.status} ${STATUS_CODES[refusal.status] ?? 'Error'}\r\n`
    const head = `${line}${linesOf(headers)}${this.#connectionLines()}`
    this.#give(Buffer.from(this.#asked.method === 'HEAD' ? head : head + body))
    this.#finish()
    this.#client.goOn()
  }

  #breakOff(): void {
    if (this.#over) return
    this.#failed = true
    this.#upstream?.destroy()
    this.#client.breakOff()
    this.#close(this.#status)
  }

  /** Over once the client's kernel has all of it. */
  #finish(): void {
    const { socket, writesThrough } = this.#client
    if (socket.writableLength === 0) this.#done(this.#endedMs)
    else {
      this.#awaitsTaking = true
      if (writesThrough) this.#write('')
    }
  }

  #done(nowMs: number | undefined): void {
    if (this.#over) return
    this.#close(this.#status, nowMs)
    if (this.#keeps) this.#client.answered()
    else this.#client.leaveWith()
  }

  /** Head lines and framing: latin1, as they came. */
  #say(text: string): boolean {
    if (this.#givenBytes > 0) this.#client.hurry()
    this.#givenBytes += text.length
    return this.#write(text)
  }

  #give(bytes: Buffer): boolean {
    if (this.#givenBytes > 0) this.#client.hurry()
    this.#givenBytes += bytes.length
    return this.#write(bytes)
  }

  /** TLS takes what it is given a moment later, and a further, empty write would be a system call. */
  #write(bytes: Buffer | string): boolean {
    const { socket, writesThrough } = this.#client
    if (writesThrough && !this.#awaitsTaking) return socket.write(bytes, 'latin1')
    this.#untaken += 1
    this.#onTaken ??= (error) => {
      this.#untaken -= 1
      if (error) return // its close follows
      if (this.#awaitsTaking && this.#untaken === 0) this.#done(this.#core.clock.monotonicMs())
    }
    return socket.write(bytes, 'latin1', this.#onTaken)
  }

  #cork(): void {
    if (this.#isCorked) return
    this.#isCorked = true
    this.#client.socket.cork()
  }

  #flush(): void {
    if (this.#head !== null) {
      this.#say(this.#head)
      this.#head = null
    }
    if (!this.#isCorked) return
    this.#isCorked = false
    this.#client.socket.uncork()
  }

  #hold(backend: Backend): void {
    this.#held = backend
    this.#instance = backend.instance
    this.#core.router.hold(backend)
  }

  #letGo(): Backend | null {
    const backend = this.#held
    this.#held = null
    if (backend) this.#core.router.release(backend)
    return backend
  }

  #close(status: number, nowMs = this.#core.clock.monotonicMs()): void {
    this.#over = true
    this.#encoder?.stream.destroy()
    this.#upstream = null
    this.#tap?.drop()
    this.#letGo()
    if (this.#gate) this.#leaveGate(this.#gate)
    this.#core.closed(this)
    this.#core.ended({
      asked: this.#asked,
      status,
      bytes: this.#givenBytes,
      durationMs: nowMs - this.#beganMs,
      service: this.#service,
      version: this.#version,
      instance: this.#instance,
      failed: this.#failed,
      chosen: this.#isTurnedAway || this.#preference?.version != null,
    })
  }

  #leaveGate(gate: Gate): void {
    this.#gate = null
    if (this.#waits) gate.giveUp(this)
    else gate.leave()
    this.#waits = false
  }
}

const lengthOf = ({ heading: { body } }: Asked): number | null =>
  typeof body === 'object' ? Number(body.lengthBytes) : null

const joined = (before: string, bytes: Buffer, after: string): Buffer => {
  const whole = Buffer.allocUnsafe(before.length + bytes.length + after.length)
  if (before !== '') whole.write(before, 0, 'latin1')
  bytes.copy(whole, before.length)
  if (after !== '') whole.write(after, before.length + bytes.length, 'latin1')
  return whole
}
