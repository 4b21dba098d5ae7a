import { closeSync, fstatSync, ftruncateSync, openSync, readSync } from 'node:fs'
import { effectSync } from '../effect.ts'
import { cutMark } from '../processes/lines.ts'

/** A line of a spool and the offset at which the next one begins. */
export type SpoolLine = { readonly text: string; readonly end: number }

export type Spool = {
  /** The complete lines that came since the last call, at most about 4 MiB of them; call again while it gives any. */
  read(): SpoolLine[]
  /** What came last without a line break, once nothing more will come. */
  rest(): SpoolLine[]
  /** Empties a spool of more than 4 MiB that was read to its end; true when it did. */
  empty(): boolean
  /** When the newest bytes were written, milliseconds since 1970. */
  writtenAt(): number
  close(): void
}

const chunkBytes = 64 * 1024
const batchBytes = 4 * 1024 * 1024
const longestBytes = 64 * 1024
/** Of what came while nobody read only the newest part is kept. */
const backlogBytes = 256 * 1024 * 1024
const keptBacklogBytes = 16 * 1024 * 1024

/** A file to which an instance's process appends, read from an offset on. Binary rubbish becomes U+FFFD, long lines are cut. */
export const openSpool = (file: string, from: number): Spool => {
  const descriptor = openSync(file, 'a+', 0o600)
  const buffer = Buffer.allocUnsafe(chunkBytes)
  let position = from > fstatSync(descriptor).size ? 0 : from
  let open: Buffer[] = []
  let openBytes = 0
  let isCut = false

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
  const skipBacklog = (lines: SpoolLine[]): void => {
    const behind = fstatSync(descriptor).size - position
    if (behind <= backlogBytes) return
    position += behind - keptBacklogBytes
    lines.push({ text: `[headway: ${behind - keptBacklogBytes} bytes of output were skipped]`, end: position })
  }

  return {
    read: () => {
      const lines: SpoolLine[] = []
      skipBacklog(lines)
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
      if (position < batchBytes || openBytes > 0) return false
      // Nothing may come between: the size is looked at again right before. The writer appends, so it goes on at the start.
      if (fstatSync(descriptor).size !== position) return false
      effectSync('agent.spool-empty', () => ftruncateSync(descriptor))
      position = 0
      return true
    },
    writtenAt: () => Math.floor(fstatSync(descriptor).mtimeMs),
    close: () => closeSync(descriptor),
  }
}
