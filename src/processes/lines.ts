import { StringDecoder } from 'node:string_decoder'

export type LineCutter = {
  push(chunk: Uint8Array): void
  /** What came last without a line break is a line, too. */
  end(): void
}

export const cutMark = ' [cut: the line was longer than 64 KiB]'
const defaultLimit = 64 * 1024

/**
 * Cuts bytes into lines of text without their breaks (LF or CRLF). What is no UTF-8 becomes U+FFFD; of a line longer than the
 * limit (characters) only its beginning and a mark are told, and no more than that is ever held.
 */
export const lineCutter = (onLine: (line: string) => void, limit = defaultLimit): LineCutter => {
  const decoder = new StringDecoder('utf8')
  let open = ''
  let isCut = false
  const add = (text: string): void => {
    if (isCut) return
    open += text
    if (open.length <= limit) return
    open = open.slice(0, limit)
    isCut = true
  }
  const finish = (): void => {
    onLine(isCut ? open + cutMark : open.endsWith('\r') ? open.slice(0, -1) : open)
    open = ''
    isCut = false
  }
  const take = (text: string): void => {
    let from = 0
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', from)) {
      add(text.slice(from, at))
      finish()
      from = at + 1
    }
    if (from < text.length) add(text.slice(from))
  }
  return {
    push: (chunk) => take(decoder.write(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))),
    end: () => {
      take(decoder.end())
      if (open !== '' || isCut) finish()
    },
  }
}
