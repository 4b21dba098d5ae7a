import { readFields } from './head.ts'

/**
 * Reads a body out of the bytes of a connection, piece by piece without copying them. `take` gives the offset of the first byte that
 * it left, which is beyond the body once that is `over`; -1 when the framing is broken (and whatever came of it must not look complete).
 */
export type Body = {
  take(bytes: Buffer, from: number, give: (piece: Buffer) => void): number
  readonly over: boolean
  /** Pairs; complete once it is over. */
  readonly trailers: readonly string[]
}

const noTrailers: readonly string[] = []

export class LengthBody implements Body {
  readonly trailers = noTrailers
  #leftBytes: number

  constructor(bytes: number) {
    this.#leftBytes = bytes
  }

  get over(): boolean {
    return this.#leftBytes === 0
  }

  take(bytes: Buffer, from: number, give: (piece: Buffer) => void): number {
    const end = Math.min(bytes.length, from + this.#leftBytes)
    if (end === from) return from
    this.#leftBytes -= end - from
    give(from === 0 && end === bytes.length ? bytes : bytes.subarray(from, end))
    return end
  }
}

/** Ends with its connection. */
export class OpenBody implements Body {
  readonly trailers = noTrailers
  readonly over = false

  take(bytes: Buffer, from: number, give: (piece: Buffer) => void): number {
    if (from < bytes.length) give(bytes.subarray(from))
    return bytes.length
  }
}

/** A size with its extensions, and a trailer section; longer ones are an attack on somebody's memory. */
const sizeLineBytes = 1 << 10
const trailerBytes = 8 << 10
const sizeLine = /^([0-9a-f]{1,12})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/i

/** RFC 9112, 7.1: sizes in hexadecimal digits alone, line ends of both characters, extensions read over. */
export class ChunkedBody implements Body {
  trailers = noTrailers
  over = false
  #state: 'size' | 'data' | 'data-end' | 'trailers' = 'size'
  #leftBytes = 0
  /** What is here of a line that is not complete. */
  #line = ''

  take(bytes: Buffer, from: number, give: (piece: Buffer) => void): number {
    let at = from
    while (at < bytes.length && !this.over) {
      if (this.#state === 'data') {
        const end = Math.min(bytes.length, at + this.#leftBytes)
        this.#leftBytes -= end - at
        give(bytes.subarray(at, end))
        at = end
        if (this.#leftBytes === 0) this.#state = 'data-end'
        continue
      }
      const newline = bytes.indexOf(0x0a, at)
      const end = newline === -1 ? bytes.length : newline + 1
      this.#line += bytes.toString('latin1', at, end)
      at = end
      if (this.#isHopeless()) return -1
      if (newline !== -1 && !this.#takeLine()) return -1
    }
    return at
  }

  #isHopeless(): boolean {
    if (this.#state === 'data-end') return !'\r\n'.startsWith(this.#line)
    if (this.#state === 'trailers') return this.#line.length > trailerBytes
    return this.#line.length > sizeLineBytes || !/^[0-9a-f]/i.test(this.#line)
  }

  /** A line ended; false when it is none. */
  #takeLine(): boolean {
    const line = this.#line
    if (this.#state === 'data-end') {
      this.#line = ''
      this.#state = 'size'
      return true
    }
    if (this.#state === 'size') {
      const size = line.endsWith('\r\n') ? sizeLine.exec(line.slice(0, -2))?.[1] : undefined
      if (size === undefined) return false
      this.#line = ''
      this.#leftBytes = Number.parseInt(size, 16)
      this.#state = this.#leftBytes === 0 ? 'trailers' : 'data'
      return true
    }
    if (line !== '\r\n' && !line.endsWith('\r\n\r\n')) return line.endsWith('\r\n')
    const trailers = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)/.test(line) ? null : readFields(line, 0)
    if (!trailers) return false
    this.trailers = trailers
    this.over = true
    return true
  }
}
