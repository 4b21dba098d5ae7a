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
 * would empty what it leads to. The caller marks the effect.
 */
export const removeTree = async (directory: string): Promise<void> => {
  if (!isRoot()) return rm(directory, { recursive: true, force: true, maxRetries: 3 })
  if (!lstatSync(directory, { throwIfNoEntry: false })) return // starting a program takes milliseconds
  await promisify(execFile)('rm', ['-rf', '--', directory], { env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' } })
}
