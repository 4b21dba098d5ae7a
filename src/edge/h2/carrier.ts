import { constants, type ServerHttp2Stream } from 'node:http2'
import { Duplex } from 'node:stream'
import { AnswerReader } from './answer.ts'
import { isPlainValue, type RequestText } from './request.ts'

/**
 * One stream of an HTTP/2 connection as a connection of HTTP/1.1 for a single request: what is read from it is the request, what is
 * written to it is the answer. So it is judged, routed, limited and counted by the very code that serves everybody else.
 */
export class Carrier extends Duplex {
  bytesRead = 0
  readonly #stream: ServerHttp2Stream
  readonly #reader: AnswerReader
  readonly #chunked: boolean
  #leftBytes: number
  #writtenBytes = 0
  #goOn: (() => void) | null = null
  #trailers: readonly string[] = []

  constructor(stream: ServerHttp2Stream, { head, body }: RequestText, isHead: boolean) {
    super({ allowHalfOpen: true, autoDestroy: false })
    this.#stream = stream
    this.#chunked = body === 'chunked'
    this.#leftBytes = typeof body === 'object' ? body.lengthBytes : 0
    this.#reader = new AnswerReader(isHead, {
      hinted: (headers) => {
        if (!stream.headersSent && !stream.destroyed) stream.additionalHeaders(headers)
      },
      answered: (headers, hasBody) => {
        if (stream.destroyed) return
        stream.respond(headers, { endStream: !hasBody, waitForTrailers: hasBody })
      },
      piece: (bytes) => this.#pass(bytes),
      ended: (trailers) => {
        this.#trailers = trailers
      },
    })
    this.#take(Buffer.from(head, 'latin1'))
    if (body !== 'none') this.#listen()
    stream.on('drain', () => this.#proceed())
    stream.on('wantTrailers', () => this.#endWithTrailers())
    stream.on('error', () => {}) // its close follows
    stream.on('close', () => this.destroy())
  }

  get bytesWritten(): number {
    return this.#writtenBytes + this.writableLength
  }

  /** The answer was cut: the client must not take it for complete. */
  resetAndDestroy(): this {
    if (!this.#stream.destroyed) this.#stream.close(constants.NGHTTP2_INTERNAL_ERROR)
    return this.destroy()
  }

  setNoDelay(): this {
    return this
  }

  override _read(): void {
    this.#stream.resume()
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#goOn = null
    if (this.#stream.destroyed || !this.#reader.take(chunk)) {
      this.resetAndDestroy()
      done()
      return
    }
    const taken = (): void => {
      this.#writtenBytes += chunk.length
      done()
    }
    if (this.#stream.writableNeedDrain && !this.#stream.destroyed) this.#goOn = taken
    else taken()
  }

  override _final(done: (error?: Error | null) => void): void {
    if (!this.#reader.end()) this.resetAndDestroy()
    else if (!this.#stream.destroyed && !this.#stream.writableEnded) this.#stream.end()
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const { destroyed, closed, writableEnded } = this.#stream
    // What is left of the request is not wanted (RFC 9113, 8.1), or the answer will not come.
    if (!destroyed && !closed) this.#stream.close(writableEnded ? constants.NGHTTP2_NO_ERROR : constants.NGHTTP2_CANCEL)
    this.#proceed()
    done(error)
  }

  #proceed(): void {
    const goOn = this.#goOn
    this.#goOn = null
    goOn?.()
  }

  #take(bytes: Buffer): void {
    this.bytesRead += bytes.length
    if (!this.push(bytes)) this.#stream.pause()
  }

  #listen(): void {
    const stream = this.#stream
    let trailers: readonly string[] = []
    stream.on('data', (bytes: Buffer) => {
      if (this.destroyed || bytes.length === 0) return
      if (!this.#chunked) {
        this.#leftBytes -= bytes.length
        // What is beyond the length would be read as another request.
        if (this.#leftBytes < 0) return void this.resetAndDestroy()
        this.#take(bytes)
        return
      }
      this.#take(Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]))
    })
    stream.on('trailers', (_headers: object, _flags: number, rawTrailers?: readonly string[]) => {
      trailers = rawTrailers ?? []
    })
    stream.on('end', () => {
      if (this.destroyed) return
      if (!this.#chunked) {
        if (this.#leftBytes > 0) this.resetAndDestroy()
        return
      }
      let tail = '0\r\n'
      for (let at = 0; at + 1 < trailers.length; at += 2) {
        const [name = '', value = ''] = [trailers[at], trailers[at + 1]]
        if (/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name) && isPlainValue(value)) tail += `${name}: ${value}\r\n`
      }
      this.#take(Buffer.from(`${tail}\r\n`, 'latin1'))
    })
  }

  #pass(bytes: Buffer): void {
    if (this.#stream.writable) this.#stream.write(bytes)
  }

  #endWithTrailers(): void {
    const trailers: Record<string, string[]> = {}
    for (let at = 0; at + 1 < this.#trailers.length; at += 2) {
      const name = (this.#trailers[at] ?? '').toLowerCase()
      trailers[name] = [...(trailers[name] ?? []), this.#trailers[at + 1] ?? '']
    }
    if (this.#stream.destroyed) return
    try {
      this.#stream.sendTrailers(trailers)
    } catch {
      this.#stream.close(constants.NGHTTP2_NO_ERROR)
    }
  }
}
