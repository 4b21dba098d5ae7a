import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fchownSync,
  fstatSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { chmod, chown, mkdir, readdir, realpath, rm, symlink } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { effect, effectSync } from '../../effect.ts'
import { isRoot } from '../../home.ts'
import type { RunAs } from '../../processes/command.ts'
import { removeTree as removeFiles } from '../../processes/files.ts'
import { type CommandFile, commandFiles } from './command-files.ts'

/**
 * The directories of one job. `work` (GITHUB_WORKSPACE), `home`, `temp` and `actions` (what `uses:` brought) belong to the job's
 * user; `files` to Headway: the job writes into the command files there but cannot put a link to somebody else's file in their place.
 */
export type Workspace = {
  readonly root: string
  readonly work: string
  readonly home: string
  readonly temp: string
  readonly actions: string
  readonly files: string
}

const largestCommandFileBytes = 10 * 1024 * 1024

/** Fresh, empty directories; what an earlier attempt left there is removed. */
export const prepareWorkspace = (root: string, repository: string, user: RunAs | null): Promise<Workspace> =>
  effect('build.prepare-workspace', async () => {
    await removeTree(root)
    const workspace = {
      root,
      work: join(root, 'work', repository),
      home: join(root, 'home'),
      temp: join(root, 'temp'),
      actions: join(root, 'actions'),
      files: join(root, 'files'),
    }
    const { work, home, temp, actions, files } = workspace
    for (const directory of [dirname(root), root]) await makeDirectory(directory, 0o711, null)
    const passable = [files, dirname(work)].map((directory) => makeDirectory(directory, 0o711, null))
    await Promise.all([...passable, ...[home, temp, actions].map((directory) => makeDirectory(directory, 0o700, user))])
    await makeDirectory(work, 0o700, user)
    return workspace
  })

/** Removes it all, a moment later where others may be removed with it. */
export const removeWorkspace = (root: string): Promise<void> =>
  effect('build.remove-workspace', () => removeTree(root, { canWait: true }))

/** Writes a file for the job's user to read: a script, an event. */
export const writeForJob = (file: string, text: string, user: RunAs | null): void =>
  effectSync('build.write-job-file', () => writeFresh(file, text, 0o640, user && { uid: 0, gid: user.gid }))

/** The command files of the programs of a job. */
export type CommandFolders = {
  /** Where a program's command files will be. */
  of(program: number): Readonly<Record<CommandFile, string>>
  /** A program's empty command files, which it may also remove: their paths by variable. */
  make(program: number): Readonly<Record<CommandFile, string>>
  /** Whether the program has left them as they were made; then they become the next one's, as making files takes a while. */
  areUntouched(program: number): boolean
}

/** `mayHandOn`: no other than this user (nor a container's root) changes what is in the job's directories. */
export const createCommandFolders = (workspace: Workspace, user: RunAs | null, mayHandOn: boolean): CommandFolders => {
  let untouched: string | null = null
  const folderOf = (program: number): string => join(workspace.files, String(program))
  return {
    of: (program) => filesIn(folderOf(program)),
    make: (program) => {
      const directory = folderOf(program)
      const earlier = untouched
      untouched = null
      const files = filesIn(directory)
      if (earlier !== null) effectSync('build.hand-on-command-files', () => renameSync(earlier, directory))
      else
        effectSync('build.make-command-files', () => {
          mkdirSync(directory, { mode: 0o700 })
          for (const file of Object.values(files)) writeFresh(file, '', 0o600, user)
          if (user) lchownSync(directory, user.uid, user.gid)
        })
      return files
    },
    areUntouched: (program) => {
      const directory = folderOf(program)
      const isAsMade = mayHandOn && Object.values(filesIn(directory)).every(isUntouched)
      if (isAsMade) untouched = directory
      return isAsMade
    },
  }
}

const filesIn = (directory: string): Readonly<Record<CommandFile, string>> => {
  const fileFor = (name: CommandFile): string => join(directory, commandFiles[name])
  return {
    GITHUB_ENV: fileFor('GITHUB_ENV'),
    GITHUB_OUTPUT: fileFor('GITHUB_OUTPUT'),
    GITHUB_PATH: fileFor('GITHUB_PATH'),
    GITHUB_STATE: fileFor('GITHUB_STATE'),
    GITHUB_STEP_SUMMARY: fileFor('GITHUB_STEP_SUMMARY'),
  }
}

const isUntouched = (file: string): boolean => {
  const status = lstatSync(file, { throwIfNoEntry: false })
  return status?.isFile() === true && status.size === 0 && status.nlink === 1 && (status.mode & 0o777) === 0o600
}

/** What a step wrote into a command file; nothing where it removed it. Throws as `readCommandFile` does. */
export const readIfThere = (file: string, owner: RunAs | null): string => {
  try {
    return readCommandFile(file, owner)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return ''
    throw error
  }
}

/** Never through a link that stands in the file's place: the root of a job's container can put one there, and Headway may be root, too. */
const writeFresh = (file: string, text: string, mode: number, owner: RunAs | null): void => {
  const descriptor = openFresh(file, mode)
  try {
    if (text !== '') writeFileSync(descriptor, text)
    if (owner && isRoot()) fchownSync(descriptor, owner.uid, owner.gid)
  } finally {
    closeSync(descriptor)
  }
}

const openFresh = (file: string, mode: number): number => {
  try {
    return openSync(file, 'wx', mode)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
    rmSync(file, { force: true })
    return openSync(file, 'wx', mode)
  }
}

/** What a step wrote into a command file. Throws when it is no plain file any more or larger than 10 MiB. */
export const readCommandFile = (file: string, owner: RunAs | null, isReal = false): string => {
  const descriptor = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const status = fstatSync(descriptor)
    if (!status.isFile()) throw new Error(`${file} is no plain file any more`)
    // The job may have put a link in place of a folder after the look.
    if (isReal && existsSync('/proc/self/fd') && readlinkSync(`/proc/self/fd/${descriptor}`) !== file)
      throw new Error(`${file} is not where it was any more`)
    if (owner && status.uid !== owner.uid) throw new Error(`${file} does not belong to the job's user`)
    if (status.size > largestCommandFileBytes) throw new Error(`${file} is larger than 10 MiB`)
    const bytes = Buffer.alloc(status.size)
    const length = readSync(descriptor, bytes, 0, bytes.length, 0)
    return bytes.toString('utf8', 0, length).replace(/^\uFEFF/, '')
  } finally {
    closeSync(descriptor)
  }
}

/**
 * The text of a file of the job's below its workspace, which no link may lead out of; as the job may put one there after the look, the
 * file must be its user's own. Throws an Error that names it.
 */
export const readInWorkspace = async ({ work }: Workspace, path: string, user: RunAs | null): Promise<string> => {
  const real = await realpath(join(work, path)).catch(() => {
    throw new Error(`there is no file ${path}`)
  })
  if (!`${real}`.startsWith(`${await realpath(work)}/`)) throw new Error(`${path} is outside of the workspace`)
  return readCommandFile(real, user, true)
}

/**
 * The text of a file that the job names, from its workspace or as a full path: one of its own anywhere in its directories, as others'
 * files would be read as root. Throws an Error that names it.
 */
export const readOfJob = ({ root, work }: Workspace, path: string, user: RunAs | null): string => {
  let real: string
  try {
    real = realpathSync(resolve(work, path))
  } catch (error) {
    throw new Error(`there is no file ${path}`, { cause: error })
  }
  if (!real.startsWith(`${realpathSync(root)}/`)) throw new Error(`${path} is outside of the job's directories`)
  return readCommandFile(real, user, true)
}

/** A folder for the PATH with only these programs in it, so that what else is beside them hides nothing. */
export const linkPrograms = (
  { root }: Workspace,
  name: string,
  programs: Readonly<Record<string, string>>,
): Promise<string> =>
  effect('build.link-programs', async () => {
    const directory = join(root, 'tools', name)
    await rm(directory, { recursive: true, force: true })
    await mkdir(directory, { recursive: true, mode: 0o755 })
    for (const folder of [dirname(directory), directory]) chmodSync(folder, 0o755)
    for (const [link, program] of Object.entries(programs)) await symlink(program, join(directory, link))
    return directory
  })

/** Permissions that a job took away from directories of its own must not keep an ordinary user from removing them. */
export const removeTree = (directory: string, options: { canWait?: boolean } = {}): Promise<void> =>
  effect('build.remove-tree', async () => {
    try {
      await removeFiles(directory, options)
    } catch (error) {
      if (isRoot()) throw error
      await openUp(directory)
      await removeFiles(directory)
    }
  })

const openUp = async (directory: string): Promise<void> => {
  chmodSync(directory, 0o700)
  for (const entry of await readdir(directory, { withFileTypes: true }))
    if (entry.isDirectory()) await openUp(join(directory, entry.name))
}

/** A directory, and those above it, of this user or Headway's own. */
export const makeDirectory = (directory: string, mode: number, user: RunAs | null): Promise<void> =>
  effect('build.make-directory', async () => {
    await mkdir(directory, { recursive: true, mode })
    await chmod(directory, mode) // mkdir's passes through the umask
    if (user) await chown(directory, user.uid, user.gid)
  })
