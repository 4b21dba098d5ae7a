import type { OutgoingHttpHeaders } from 'node:http2'

export type AnswerListener = {
  hinted(headers: OutgoingHttpHeaders): void
  answered(headers: OutgoingHttpHeaders, hasBody: boolean): void
  piece(bytes: Buffer): void
  ended(trailers: readonly string[]): void
}

const ofConnections = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
  'trailer',
])

/**
 * Reads an answer that this edge wrote as HTTP/1.1 (so its framing is certain) and tells it in pieces. `take` and `end` are false when
 * there is something wrong with it after all: then it must not look complete.
 */
export class AnswerReader {
  readonly #isHead: boolean
  readonly #listener: AnswerListener
  #state: 'head' | 'length' | 'open' | 'size' | 'data' | 'data-end' | 'trailers' | 'over' = 'head'
  #rest: Buffer = Buffer.alloc(0)
  #leftBytes = 0

  constructor(isHead: boolean, listener: AnswerListener) {
    this.#isHead = isHead
    this.#listener = listener
  }

  take(bytes: Buffer): boolean {
    let left = this.#rest.length > 0 ? Buffer.concat([this.#rest, bytes]) : bytes
    this.#rest = Buffer.alloc(0)
    while (left.length > 0) {
      if (this.#state === 'over') return false
      if (this.#state === 'open' || this.#state === 'length' || this.#state === 'data') {
        const size = this.#state === 'open' ? left.length : Math.min(left.length, this.#leftBytes)
        if (size > 0) this.#listener.piece(left.subarray(0, size))
        this.#leftBytes -= size
        left = left.subarray(size)
        if (this.#state !== 'open' && this.#leftBytes === 0) this.#bodyPartOver()
        continue
      }
      const mark = this.#state === 'head' ? '\r\n\r\n' : '\r\n'
      const end = left.indexOf(mark, 0, 'latin1')
      if (end === -1) {
        this.#rest = left
        return true
      }
      const text = left.toString('latin1', 0, end)
      left = left.subarray(end + mark.length)
      if (!this.#takeText(text)) return false
    }
    return true
  }

  /** Whether the answer is complete now that nothing more comes. */
  end(): boolean {
    if (this.#state === 'open') this.#over([])
    return this.#state === 'over'
  }

  #trailers: string[] = []

  #takeText(text: string): boolean {
    switch (this.#state) {
      case 'head':
        return this.#takeHead(text)
      case 'size': {
        this.#leftBytes = Number.parseInt(text, 16)
        this.#state = this.#leftBytes === 0 ? 'trailers' : 'data'
        return Number.isSafeInteger(this.#leftBytes)
      }
      case 'data-end':
        this.#state = 'size'
        return text === ''
      case 'trailers':
        if (text === '') this.#over(this.#trailers)
        else this.#trailers.push(...pairOf(text))
        return true
      default:
        return false
    }
  }

  #takeHead(text: string): boolean {
    const [line = '', ...fields] = text.split('\r\n')
    const status = Number(/^HTTP\/1\.1 ([1-9][0-9]{2}) /.exec(line)?.[1])
    if (!(status >= 100) || status === 101) return false
    const headers: Record<string, string | string[] | number> = { ':status': status }
    let chunked = false
    let length: number | null = null
    for (const field of fields) {
      const [name = '', value = ''] = pairOf(field)
      const lower = name.toLowerCase()
      if (lower === 'transfer-encoding') chunked = true
      if (lower === 'content-length') length = Number(value)
      if (ofConnections.has(lower)) continue
      const before = headers[lower]
      headers[lower] = before === undefined ? value : [...[before].flat().map(String), value]
    }
    if (status < 200) {
      this.#listener.hinted(headers)
      return true
    }
    const hasBody = !this.#isHead && status !== 204 && status !== 304 && length !== 0
    this.#listener.answered(headers, hasBody)
    if (!hasBody) this.#over([])
    else if (chunked) this.#state = 'size'
    else {
      this.#leftBytes = length ?? 0
      this.#state = length === null ? 'open' : 'length'
    }
    return true
  }

  #bodyPartOver(): void {
    if (this.#state === 'data') this.#state = 'data-end'
    else this.#over([])
  }

  #over(trailers: readonly string[]): void {
    this.#state = 'over'
    this.#listener.ended(trailers)
  }
}

const pairOf = (field: string): [string, string] => {
  const colon = field.indexOf(':')
  return [field.slice(0, colon), field.slice(colon + 1).trim()]
}
