import { constants } from 'node:fs'
import { chmod, chown, copyFile, link, lstat, mkdir, opendir, readlink, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { effect } from '../effect.ts'
import type { InstanceSpec } from './protocol.ts'

/** An instance's own directory: `app` with the release's files, `home` and `tmp`. */
export const prepareDirectory = (
  directory: string,
  { files, user }: Pick<InstanceSpec, 'files' | 'user'>,
): Promise<void> =>
  effect('agent.prepare-directory', async () => {
    await rm(directory, { recursive: true, force: true }) // what a crash left of an earlier attempt
    await mkdir(directory, { recursive: true, mode: 0o711 })
    await chmod(directory, 0o711)
    for (const name of ['app', 'home', 'tmp']) await own(join(directory, name), user)
    if (files) await clone(files, join(directory, 'app'), user)
  })

/** The instance's user owns the directories, and so may add and remove; the files stay those of the release, which nobody may change. */
const clone = async (from: string, to: string, user: InstanceSpec['user']): Promise<void> => {
  for await (const entry of await opendir(from)) {
    const source = join(from, entry.name)
    const target = join(to, entry.name)
    if (entry.isDirectory()) {
      await own(target, user)
      await clone(source, target, user)
    } else if (entry.isSymbolicLink()) await symlink(await readlink(source), target)
    else if (user) await link(source, target).catch(() => copyFile(source, target))
    else await copyFile(source, target, constants.COPYFILE_FICLONE)
  }
}

const own = async (directory: string, user: InstanceSpec['user']): Promise<void> => {
  await mkdir(directory, { mode: 0o700 })
  if (user) await chown(directory, user.uid, user.gid)
}

export const removeDirectory = (directory: string): Promise<void> =>
  effect('agent.remove-directory', async () => {
    if (await lstat(directory).catch(() => null)) await rm(directory, { recursive: true, force: true, maxRetries: 3 })
  })
