import type { ActionCall } from '../jobs/actions.ts'
import { marked } from '../jobs/output.ts'
import type { Workspace } from '../jobs/workspace.ts'
import { dependencyPaths, type PackageCache } from './package-cache.ts'
import { flag } from './upload-artifact.ts'

/** The cache that `cache:` of `actions/setup-*` asks for; null when it goes on without one; throws where the real action fails. */
export type CacheOf = (call: Place, version: string) => Promise<PackageCache | null>

type Place = Pick<ActionCall, 'inputs' | 'hashFiles' | 'say'> & { readonly workspace: Pick<Workspace, 'work'> }

const prefix = (action: string): string => `${action}-Linux-${process.arch}`

/** setup-node, src/cache-utils.ts and src/cache-restore.ts: lock files stand at the workspace's root unless they are named. */
const nodeManagers: Readonly<Record<string, { readonly paths: readonly string[]; readonly files: readonly string[] }>> =
  {
    npm: { paths: ['~/.npm'], files: ['package-lock.json', 'npm-shrinkwrap.json', 'yarn.lock'] },
    pnpm: { paths: ['~/.local/share/pnpm/store'], files: ['pnpm-lock.yaml'] },
    yarn: { paths: ['~/.cache/yarn', '~/.yarn/berry/cache'], files: ['yarn.lock'] },
  }

export const nodeCache: CacheOf = async (call) => {
  const name = call.inputs.cache
  if (!name) return null
  const manager = nodeManagers[name]
  if (!manager) throw new Error(`Caching for '${name}' is not supported`)
  const named = dependencyPaths(call)
  const hash = named ? await call.hashFiles(named) : await firstHash(manager.files, call)
  if (hash === '' && named)
    throw new Error(`Some specified paths were not resolved, unable to cache dependencies: ${named}`)
  if (hash === '')
    throw new Error(
      `Dependencies lock file is not found in ${call.workspace.work}. Supported file patterns: ${manager.files}`,
    )
  return { paths: manager.paths, key: `${prefix('node-cache')}-${name}-${hash}` }
}

/** setup-python, src/cache-distributions. */
const pythonManagers: Readonly<
  Record<string, { readonly paths: readonly string[]; readonly files: readonly string[] }>
> = {
  pip: { paths: ['~/.cache/pip'], files: ['**/requirements.txt', '**/pyproject.toml'] },
  pipenv: { paths: ['~/.local/share/virtualenvs'], files: ['**/Pipfile.lock'] },
  poetry: { paths: ['~/.cache/pypoetry'], files: ['**/poetry.lock'] },
}

export const pythonCache: CacheOf = async (call, version) => {
  const name = call.inputs.cache
  if (!name) return null
  const manager = pythonManagers[name]
  if (!manager) throw new Error(`Caching for '${name}' is not supported`)
  const named = dependencyPaths(call)
  const hash = named ? await call.hashFiles(named) : await firstHash(manager.files, call)
  if (hash === '')
    throw new Error(
      `No file in ${call.workspace.work} matched to [${(named ?? manager.files).join(' or ')}], make sure you have checked out the target repository`,
    )
  const group = `${prefix('setup-python')}-python-${version}-${name}`
  return { paths: manager.paths, key: `${group}-${hash}`, ...(name === 'pip' ? { restoreKeys: [group] } : {}) }
}

/** setup-go since its version 4, src/main.ts and src/cache-restore.ts: unless `cache: false` says no; without `go.sum` it only warns. */
export const goCache: CacheOf = async (call, version) => {
  if (!flag('cache', call.inputs.cache ?? 'true')) return null
  const named = dependencyPaths(call)
  const hash = await call.hashFiles(named ?? ['go.sum'])
  if (hash !== '')
    return { paths: ['~/go/pkg/mod', '~/.cache/go-build'], key: `${prefix('setup-go')}-go-${version}-${hash}` }
  const why = named
    ? `Some specified paths were not resolved, unable to cache dependencies: ${named}`
    : `Dependencies file is not found in ${call.workspace.work}. Supported file pattern: go.sum`
  call.say(marked('warning', `Restore cache failed: ${why}`).trimEnd())
  return null
}

/** The hash of the first of these that is there. */
const firstHash = async ([pattern, ...others]: readonly string[], call: Place): Promise<string> =>
  pattern === undefined ? '' : (await call.hashFiles([pattern])) || firstHash(others, call)
