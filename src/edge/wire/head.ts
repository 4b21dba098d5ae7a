import { METHODS } from '../http.ts'

/** A message's head as text (latin1: a character is a byte), read strictly by RFC 9112. */
export type RequestLines = {
  readonly method: string
  readonly url: string
  readonly httpVersion: '1.0' | '1.1'
  /** Of the same identity as in the request before where the client repeated it, so that it need not be judged again. */
  readonly section: Section
}
export type Section = {
  /** As it was sent, its empty line included. */
  readonly bytes: Buffer
  /** Name, value, name, value and so on, as they were spelled. */
  readonly rawHeaders: readonly string[]
}
export type ResponseLines = {
  readonly status: number
  readonly reason: string
  readonly httpVersion: '1.0' | '1.1'
  readonly rawHeaders: string[]
}
export type Unreadable = { readonly status: 400 | 505; readonly why: string }

/** Where the head ends, its empty line included; -1 while that is not here. */
export const endOfHead = (bytes: Buffer): number => {
  const at = bytes.indexOf('\r\n\r\n', 0, 'latin1')
  return at === -1 ? -1 : at + 4
}

/** Control characters, and line ends that some readers take for one and others do not. */
const ambiguous = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n/
/** The same where the last byte may be the first of a line end. */
const ambiguousSoFar = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n|$)|(?<!\r)\n/

/** Whether what is here of a head may still become one; `from` is how much was looked at before. */
export const mayBecomeHead = (bytes: Buffer, from: number): boolean =>
  !ambiguousSoFar.test(bytes.toString('latin1', bytes[from - 1] === 0x0d ? from - 1 : from))

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** RFC 3986 has nothing else in an address; what has is to be percent-encoded. */
const graphic = /^[\x21-\x7e]+$/
const methods = new Set(METHODS)
const malformedHead: Unreadable = { status: 400, why: 'it is not valid HTTP/1.1' }

/** Where the head ends whose section is the same as the one before; -1 where it is another, or not all here. */
export const endOfRepeated = (bytes: Buffer, { bytes: section }: Section): number => {
  const from = bytes.indexOf(0x0a) + 1
  const end = from + section.length
  return from > 0 && end <= bytes.length && section.compare(bytes, from, end) === 0 ? end : -1
}

/** Of a whole head; `repeated` is its section where it is known to be that. */
export const readRequestLines = (bytes: Buffer, end: number, repeated: Section | null): RequestLines | Unreadable => {
  const head = bytes.toString('latin1', 0, repeated ? end - repeated.bytes.length : end)
  const lineEnd = head.indexOf('\r\n')
  const methodEnd = head.indexOf(' ')
  const urlEnd = head.indexOf(' ', methodEnd + 1)
  if (lineEnd === -1 || methodEnd === -1 || methodEnd > lineEnd) return malformedHead
  const method = head.slice(0, methodEnd)
  if (!methods.has(method)) return malformedHead
  if (urlEnd === -1 || urlEnd > lineEnd)
    return graphic.test(head.slice(methodEnd + 1, lineEnd))
      ? { status: 505, why: 'HTTP/0.9 is not served here' }
      : malformedHead
  const version = head.slice(urlEnd + 1, lineEnd)
  const url = head.slice(methodEnd + 1, urlEnd)
  if ((version !== 'HTTP/1.1' && version !== 'HTTP/1.0') || !graphic.test(url)) return malformedHead
  const section = repeated ?? readSection(bytes, lineEnd + 2, end)
  return section ? { method, url, httpVersion: version === 'HTTP/1.1' ? '1.1' : '1.0', section } : malformedHead
}

const readSection = (head: Buffer, from: number, to: number): Section | null => {
  const text = head.toString('latin1', from, to)
  const rawHeaders = ambiguous.test(text) ? null : readFields(text, 0)
  return rawHeaders && { bytes: Buffer.from(head.subarray(from, to)), rawHeaders }
}

/** Null for what is not the head of an answer. */
export const readResponseLines = (head: string): ResponseLines | null => {
  if (ambiguous.test(head)) return null
  const lineEnd = head.indexOf('\r\n')
  const line = /^HTTP\/1\.([01]) ([1-9][0-9]{2})(?: (.*))?$/.exec(head.slice(0, lineEnd))
  const rawHeaders = line && readFields(head, lineEnd + 2)
  if (!line || !rawHeaders) return null
  return {
    status: Number(line[2]),
    reason: line[3] ?? '',
    httpVersion: line[1] === '1' ? '1.1' : '1.0',
    rawHeaders,
  }
}

/** The lines from there up to the empty one, as pairs; null when one is no field line (RFC 9112, 5), a folded one among them. */
export const readFields = (text: string, from: number): string[] | null => {
  const pairs: string[] = []
  for (let at = from; ; ) {
    const lineEnd = text.indexOf('\r\n', at)
    if (lineEnd === at) return pairs
    const colon = text.indexOf(':', at)
    if (lineEnd === -1 || colon === -1 || colon > lineEnd) return null
    const name = text.slice(at, colon)
    if (!token.test(name)) return null
    pairs.push(name, valueBetween(text, colon + 1, lineEnd))
    at = lineEnd + 2
  }
}

const isBlank = (text: string, at: number): boolean => {
  const code = text.charCodeAt(at)
  return code === 0x20 || code === 0x09
}

const valueBetween = (text: string, from: number, to: number): string => {
  let start = from
  let end = to
  while (start < end && isBlank(text, start)) start += 1
  while (end > start && isBlank(text, end - 1)) end -= 1
  return text.slice(start, end)
}
