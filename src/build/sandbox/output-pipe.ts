import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Output } from '../jobs/processes.ts'
import { wideBytes, widenPipe } from './pipe-widener.ts'

/** A pipe through which more than this has come is widened. */
const muchBytes = 1024 * 1024

/**
 * Everything is read to one place, as much output in buffers of their own would keep the collector of garbage busy. It is larger than what any pipe
 * holds: a read that fills it would be followed by another, up to 32 of them, before anybody else has their turn.
 */
const readTo = Buffer.allocUnsafeSlow(wideBytes + 64 * 1024)

/** The end of a named pipe that a job made, into which one of its programs prints. */
export class OutputPipe extends Socket implements Output {
  #take = (chunk: Buffer): boolean => this.push(Buffer.from(chunk))

  constructor(descriptor: number) {
    let isWide = false
    const callback = (length: number): boolean => {
      if (!isWide && this.bytesRead > muchBytes) {
        isWide = true
        widenPipe(descriptor)
      }
      return this.#take(readTo.subarray(0, length))
    }
    super({ fd: descriptor, readable: true, writable: false, onread: { buffer: readTo, callback } })
  }

  lookAt(take: (chunk: Buffer) => boolean): void {
    this.#take = take
    this.resume()
  }
}

/** A named pipe that a job made; null where it put something else in its place. */
export const openOutputPipe = (path: string): OutputPipe | null => {
  let descriptor: number
  try {
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW)
  } catch {
    return null
  }
  if (fstatSync(descriptor).isFIFO()) return new OutputPipe(descriptor)
  closeSync(descriptor)
  return null
}
