import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs'
import { effectSync } from '../effect.ts'
import { cutMark } from '../processes/lines.ts'

/** A line of a spool and the offset at which the next one begins. */
export type SpoolLine = { readonly text: string; readonly end: number }

export type Spool = {
  /** The complete lines that came since the last call, at most about a batch of them; call again while it gives any. */
  read(): SpoolLine[]
  /** What came last without a line break, once nothing more will come. */
  rest(): SpoolLine[]
  /**
   * Empties a spool of more than a batch that was read to its end, and one that has outgrown its limit though its writer is ahead: what
   * is lost by that is told by the next `read`. True when it did.
   */
  empty(): boolean
  /** When the newest bytes were written, milliseconds since 1970. */
  writtenAt(): number
  close(): void
}

const chunkBytes = 64 * 1024
const longestBytes = 64 * 1024

/**
 * How much is read at once; how large a file may become, as one that is written faster than it is read would fill the disk, and a journal
 * would not keep more of it; how much of the newest is kept of a file that has become so large.
 */
export type SpoolLimits = { readonly batchBytes: number; readonly fileBytes: number; readonly keptBytes: number }
const mebibyte = 1024 * 1024
export const usualSpool: SpoolLimits = { batchBytes: 4 * mebibyte, fileBytes: 64 * mebibyte, keptBytes: 16 * mebibyte }

/**
 * A file to which an instance's process appends, read from an offset on. Binary rubbish becomes U+FFFD, long lines are cut. It is never
 * much larger than twice `fileBytes`, whatever its writer does.
 */
export const openSpool = (
  file: string,
  from: number,
  { batchBytes, fileBytes, keptBytes }: SpoolLimits = usualSpool,
): Spool => {
  const descriptor = openSync(file, 'a+', 0o600)
  const buffer = Buffer.allocUnsafe(chunkBytes)
  let position = from > fstatSync(descriptor).size ? 0 : from
  let open: Buffer[] = []
  let openBytes = 0
  let isCut = false
  let lostBytes = 0

  const keep = (piece: Buffer): void => {
    const room = longestBytes - openBytes
    if (piece.length > room) isCut = true
    if (room <= 0) return
    open.push(Buffer.from(piece.subarray(0, room))) // a copy: the buffer is used again
    openBytes += Math.min(room, piece.length)
  }
  const finish = (end: number): SpoolLine => {
    const text = Buffer.concat(open).toString('utf8')
    const line = { text: isCut ? text + cutMark : text.endsWith('\r') ? text.slice(0, -1) : text, end }
    open = []
    openBytes = 0
    isCut = false
    return line
  }
  const take = (chunk: Buffer, lines: SpoolLine[]): void => {
    let at = 0
    for (let next = chunk.indexOf(10); next >= 0; next = chunk.indexOf(10, at)) {
      keep(chunk.subarray(at, next))
      at = next + 1
      lines.push(finish(position + at))
    }
    keep(chunk.subarray(at))
    position += chunk.length
  }
  const skipBacklog = (): void => {
    const sizeBytes = fstatSync(descriptor).size
    const aheadBytes = sizeBytes - position
    if (sizeBytes <= fileBytes || aheadBytes <= keptBytes) return
    lostBytes += aheadBytes - keptBytes
    position = sizeBytes - keptBytes
  }
  /** What was begun before the gap goes no further. */
  const tellLost = (lines: SpoolLine[]): void => {
    if (lostBytes === 0) return
    if (openBytes > 0) {
      isCut = true
      lines.push(finish(position))
    }
    lines.push({ text: `[headway: ${lostBytes} bytes of output were skipped]`, end: position })
    lostBytes = 0
  }

  return {
    read: () => {
      const lines: SpoolLine[] = []
      skipBacklog()
      tellLost(lines)
      for (let total = 0; total < batchBytes; ) {
        const count = readSync(descriptor, buffer, 0, chunkBytes, position)
        if (count === 0) break
        take(buffer.subarray(0, count), lines)
        total += count
      }
      return lines
    },
    rest: () => (openBytes > 0 ? [finish(position)] : []),
    empty: () => {
      if (position < batchBytes) return false
      // Nothing may come between: the size is looked at again right before. The writer appends, so it goes on at the start.
      const sizeBytes = fstatSync(descriptor).size
      const aheadBytes = sizeBytes - position
      const isOverfull = sizeBytes > fileBytes && (aheadBytes < batchBytes || sizeBytes > 2 * fileBytes)
      if (!isOverfull && (aheadBytes > 0 || openBytes > 0)) return false
      effectSync('agent.spool-empty', () => ftruncateSync(descriptor))
      lostBytes += aheadBytes
      position = 0
      return true
    },
    writtenAt: () => Math.floor(fstatSync(descriptor).mtimeMs),
    close: () => closeSync(descriptor),
  }
}
