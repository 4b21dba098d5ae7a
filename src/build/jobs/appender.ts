import { closeSync, openSync, write, writeSync } from 'node:fs'
import { promisify } from 'node:util'
import type { Clock } from '../../clock.ts'
import { effectSync } from '../../effect.ts'

/** Appends to a file, in order. */
export type Appender = {
  /** The bytes may be changed afterwards. False: wait for `drained()` before adding more, so that memory stays bounded. */
  write(bytes: Buffer): boolean
  drained(): Promise<void>
  close(): Promise<void>
}

/** A disk that takes longer for a write, as when the kernel lets nobody write until it has caught up, is not waited for for a while. */
const slowMs = 10
const slowForMs = 1000
const mostWaitingBytes = 1024 * 1024
const writeSoon = promisify(write)

/**
 * Opens a file for appending; `onWritten` is called whenever something has reached it. What is written goes into the kernel's memory at once, which
 * is quicker than handing it to another thread, unless the disk is slow: then it waits its turn. When the disk fails, the rest is dropped.
 */
export const openAppender = (file: string, clock: Clock, onWritten: () => void): Appender => {
  const descriptor = effectSync('build.open-log', () => openSync(file, 'a', 0o600))
  let isOpen = true
  let slowUntilMs = 0
  let waiting: Buffer[] = []
  let waitingBytes = 0
  let emptying: Promise<void> | null = null

  const writeAtOnce = (bytes: Buffer): void => {
    const began = clock.monotonicMs()
    for (let done = 0; done < bytes.length; ) done += writeSync(descriptor, bytes, done)
    const ended = clock.monotonicMs()
    if (ended - began > slowMs) slowUntilMs = ended + slowForMs
    onWritten()
  }
  const empty = async (): Promise<void> => {
    while (waiting.length > 0) {
      const bytes = Buffer.concat(waiting)
      waiting = []
      waitingBytes = 0
      for (let done = 0; done < bytes.length; )
        done += (await writeSoon(descriptor, bytes, done, bytes.length - done, null)).bytesWritten
      onWritten()
    }
  }
  const fail = (): void => {
    isOpen = false
    waiting = []
  }
  return {
    write: (bytes) => {
      if (!isOpen) return true
      if (emptying === null && clock.monotonicMs() >= slowUntilMs) {
        try {
          writeAtOnce(bytes)
        } catch {
          fail()
        }
        return true
      }
      waiting.push(Buffer.from(bytes))
      waitingBytes += bytes.length
      emptying ??= empty()
        .catch(fail)
        .finally(() => {
          emptying = null
        })
      return waitingBytes < mostWaitingBytes
    },
    drained: async () => (await emptying) ?? undefined,
    close: async () => {
      isOpen = false
      await emptying
      closeSync(descriptor)
    },
  }
}
