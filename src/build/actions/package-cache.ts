import type { ActionCall, ActionChanges } from '../jobs/actions.ts'
import { cacheAction } from './cache.ts'

/** What a package manager keeps for later jobs. */
export type PackageCache = {
  /** Its folders, as `path` of `actions/cache`. */
  readonly paths: readonly string[]
  /** With the hash of the files that tell one state of it from another at its end. */
  readonly key: string
  /** What else a cache may begin with. Left out where nothing removes from the folders what a build no longer needs. */
  readonly restoreKeys?: readonly string[]
}

/** The patterns of `cache-dependency-path`, else null. */
export const dependencyPaths = ({ inputs }: Pick<ActionCall, 'inputs'>): readonly string[] | null => {
  const lines = (inputs['cache-dependency-path'] ?? '').split('\n').flatMap((line) => line.trim() || [])
  return lines.length > 0 ? lines : null
}

/** As `actions/cache`, on behalf of an action that set a language up: restored now, saved when the job has succeeded. */
export const restorePackages = async (
  { paths, key, restoreKeys = [] }: PackageCache,
  call: ActionCall,
): Promise<Pick<ActionChanges, 'post'> & { readonly isHit: boolean }> => {
  const inputs = { path: paths.join('\n'), key, 'restore-keys': restoreKeys.join('\n') }
  const { outputs = {}, post } = await cacheAction({ ...call, inputs })
  const { run } = post ?? {}
  return {
    isHit: outputs['cache-hit'] === 'true',
    ...(run ? { post: { condition: 'success()', run: (later: ActionCall) => run({ ...later, inputs }) } } : {}),
  }
}
