import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import type { Clock } from '../../clock.ts'
import { effectSync } from '../../effect.ts'

/** Beyond this the rest of a job's output is thrown away, and the log says so. */
const maximumBytes = 512 * 1024 * 1024
const tailCharacters = 16 * 1024
const longestShownLine = 500

/**
 * The log of one job: lines `<epochMs> <text>`, already masked when they come here. Marks are lines that start with `##[`:
 * `##[group]`, `##[endgroup]`, `##[error]`, `##[warning]`, `##[notice]`, `##[debug]`.
 */
export type JobLog = {
  /** Adds text that ends with a newline. False: wait for `drained()` before adding more, so that memory stays bounded. */
  write(text: string): boolean
  drained(): Promise<void>
  /** The last lines that were added since `markTail()`, oldest first, without marks. */
  lastLines(count: number): string[]
  markTail(): void
  close(): Promise<void>
}

/** Opens (or goes on with) the log in a file; `onLines` is called whenever lines have reached the file. */
export const openJobLog = (file: string, clock: Clock, onLines: () => void): JobLog => {
  const stream = effectSync('build.open-log', () =>
    createWriteStream(file, { flags: 'a', mode: 0o600, highWaterMark: 256 * 1024 }),
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
  let tail = ''
  return {
    write: (text) => {
      tail = text.length >= tailCharacters ? text.slice(-tailCharacters) : (tail + text).slice(-tailCharacters)
      if (failed || written > maximumBytes) return true
      written += text.length
      const cut = written > maximumBytes ? '##[warning]The log is longer than 512 MiB; what follows is not kept\n' : ''
      return stream.write(stamped(text + cut, clock.now()), () => onLines())
    },
    drained: async () => {
      if (!stream.writableNeedDrain || stream.destroyed) return
      draining ??= Promise.withResolvers<void>()
      await draining.promise
    },
    lastLines: (count) =>
      tail
        .split('\n')
        .filter((line) => line.trim() !== '' && !line.startsWith('##['))
        .slice(-count)
        .map((line) => line.slice(0, longestShownLine)),
    markTail: () => {
      tail = ''
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

const stamped = (text: string, now: number): string => `${now} ${text.slice(0, -1).replaceAll('\n', `\n${now} `)}\n`
