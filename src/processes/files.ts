import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, closeSync, fsyncSync, lstatSync, openSync, renameSync, rmSync, writeSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { isRoot } from '../home.ts'

/**
 * Writes a file so that after a crash at any instant it holds the old text or the new one, whole, and is durable when this returns. The
 * caller marks the effect.
 */
export const writeDurably = (file: string, text: string | Uint8Array, mode = 0o600): void => {
  const fresh = `${file}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`
  const descriptor = openSync(fresh, 'wx', mode)
  try {
    const bytes = Buffer.from(text)
    for (let written = 0; written < bytes.length; ) written += writeSync(descriptor, bytes, written)
    fsyncSync(descriptor)
  } catch (error) {
    closeSync(descriptor)
    rmSync(fresh, { force: true })
    throw error
  }
  closeSync(descriptor)
  chmodSync(fresh, mode)
  renameSync(fresh, file)
  syncDirectory(dirname(file))
}

/** Makes a rename, creation or removal in a directory durable. */
export const syncDirectory = (directory: string): void => {
  const descriptor = openSync(directory, 'r')
  fsyncSync(descriptor)
  closeSync(descriptor)
}

/**
 * Removes a directory with all that is in it, or nothing where there is none. Root leaves directories that others can write to `rm`, which goes
 * from one open directory to the next: by their paths, as Node.js goes, somebody could put a link in place of a directory meanwhile, and root
 * would empty what it leads to. With `canWait` it is begun a moment later, together with others. The caller marks the effect.
 */
export const removeTree = async (directory: string, options: { canWait?: boolean } = {}): Promise<void> => {
  if (!isRoot()) return rm(directory, { recursive: true, force: true, maxRetries: 3 })
  if (!lstatSync(directory, { throwIfNoEntry: false })) return // starting a program takes milliseconds
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  toRemove.push({ directory, resolve, reject })
  if (!options.canWait) {
    if (removing < removedAtOnce) void removeInBatches()
  } else if (!isGathering) {
    isGathering = true
    setTimeout(removeGathered, gatherMs)
  }
  return promise
}

type Removal = { readonly directory: string; resolve(): void; reject(error: unknown): void }
const toRemove: Removal[] = []
/** A large directory does not hold up the small ones. */
const removedAtOnce = 3
let removing = 0
const gatherMs = 200
let isGathering = false
const removeGathered = (): void => {
  isGathering = false
  void removeInBatches()
}

/** One program for all that came while the last one ran: each start of one holds up the event loop for milliseconds. */
const removeInBatches = async (): Promise<void> => {
  removing += 1
  const remove = (...directories: string[]) =>
    promisify(execFile)('rm', ['-rf', '--', ...directories], { env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' } })
  for (let batch = toRemove.splice(0, 100); batch.length > 0; batch = toRemove.splice(0, 100)) {
    try {
      await remove(...batch.map(({ directory }) => directory))
      for (const { resolve } of batch) resolve()
    } catch {
      // Which of them it was is found out one by one.
      for (const { directory, resolve, reject } of batch) await remove(directory).then(resolve, reject)
    }
  }
  removing -= 1
}
