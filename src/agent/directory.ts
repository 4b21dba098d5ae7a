import { chmodSync, chownSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { effect } from '../effect.ts'
import { isRoot } from '../home.ts'
import { Problem } from '../problem.ts'
import { removeTree } from '../processes/files.ts'
import { clone, makeDirectory } from './clone.ts'
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
    // Closed while root works in it: an instance beside it, of the same user, could put links in its way.
    makeDirectory(places.root, 0o700, null)
    makeDirectory(places.home, 0o700, owner)
    makeDirectory(places.tmp, 0o700, owner)
    makeDirectory(places.app, 0o755, owner)
    if (files !== null) await clone(files, places.app, owner)
    // Only its own group passes: other services' users see neither its files nor their names.
    if (owner) chownSync(places.root, 0, owner.gid)
    chmodSync(places.root, 0o710)
  })
}

export const removeDirectory = (places: InstancePlaces): Promise<void> =>
  effect('agent.directory-remove', () => removeTree(places.root))

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
