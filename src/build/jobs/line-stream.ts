import type { JobLog } from './log.ts'
import type { Mask } from './mask.ts'
import type { Output } from './processes.ts'

/** A line without an end is cut here, so that memory stays bounded. */
const longestLine = 64 * 1024
const lineFeed = 10

/** Hands on whole lines, several at a time, as fast as the log takes them. */
export const readLines = (
  stream: Output,
  log: JobLog,
  mask: Mask,
  /** Is given lines with their ends, in a place that is used again. False: wait until the log is drained. */
  take: (lines: Buffer) => boolean,
): void => {
  let rest = Buffer.alloc(0)
  let isDropping = false
  const accept = (chunk: Buffer): boolean => {
    let begin = isDropping ? chunk.indexOf(lineFeed) + 1 : 0
    if (isDropping && begin === 0) return true
    isDropping = false
    const end = chunk.lastIndexOf(lineFeed) + 1
    let canGoOn = true
    if (rest.length > 0 && end > 0) {
      // The line that began before is put together alone: to copy all that came with its end would cost more.
      const afterFirst = chunk.indexOf(lineFeed) + 1
      canGoOn = take(Buffer.concat([rest, chunk.subarray(0, afterFirst)]))
      begin = afterFirst
    }
    if (begin < end) canGoOn = take(chunk.subarray(begin, end)) && canGoOn
    rest = end === 0 ? Buffer.concat([rest, chunk]) : Buffer.from(chunk.subarray(end))
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
  const hear = (chunk: Buffer): boolean => {
    if (accept(chunk)) return true
    stream.pause()
    log.drained().then(() => stream.resume())
    return false
  }
  if (stream.lookAt) stream.lookAt(hear)
  else stream.on('data', hear)
  stream.on('end', () => {
    const last = rest
    rest = Buffer.alloc(0)
    if (last.length > 0 && !isDropping) take(Buffer.concat([last, Buffer.from('\n')]))
  })
  stream.on('error', () => undefined) // the program is gone; what it said until then is logged
}

/** Of a character in UTF-8. */
const mostBytes = 4
