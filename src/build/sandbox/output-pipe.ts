import { spawn } from 'node:child_process'
import { closeSync, constants, existsSync, fstatSync, openSync } from 'node:fs'
import { Socket } from 'node:net'
import { effectSync } from '../../effect.ts'
import type { Output } from '../jobs/processes.ts'

/** What the kernel keeps of a widened pipe: less than the 1 MiB that anybody may ask for. */
const wideBytes = 512 * 1024
/** A pipe through which more than this has come is widened. */
const muchBytes = 1024 * 1024

/**
 * Everything is read to one place, as much output in buffers of their own would keep the collector of garbage busy. It is larger than what any pipe
 * holds: a read that fills it would be followed by another, up to 32 of them, before anybody else has their turn.
 */
const readTo = Buffer.allocUnsafeSlow(wideBytes + 64 * 1024)

/** Git's own companion, so that it is on most machines; only programs in C and those in Perl or Python can widen a pipe. */
const perl = ['/usr/bin/perl', '/bin/perl'].find((path) => existsSync(path))

/** The end of a named pipe that a job made, into which one of its programs prints. */
export class OutputPipe extends Socket implements Output {
  #take = (chunk: Buffer): boolean => this.push(Buffer.from(chunk))

  constructor(descriptor: number) {
    let isWide = false
    const callback = (length: number): boolean => {
      if (!isWide && this.bytesRead > muchBytes) {
        isWide = true
        widen(descriptor)
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

/**
 * A pipe holds 64 KiB, half of what `cat` writes at once: program and reader then wait for each other after each of them, and waking somebody takes as
 * long as copying that much. 100 MB so take 85 ms even when nobody looks at them, and 40 through a pipe of 512 KiB. (A socket would hold more, but
 * nobody could open `/dev/stdout` then.) Where nothing can widen it, it stays as it is.
 */
const widen = (descriptor: number): void => {
  if (perl === undefined) return
  // F_SETPIPE_SZ, which Node.js has no call for
  const script = `open(PIPE, '<&=', 3) and fcntl(PIPE, 1031, ${wideBytes})`
  const child = effectSync('build.widen-pipe', () =>
    spawn(perl, ['-e', script], { cwd: '/', env: {}, stdio: ['ignore', 'ignore', 'ignore', descriptor] }),
  )
  child.on('error', () => undefined) // it stays as it is
  child.unref()
}
