import {
  chmodSync,
  chownSync,
  constants,
  copyFileSync,
  type Dirent,
  linkSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  type Stats,
  statSync,
  symlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import type { RunAs } from '../processes/command.ts'

/** A directory with exactly this mode, whatever the umask; its owner's when there is one. The caller marks the effect. */
export const makeDirectory = (path: string, mode: number, owner: RunAs | null): void => {
  mkdirSync(path)
  if (owner) chownSync(path, owner.uid, owner.gid)
  chmodSync(path, mode)
}

/**
 * Gives an instance its own tree: directories are its own, files the very ones of the release or copies that it cannot change. One
 * directory at a time, the event loop in between: an image may hold ten thousands of files. The caller marks the effect.
 */
export const clone = async (from: string, to: string, owner: RunAs | null): Promise<void> => {
  const entries = readdirSync(from, { withFileTypes: true })
  for (const entry of entries) if (!entry.isDirectory()) cloneEntry(entry, from, to, owner)
  for (const entry of entries) {
    if (!entry.isDirectory()) continue
    makeDirectory(join(to, entry.name), 0o755, owner)
    await new Promise((turn) => setImmediate(turn))
    await clone(join(from, entry.name), join(to, entry.name), owner)
  }
}

const cloneEntry = (entry: Dirent, from: string, to: string, owner: RunAs | null): void => {
  const [source, target] = [join(from, entry.name), join(to, entry.name)]
  if (entry.isSymbolicLink()) symlinkSync(readlinkSync(source), target)
  if (!entry.isFile()) return // a socket or device is no part of a release
  const status = statSync(source)
  // A link is the very file of the release: it must be nobody's whom the service could be, and readable to it.
  if (owner && isSharable(status, owner) && tryLink(source, target)) return
  copyFileSync(source, target, constants.COPYFILE_FICLONE)
  if (owner) chownSync(target, 0, owner.gid)
  chmodSync(target, owner ? (status.mode & 0o100 ? 0o550 : 0o440) : (status.mode & 0o777) | 0o600)
}

const isSharable = ({ mode, uid, gid }: Stats, owner: RunAs): boolean => {
  const isWritable = uid === owner.uid || (mode & 0o002) !== 0 || (gid === owner.gid && (mode & 0o020) !== 0)
  const isReadable = (mode & 0o004) !== 0 && ((mode & 0o100) === 0 || (mode & 0o001) !== 0)
  return !isWritable && isReadable && (mode & 0o6000) === 0
}

const tryLink = (source: string, target: string): boolean => {
  try {
    linkSync(source, target)
    return true
  } catch (error) {
    // another file system, or more links than a file can have
    if (error instanceof Error && 'code' in error && (error.code === 'EXDEV' || error.code === 'EMLINK')) return false
    throw error
  }
}
