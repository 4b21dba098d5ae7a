import { closeSync, openSync, readSync, statSync } from 'node:fs'
import type { Clock } from '../../clock.ts'
import { openAppender } from './appender.ts'
import { escaped, stampAt } from './log-lines.ts'

/** Beyond this the rest of a job's output is thrown away, and the log says so. */
const maximumBytes = 512 * 1024 * 1024
const tailBytes = 16 * 1024
const longestShownLine = 500
const tooLong = '##[warning]The log is longer than 512 MiB; what follows is not kept\n'

/**
 * The log of one job, as `log-lines.ts` has it, already masked when it comes here. Marks are lines that start with `##[`:
 * `##[group]`, `##[endgroup]`, `##[error]`, `##[warning]`, `##[notice]`, `##[debug]`.
 */
export type JobLog = {
  /** Adds lines with their ends, as text or UTF-8. False: wait for `drained()` before adding more, so that memory stays bounded. */
  write(lines: string | Buffer): boolean
  drained(): Promise<void>
  /** The last lines that were added since `markTail()`, oldest first, without marks. */
  lastLines(count: number): string[]
  markTail(): void
  close(): Promise<void>
}

/** Opens (or goes on with) the log in a file; `onLines` is called whenever lines have reached the file. */
export const openJobLog = (file: string, clock: Clock, onLines: () => void): JobLog => {
  const isCut = endsWithinLine(file) // Headway was killed there
  const appender = openAppender(file, clock, onLines)
  const tail = createTail(tailBytes)
  let written = 0
  let stampedAt: number | null = null
  if (isCut) appender.write(Buffer.from('\n'))
  return {
    write: (lines) => {
      const bytes = Buffer.isBuffer(lines) ? lines : Buffer.from(lines)
      tail.add(bytes)
      if (written > maximumBytes) return true
      written += bytes.length
      const now = clock.now()
      if (now !== stampedAt) appender.write(Buffer.from(stampAt(now)))
      stampedAt = now
      const canGoOn = appender.write(escaped(bytes))
      return written > maximumBytes ? appender.write(Buffer.from(tooLong)) : canGoOn
    },
    drained: appender.drained,
    lastLines: (count) =>
      tail
        .text()
        .split('\n')
        .filter((line) => line.trim() !== '' && !line.startsWith('##['))
        .slice(-count)
        .map((line) => line.slice(0, longestShownLine)),
    markTail: tail.clear,
    close: async () => {
      await appender.close()
      onLines()
    },
  }
}

/** The last of what was added, of which nobody keeps what was before. */
const createTail = (sizeBytes: number) => {
  const kept = Buffer.alloc(sizeBytes)
  let length = 0
  return {
    add: (bytes: Buffer): void => {
      const last = bytes.subarray(-sizeBytes)
      const stays = Math.min(length, sizeBytes - last.length)
      kept.copyWithin(0, length - stays, length)
      last.copy(kept, stays)
      length = stays + last.length
    },
    text: (): string => kept.toString('utf8', 0, length),
    clear: (): void => {
      length = 0
    },
  }
}

const endsWithinLine = (file: string): boolean => {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0
  if (size === 0) return false
  const descriptor = openSync(file, 'r')
  try {
    const last = Buffer.alloc(1)
    return readSync(descriptor, last, 0, 1, size - 1) === 1 && last.toString() !== '\n'
  } finally {
    closeSync(descriptor)
  }
}
