import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { type Asked, framingOf } from './asked.ts'
import type { Backend } from './backend.ts'
import type { Connection, Core, Open } from './core.ts'
import { passableTrailers, readResponseHead } from './headers.ts'
import { STATUS_CODES, sendRequest } from './http.ts'
import type { Tap } from './mirror.ts'
import { type Preference, preferenceOf } from './preference.ts'
import {
  answerLate,
  answerUnusable,
  bodyLate,
  connectionFailed,
  malformed,
  noHealthyInstance,
  pageOf,
  type Refusal,
  unknownHost,
} from './refusal.ts'
import { choose } from './router.ts'

/** Larger than what is taken from clients: cookies and policies that a service sets add up. */
const answerHeadBytes = 64 << 10
/** How long a body is still read that nobody waits for any more. */
const drainMs = 30_000

/**
 * One request and its answer over node:http. Whatever happens, the client gets the instance's answer whole, an answer of the edge's
 * own, or a connection that is visibly broken off; and the instance's books are balanced once.
 */
export class Exchange implements Open {
  readonly #core: Core
  readonly #connection: Connection
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #asked: Asked
  readonly #beganMs: number
  #service: string | null = null
  #version: string | null = null
  #instance: string | null = null
  #preference: Preference | null = null
  #tap: Tap | null = null
  #held: Backend | null = null
  #outgoing: ClientRequest | null = null
  #incoming: IncomingMessage | null = null
  #refusing: Set<Backend> | null = null
  #resets = 0
  #continued = false
  #status = 0
  #failed = false
  #over = false
  #answerDueMs: number
  #progress = 0
  #progressMs: number

  constructor(core: Core, connection: Connection, request: IncomingMessage, response: ServerResponse, asked: Asked) {
    this.#core = core
    this.#connection = connection
    this.#request = request
    this.#response = response
    this.#asked = asked
    this.#beganMs = core.clock.monotonicMs()
    this.#answerDueMs = this.#beganMs + core.limits.answerMs
    this.#progressMs = this.#beganMs
  }

  run(): void {
    this.#core.opened(this)
    this.#connection.open.add(this)
    this.#response.on('close', () => this.#close())
    this.#response.on('error', () => {}) // its close follows and is what counts
    this.#forward({ fresh: false })
  }

  clientGone(): void {
    this.#close()
  }

  /** Chooses by the table as it is now, also for a second attempt: what was taken out meanwhile gets nothing new. */
  #forward({ fresh }: { fresh: boolean }): void {
    const destination = this.#core.router.find(this.#asked.host)
    if (!destination) {
      this.#refuse(unknownHost(this.#asked.host))
      return
    }
    this.#service = destination.service
    this.#version ??= destination.mainVersion
    const isFirst = this.#preference === null
    this.#preference ??= preferenceOf(destination, this.#asked)
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

  #send(backend: Backend, fresh: boolean): void {
    const { method, path, pairs, expectsContinue } = this.#asked
    const headers = [...pairs, ...framingOf(this.#asked)]
    if (expectsContinue) headers.push('Expect', '100-continue')
    let outgoing: ClientRequest
    try {
      outgoing = sendRequest({
        host: '127.0.0.1',
        port: backend.port,
        method,
        path,
        headers,
        agent: fresh ? backend.fresh : backend.pooled,
        maxHeaderSize: answerHeadBytes,
      })
    } catch {
      this.#refuse(malformed('it holds characters that cannot be passed on'))
      return
    }
    this.#outgoing = outgoing
    outgoing.on('response', (incoming) => this.#answer(outgoing, incoming))
    outgoing.on('error', (error) => this.#sendingFailed(outgoing, error))
    outgoing.on('close', () => this.#sendingFailed(outgoing, null)) // a last net: it closed and neither of the others came
    outgoing.on('information', (information) => this.#inform(information))
    outgoing.on('upgrade', (_incoming, socket) => {
      socket.destroy() // nobody asked for it
      this.#sendingFailed(outgoing, new Error('unexpected upgrade'))
    })
    if (this.#asked.body === 'none') outgoing.end()
    else this.#sendBody(outgoing)
  }

  /** Touches the body only when connected: until then another endpoint can still take the request. */
  #sendBody(outgoing: ClientRequest): void {
    const request = this.#request
    const start = () => {
      if (outgoing !== this.#outgoing || this.#over) return
      outgoing.flushHeaders()
      request.on('end', () => {
        if (outgoing.writableEnded) return
        const trailers = passableTrailers(request.rawTrailers)
        if (trailers.length > 0) outgoing.addTrailers(trailers)
        outgoing.end()
      })
      if (this.#tap) request.on('data', this.#tap.data).on('end', this.#tap.end)
      request.pipe(outgoing, { end: false })
    }
    outgoing.on('socket', (socket) => {
      if (socket.connecting) socket.once('connect', start)
      else start()
    })
  }

  #inform({ statusCode, rawHeaders }: { statusCode: number; rawHeaders: string[] }): void {
    if (this.#over || this.#response.headersSent || this.#request.httpVersion !== '1.1') return
    if (statusCode === 100) {
      if (!this.#asked.expectsContinue || this.#continued) return
      this.#continued = true
      this.#response.writeContinue()
      return
    }
    const head = readResponseHead(rawHeaders, { status: 204, requestId: this.#asked.requestId, mayTrail: false })
    try {
      if (head.kind === 'usable') this.#response.writeInformation(statusCode, head.pass)
    } catch {
      // a hint that cannot be passed on is no loss
    }
  }

  #answer(outgoing: ClientRequest, incoming: IncomingMessage): void {
    if (outgoing !== this.#outgoing || this.#over) return
    this.#incoming = incoming
    const status = incoming.statusCode ?? 502
    const mayTrail = this.#request.httpVersion === '1.1' && status !== 204 && status !== 304
    const head = readResponseHead(incoming.rawHeaders, { status, requestId: this.#asked.requestId, mayTrail })
    if (head.kind === 'unusable') {
      this.#refuse(answerUnusable)
      return
    }
    if (this.#preference?.setCookie) head.pass.push('Set-Cookie', this.#preference.setCookie)
    if (this.#mustClose()) head.pass.push('Connection', 'close')
    try {
      this.#response.writeHead(status, incoming.statusMessage ?? '', head.pass)
    } catch {
      this.#refuse(answerUnusable)
      return
    }
    this.#status = status
    incoming.on('error', () => this.#breakOff())
    incoming.on('close', () => {
      if (!incoming.complete) this.#breakOff()
    })
    incoming.on('end', () => this.#answered(incoming))
    incoming.pipe(this.#response, { end: false })
    // The head leaves with the first bytes of the body; where those are not here yet, it does not wait for them.
    process.nextTick(() => {
      if (!incoming.complete && !incoming.readableDidRead && !this.#over) this.#response.flushHeaders()
    })
  }

  #answered(incoming: IncomingMessage): void {
    if (this.#over) return
    if (!incoming.complete) {
      this.#breakOff()
      return
    }
    this.#letGo()
    const trailers = passableTrailers(incoming.rawTrailers)
    if (trailers.length > 0) this.#response.addTrailers(trailers)
    this.#response.end()
    this.#dropBody()
  }

  /**
   * A client that was told no before it sent its body may or may not send it; and Node.js loses what came in one packet behind an
   * upgrade that is ignored. Neither connection can be used again.
   */
  #mustClose(): boolean {
    const { expectsContinue, upgrade } = this.#asked
    return (
      this.#core.isRetiring() || upgrade !== null || (expectsContinue && !this.#continued && !this.#request.complete)
    )
  }

  #sendingFailed(outgoing: ClientRequest, error: (Error & { syscall?: string }) | null): void {
    if (outgoing !== this.#outgoing || this.#over) return
    if (this.#incoming) {
      if (error && !this.#incoming.complete) this.#breakOff()
      return
    }
    this.#outgoing = null
    const backend = this.#letGo()
    const neverConnected = error?.syscall === 'connect'
    if (neverConnected && backend) {
      this.#refusing ??= new Set()
      this.#refusing.add(backend)
      this.#forward({ fresh: false })
      return
    }
    if (isMalformedAnswer(error)) {
      this.#refuse(answerUnusable)
      return
    }
    // A kept connection that the instance was just closing says nothing about the instance; a new one that breaks does, once.
    const mayRepeat = this.#asked.repeatable && (outgoing.reusedSocket || this.#resets < 1)
    if (!mayRepeat) {
      this.#refuse(connectionFailed)
      return
    }
    if (!outgoing.reusedSocket) this.#resets += 1
    this.#forward({ fresh: true })
  }

  #refuse(refusal: Refusal): void {
    if (this.#over) return
    const outgoing = this.#outgoing
    this.#outgoing = null
    this.#request.unpipe()
    outgoing?.destroy()
    const backend = this.#letGo()
    this.#failed = refusal.status >= 500 && (this.#service !== null || backend !== null)
    if (this.#response.headersSent) {
      this.#breakOff()
      return
    }
    this.#status = refusal.status
    const { headers, body } = pageOf(refusal, this.#request.headers.accept, this.#asked.requestId)
    if (this.#mustClose()) headers.push('Connection', 'close')
    this.#response.writeHead(refusal.status, STATUS_CODES[refusal.status] ?? 'Error', headers)
    this.#response.end(body)
    this.#dropBody()
  }

  /** A cut body must never look complete, also not where the end of the connection is the end of the body: hence a reset. */
  #breakOff(): void {
    if (this.#over) return
    this.#failed = true
    this.#connection.socket.resetAndDestroy()
    this.#close()
  }

  #dropBody(): void {
    if (this.#request.complete) return
    this.#request.unpipe()
    this.#request.resume()
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

  #close(): void {
    if (this.#over) return
    this.#over = true
    this.#tap?.drop()
    const { socket } = this.#connection
    const whole = this.#response.writableFinished
    if (!whole) this.#outgoing?.destroy()
    this.#letGo()
    this.#connection.open.delete(this)
    this.#core.closed(this)
    const bytes = socket.bytesWritten - this.#connection.loggedBytes
    this.#connection.loggedBytes += bytes
    this.#core.ended({
      asked: this.#asked,
      status: whole || this.#failed ? this.#status : 499, // nginx's word for a client that went away
      bytes,
      durationMs: this.#core.clock.monotonicMs() - this.#beganMs,
      service: this.#service,
      version: this.#version,
      instance: this.#instance,
      failed: this.#failed,
      chosen: this.#preference?.version != null,
    })
    if (whole && !this.#request.complete && !socket.destroyed) limitDrain(this.#request)
  }

  sweep(nowMs: number): void {
    const { answerMs, bodyStallMs, takeStallMs } = this.#core.limits
    const { socket } = this.#connection
    const untaken = this.#response.writableLength
    const progress = socket.bytesRead + socket.bytesWritten - untaken
    if (progress !== this.#progress) {
      this.#progress = progress
      this.#progressMs = nowMs
    }
    const stalledMs = nowMs - this.#progressMs
    if (this.#response.headersSent) {
      // Of a client that is held back because the instance takes nothing, the end of its connection is not even seen.
      const notTaken = !this.#request.complete && this.#outgoing?.writableNeedDrain === true
      if ((untaken > 0 || notTaken) && stalledMs > takeStallMs) this.#breakOff()
    } else if (!this.#request.complete) {
      this.#answerDueMs = nowMs + answerMs // it counts from the end of the request
      if (stalledMs > bodyStallMs) this.#refuse(this.#outgoing?.writableNeedDrain ? answerLate : bodyLate)
    } else if (nowMs > this.#answerDueMs) this.#refuse(answerLate)
  }
}

const isMalformedAnswer = (error: (Error & { code?: string }) | null): boolean =>
  error?.code?.startsWith('HPE_') === true && error.code !== 'HPE_INVALID_EOF_STATE'

const limitDrain = (request: IncomingMessage): void => {
  const timer = setTimeout(() => request.socket.destroy(), drainMs)
  const stop = () => clearTimeout(timer)
  request.once('end', stop)
  request.once('close', stop)
}
