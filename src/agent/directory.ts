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
  realpathSync,
  type Stats,
  statSync,
  symlinkSync,
} from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { effect } from '../effect.ts'
import { isRoot } from '../home.ts'
import { Problem } from '../problem.ts'
import type { RunAs } from '../processes/command.ts'
import type { InstanceSpec } from './protocol.ts'

export type InstancePlaces = {
  readonly root: string
  readonly app: string
  readonly home: string
  readonly tmp: string
}

export const placesOf = (instances: string, id: string): InstancePlaces => {
  const root = join(instances, id)
  return { root, app: join(root, 'app'), home: join(root, 'home'), tmp: join(root, 'tmp') }
}

/** Makes the instance's own directory anew, whatever an interrupted try left there. Throws a Problem when its files are gone. */
export const prepareDirectory = async (
  places: InstancePlaces,
  { files, user, id }: Pick<InstanceSpec, 'files' | 'user' | 'id'>,
): Promise<void> => {
  if (files !== null && !statSync(files, { throwIfNoEntry: false })?.isDirectory())
    throw new Problem({
      kind: 'files-missing',
      status: 409,
      detail: `the files of instance ${id} are not there: ${files} is no directory`,
      next: 'deploy again',
    })
  await removeDirectory(places)
  const owner = isRoot() ? user : null
  await effect('agent.directory-make', async () => {
    // Only its own group passes: other services' users see neither its files nor their names.
    makeDirectory(places.root, 0o710, owner && { uid: 0, gid: owner.gid })
    makeDirectory(places.home, 0o700, owner)
    makeDirectory(places.tmp, 0o700, owner)
    makeDirectory(places.app, 0o755, owner)
    if (files !== null) await clone(files, places.app, owner)
  })
}

export const removeDirectory = (places: InstancePlaces): Promise<void> =>
  effect('agent.directory-remove', () => rm(places.root, { recursive: true, force: true, maxRetries: 3 }))

/** Where the program starts; a Problem when that is no directory or a link leads out of the instance's own. */
export const workingDirectoryOf = (places: InstancePlaces, spec: Pick<InstanceSpec, 'workingDirectory' | 'id'>) => {
  const wanted = join(places.app, spec.workingDirectory)
  const isDirectory = statSync(wanted, { throwIfNoEntry: false })?.isDirectory() ?? false
  if (isDirectory && `${realpathSync(wanted)}/`.startsWith(`${realpathSync(places.app)}/`)) return wanted
  throw new Problem({
    kind: 'no-working-directory',
    status: 409,
    detail: `${spec.workingDirectory} is not a directory of instance ${spec.id}`,
    next: 'put the directory into the release, or start elsewhere',
  })
}

const makeDirectory = (path: string, mode: number, owner: RunAs | null): void => {
  mkdirSync(path)
  if (owner) chownSync(path, owner.uid, owner.gid)
  chmodSync(path, mode)
}

/** One directory at a time, the event loop in between: an image may hold ten thousands of files. */
const clone = async (from: string, to: string, owner: RunAs | null): Promise<void> => {
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
