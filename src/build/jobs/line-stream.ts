import type { Readable } from 'node:stream'
import type { JobLog } from './log.ts'
import type { Mask } from './mask.ts'

/** A line without an end is cut here, so that memory stays bounded. */
const longestLine = 64 * 1024
const lineFeed = 10

/** Hands on whole lines, several at a time, as fast as the log takes them. */
export const readLines = (
  stream: Readable,
  log: JobLog,
  mask: Mask,
  /** Is given lines with their ends. False: wait until the log is drained. */
  take: (lines: Buffer) => boolean,
): void => {
  let rest = Buffer.alloc(0)
  let isDropping = false
  const accept = (chunk: Buffer): boolean => {
    let bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    if (isDropping) {
      const end = bytes.indexOf(lineFeed)
      if (end < 0) return true
      bytes = bytes.subarray(end + 1)
      isDropping = false
    }
    const end = bytes.lastIndexOf(lineFeed) + 1
    rest = Buffer.from(bytes.subarray(end)) // a copy, as the chunk is large
    let canGoOn = end === 0 || take(bytes.subarray(0, end))
    if (rest.length > longestLine + mostBytes * mask.longest()) {
      const text = rest.toString()
      // Of what begins before the cut, the whole is there to be seen.
      const limit = Math.min(longestLine, text.length - mask.longest())
      canGoOn = log.write(`${mask.hide(text.slice(0, mask.cutAt(text, limit)))} [line cut]\n`) && canGoOn
      rest = Buffer.alloc(0)
      isDropping = true
    }
    return canGoOn
  }
  stream.on('data', (chunk: Buffer) => {
    if (accept(chunk)) return
    stream.pause()
    log.drained().then(() => stream.resume())
  })
  stream.on('end', () => {
    const last = rest
    rest = Buffer.alloc(0)
    if (last.length > 0 && !isDropping) take(Buffer.concat([last, Buffer.from('\n')]))
  })
  stream.on('error', () => undefined) // the program is gone; what it said until then is logged
}

/** Of a character in UTF-8. */
const mostBytes = 4
