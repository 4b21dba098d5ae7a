import { closeSync, openSync, write, writeSync, writevSync } from 'node:fs'
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
/** Less than this is gathered for as long as there is something else to do at once: a step says a few words several times. */
const mostGatheredBytes = 8 * 1024
const writeSoon = promisify(write)
const nothing = Buffer.alloc(0)

/**
 * Opens a file for appending; `onWritten` is called whenever something has reached it. What is written goes into the kernel's memory at once, which
 * is quicker than handing it to another thread, unless the disk is slow: then it waits its turn. A few words wait until what is to be done at once is
 * done. When the disk fails, the rest is dropped.
 */
export const openAppender = (file: string, clock: Clock, onWritten: () => void): Appender => {
  const descriptor = effectSync('build.open-log', () => openSync(file, 'a', 0o600))
  let isOpen = true
  let slowUntilMs = 0
  let waiting: Buffer[] = []
  let waitingBytes = 0
  let emptying: Promise<void> | null = null
  let gathered: Buffer[] = []
  let gatheredBytes = 0

  const writeAtOnce = (bytes: Buffer): void => {
    const began = clock.monotonicMs()
    let done = gathered.length > 0 ? writeGathered(bytes) : 0
    while (done < bytes.length) done += writeSync(descriptor, bytes, done)
    const ended = clock.monotonicMs()
    if (ended - began > slowMs) slowUntilMs = ended + slowForMs
    onWritten()
  }
  /** Writes what is gathered and these bytes behind it; returns how many of these. */
  const writeGathered = (bytes: Buffer): number => {
    const before = Buffer.concat(gathered)
    gathered = []
    gatheredBytes = 0
    let done = writevSync(descriptor, [before, bytes])
    while (done < before.length) done += writeSync(descriptor, before, done)
    return done - before.length
  }
  const gather = (bytes: Buffer): void => {
    if (gathered.length === 0) setImmediate(writeOut)
    gathered.push(Buffer.from(bytes))
    gatheredBytes += bytes.length
  }
  const writeOut = (): void => {
    if (gathered.length > 0) attempt(nothing)
  }
  const attempt = (bytes: Buffer): void => {
    try {
      writeAtOnce(bytes)
    } catch {
      fail()
    }
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
    gathered = []
  }
  return {
    write: (bytes) => {
      if (!isOpen) return true
      if (emptying === null && clock.monotonicMs() >= slowUntilMs) {
        if (gatheredBytes + bytes.length < mostGatheredBytes) gather(bytes)
        else attempt(bytes)
        return true
      }
      writeOut()
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
      writeOut()
      isOpen = false
      await emptying
      closeSync(descriptor)
    },
  }
}
