import type { Readable } from 'node:stream'
import { StringDecoder } from 'node:string_decoder'
import type { JobLog } from './log.ts'
import type { Mask } from './mask.ts'

/** A line without an end is cut here, so that memory stays bounded. */
const longestLine = 64 * 1024

/** Hands on whole lines, several at a time, as fast as the log takes them. */
export const readLines = (
  stream: Readable,
  log: JobLog,
  mask: Mask,
  /** False: wait until the log is drained. */
  take: (text: string) => boolean,
): void => {
  const decoder = new StringDecoder('utf8')
  let rest = ''
  let isDropping = false
  const accept = (chunk: string): boolean => {
    let text = rest + chunk
    if (isDropping) {
      const end = text.indexOf('\n')
      if (end < 0) return true
      text = text.slice(end + 1)
      isDropping = false
    }
    const end = text.lastIndexOf('\n') + 1
    rest = text.slice(end)
    let canGoOn = end === 0 || take(text.slice(0, end))
    if (rest.length > longestLine + mask.longest()) {
      canGoOn = log.write(`${mask.hide(rest.slice(0, mask.cutAt(rest, longestLine)))} [line cut]\n`) && canGoOn
      rest = ''
      isDropping = true
    }
    return canGoOn
  }
  stream.on('data', (chunk: Buffer) => {
    if (accept(decoder.write(chunk))) return
    stream.pause()
    log.drained().then(() => stream.resume())
  })
  stream.on('end', () => {
    const last = rest + decoder.end()
    rest = ''
    if (last !== '' && !isDropping) take(`${last}\n`)
  })
  stream.on('error', () => undefined) // the program is gone; what it said until then is logged
}
