import { dirname, isAbsolute, join, normalize, relative } from 'node:path'
import type { DependencyCache, DependencyKey } from '../dependencies.ts'
import type { Action, PostAction } from '../jobs/actions.ts'
import type { RunSource } from '../jobs/contexts.ts'
import { readInWorkspace } from '../jobs/workspace.ts'

/**
 * `headway/dependencies`, of the generated workflow: restores the folders that the language installs into, else keeps them
 * once the job has succeeded, and only of the default branch: what a branch installs (its package.json may run anything) would
 * else be what the default branch and its releases get under the same lock file. Inputs: `language`, `lockfile` and `folders` (one a line; both from the repository's root), and
 * `variant`. The versions that `actions/setup-*` brought are part of the key. Output `cache-hit`: whether the installation can
 * be skipped.
 */
export const dependenciesAction =
  (cache: DependencyCache): Action =>
  async ({ inputs, source, workspace, tools, user, say }) => {
    const folders = (inputs.folders ?? '').split(/\s+/).filter((folder) => folder !== '')
    if (folders.some((folder) => normalize(folder).startsWith('..') || isAbsolute(folder)))
      throw new Error(`folders: ${folders.join(' ')} must be below the workspace`)
    if (!inputs.lockfile || folders.length === 0) return { outputs: { 'cache-hit': 'false' } }
    // Kept by their places beside the lock file, as packaging installs into a copy of the service's folder alone.
    const base = dirname(normalize(inputs.lockfile))
    const within = folders.map((folder) => relative(base, folder))
    if (within.some((folder) => folder.startsWith('..')))
      throw new Error(`folders: ${folders.join(' ')} must be below ${base}, where the lock file is`)
    const key: DependencyKey = {
      project: source.project,
      language: inputs.language ?? '',
      runtime: Array.from(tools, ([program, version]) => `${program} ${version}`).join(' '),
      lock: await readInWorkspace(workspace, inputs.lockfile, user),
      purpose: inputs.variant ?? 'development',
    }
    const isRestored = await cache.restore(key, join(workspace.work, base), user)
    say(isRestored ? `Restored ${folders.join(', ')}` : 'No dependencies kept for this lock file yet')
    if (isRestored) return { outputs: { 'cache-hit': 'true' } }
    if (!isOfDefaultBranch(source)) return { outputs: { 'cache-hit': 'false' } }
    const post: PostAction = {
      condition: 'success()',
      run: async (call) => {
        // What is kept for later jobs must not change any more.
        await call.endProcesses()
        await cache.save(key, join(workspace.work, base), within, user)
      },
    }
    return { outputs: { 'cache-hit': 'false' }, post }
  }

const isOfDefaultBranch = ({ event, ref, defaultBranch, isTrusted }: RunSource): boolean =>
  isTrusted && event.name === 'push' && ref === `refs/heads/${defaultBranch}`
