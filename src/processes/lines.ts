import { type Cutter, cutter } from './cutter.ts'

export const cutMark = ' [cut: the line was longer than 64 KiB]'
const defaultLimit = 64 * 1024

/**
 * Cuts bytes into lines of text without their breaks (LF or CRLF). What is no UTF-8 becomes U+FFFD; of a line longer than the
 * limit (characters) only its beginning and a mark are told, and no more than that is ever held. What comes last without a line break
 * is a line, too.
 */
export const lineCutter = (onLine: (line: string) => void, limit = defaultLimit): Cutter => {
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
  const pieces = cutter('\n', add, finish)
  return {
    push: pieces.push,
    end: () => {
      pieces.end()
      if (open !== '' || isCut) finish()
    },
  }
}
