import { once } from 'node:events'
import { closeSync, createWriteStream, openSync, readSync, statSync } from 'node:fs'
import type { Clock } from '../../clock.ts'
import { effectSync } from '../../effect.ts'
import { escaped, stampAt } from './log-lines.ts'

/** Beyond this the rest of a job's output is thrown away, and the log says so. */
const maximumBytes = 512 * 1024 * 1024
const tailCharacters = 16 * 1024
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
  const stream = effectSync('build.open-log', () =>
    createWriteStream(file, { flags: 'a', mode: 0o600, highWaterMark: 1024 * 1024 }),
  )
  let failed: Error | undefined
  let draining: { readonly promise: Promise<void>; resolve(): void } | null = null
  const goOn = (): void => {
    draining?.resolve()
    draining = null
  }
  stream.on('drain', goOn).on('close', goOn)
  stream.on('error', (error) => {
    failed = error
    goOn()
  })
  let written = 0
  let stampedAt: number | null = null
  if (endsWithinLine(file)) stream.write('\n') // Headway was killed there
  const tail: (string | Buffer)[] = []
  let tailLength = 0
  const remember = (lines: string | Buffer): void => {
    tail.push(lines)
    tailLength += lines.length
    for (let first = tail[0]; first && tailLength - first.length >= tailCharacters; first = tail[0]) {
      tailLength -= first.length
      tail.shift()
    }
  }
  return {
    write: (lines) => {
      remember(lines)
      if (failed || written > maximumBytes) return true
      written += lines.length
      const now = clock.now()
      if (now !== stampedAt) stream.write(stampAt(now))
      stampedAt = now
      const canGoOn = stream.write(escaped(lines), () => onLines())
      return written > maximumBytes ? stream.write(tooLong) : canGoOn
    },
    drained: async () => {
      if (!stream.writableNeedDrain || stream.destroyed) return
      draining ??= Promise.withResolvers<void>()
      await draining.promise
    },
    lastLines: (count) =>
      tail
        .map(String)
        .join('')
        .slice(-tailCharacters)
        .split('\n')
        .filter((line) => line.trim() !== '' && !line.startsWith('##['))
        .slice(-count)
        .map((line) => line.slice(0, longestShownLine)),
    markTail: () => {
      tail.length = 0
      tailLength = 0
    },
    close: async () => {
      if (!stream.destroyed) {
        stream.end()
        await Promise.race([once(stream, 'close'), once(stream, 'error').catch(() => undefined)])
      }
      onLines()
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
