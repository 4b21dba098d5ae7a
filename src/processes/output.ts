import type { Clock } from '../clock.ts'

/** The end of a pipe that is read; a net.Socket is one. */
export type OutputPipe = {
  /** Absent where another pipe counts them. */
  readonly bytesRead?: number
  /** Bytes that were read and nobody has taken. */
  readonly readableLength: number
  isPaused(): boolean
}

/** More than any kernel keeps in a pipe or a Unix socket: what comes after this many bytes is not the ended program's. */
const longestLeftoverBytes = 1024 * 1024
/** Whoever takes nothing for this long will not. */
const longestPauseMs = 10_000

/**
 * Resolves when the output of a program that has just ended was read: when `closed` does, or, since what it left running may hold
 * its output open, once nothing has come for `quietMs`, or only what cannot be its own any more. A busy event loop and a slow
 * reader cost no output.
 */
export const outputRead = async (
  pipes: readonly OutputPipe[],
  closed: Promise<unknown>,
  clock: Clock,
  quietMs: number,
): Promise<void> => {
  let isRead = false
  const read = closed.then(() => {
    isRead = true
  })
  await new Promise((resolve) => setImmediate(resolve)) // most programs close their output just before they end: no clock is needed then
  if (isRead) return
  const over = new AbortController()
  const bytesRead = (): number => pipes.reduce((sum, pipe) => sum + (pipe.bytesRead ?? 0), 0)
  const isWaiting = (): boolean => pipes.some((pipe) => pipe.readableLength > 0 || pipe.isPaused())
  const quiet = async (): Promise<void> => {
    const atEnd = bytesRead()
    let movedMs = clock.monotonicMs()
    for (let seen = atEnd; ; seen = bytesRead()) {
      await clock.sleep(quietMs, over.signal)
      // Between a timer and an immediate the event loop looks for input once, however late the timer is.
      await new Promise((resolve) => setImmediate(resolve))
      if (bytesRead() !== seen) movedMs = clock.monotonicMs()
      const isQuiet = bytesRead() === seen || bytesRead() - atEnd > longestLeftoverBytes
      if (isQuiet && (!isWaiting() || clock.monotonicMs() - movedMs > longestPauseMs)) return
    }
  }
  await Promise.race([read, quiet().catch(() => {})])
  over.abort()
}
