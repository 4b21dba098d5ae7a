import { type AnswerPass, inOnePiece, linesOf, readAnswerPass } from '../headers.ts'
import { type Body, ChunkedBody, LengthBody, OpenBody } from './body.ts'
import { type ResponseLines, readResponseLines } from './head.ts'

/** How long a body is told: `open` ends with its connection. */
export type AnswerFraming = 'none' | 'length' | 'chunked' | 'open'

/** The head of an answer (its `bytes`, the empty line included), read once for as long as the instance repeats it. */
export type Answer = {
  readonly bytes: Buffer
  readonly status: number
  readonly reason: string
  /** Of an answer to anything but HEAD. */
  readonly framing: AnswerFraming
  readonly lengthBytes: number
  /** For how long the connection may be kept for another request; 0 for not at all. */
  readonly keptMs: number
  /** Null where it cannot be passed on. */
  readonly pass: AnswerPass | null
  /** The status line and the fields that are passed on. */
  readonly lines: string
  /** The same; where it has no X-Request-Id, up to the value of one. */
  readonly opening: string
}

const usuallyKeptMs = 30_000

/** Null where it is no answer, or one that two readers could frame differently (RFC 9112, 6.3). */
export const readAnswer = (bytes: Buffer): Answer | null => {
  const text = bytes.toString('latin1')
  const head = readResponseLines(text)
  if (!head) return null
  const { status, reason, rawHeaders } = head
  const codings = valuesOf(head, 'transfer-encoding')
  const lengths = valuesOf(head, 'content-length')
  if (codings.length + lengths.length > 1) return null
  const [length] = lengths
  if (length !== undefined && !/^[0-9]{1,15}$/.test(length)) return null
  const [coding] = codings
  if (coding !== undefined && (coding.toLowerCase() !== 'chunked' || head.httpVersion === '1.0')) return null
  const framing = framingOf(status, coding, length)
  const pass = readAnswerPass(rawHeaders, status)
  const lines = `HTTP/1.1 ${status} ${reason}\r\n${linesOf(pass?.pairs ?? [])}`
  return {
    bytes: Buffer.from(bytes),
    status,
    reason,
    framing,
    lengthBytes: Number(length ?? 0),
    keptMs: keepsOpen(head) ? keepsFor(head) : 0,
    pass,
    lines,
    opening: inOnePiece(pass?.isNamed === false ? `${lines}X-Request-Id: ` : lines),
  }
}

export const bodyOf = (framing: AnswerFraming, lengthBytes: number): Body => {
  if (framing === 'chunked') return new ChunkedBody()
  return framing === 'open' ? new OpenBody() : new LengthBody(framing === 'none' ? 0 : lengthBytes)
}

const framingOf = (status: number, coding: string | undefined, length: string | undefined): AnswerFraming => {
  if (status === 204 || status === 304) return 'none'
  if (coding !== undefined) return 'chunked'
  return length === undefined ? 'open' : 'length'
}

const valuesOf = ({ rawHeaders }: ResponseLines, lowerName: string): string[] => {
  const values: string[] = []
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (name.length === lowerName.length && name.toLowerCase() === lowerName) values.push(rawHeaders[at + 1] ?? '')
  }
  return values
}

const keepsOpen = (head: ResponseLines): boolean => {
  const options = valuesOf(head, 'connection').join(',').toLowerCase()
  return head.httpVersion === '1.1' ? !options.includes('close') : options.includes('keep-alive')
}

/** `Keep-Alive: timeout=5` is a promise for five seconds; a second of them is for the way. */
const keepsFor = (head: ResponseLines): number => {
  const seconds = /timeout=(\d{1,6})/i.exec(valuesOf(head, 'keep-alive')[0] ?? '')?.[1]
  return seconds === undefined ? usuallyKeptMs : Math.max(0, Math.min(usuallyKeptMs, Number(seconds) * 1000 - 1000))
}
