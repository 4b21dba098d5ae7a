import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { effect } from '../effect.ts'
import { ProjectName, RepositoryName } from '../names.ts'
import { syncDirectory } from '../processes/files.ts'
import { run, runOk } from '../processes/run.ts'
import type { RepositoryKey } from './address.ts'
import { git, gitEnvironment } from './git.ts'

export type Repositories = ReturnType<typeof createRepositories>

/** The bare repositories on disk: `<root>/<project>/<repository>.git`. */
export const createRepositories = (root: string) => {
  const pathOf = ({ project, repository }: RepositoryKey): string => join(root, project, `${repository}.git`)
  const nursery = join(root, '.new')
  const template = join(root, '.empty.git')

  /** A whole empty repository under a name that nobody asks for, renamed into its place. */
  const make = async (place: string): Promise<void> => {
    const fresh = join(nursery, `${randomBytes(8).toString('hex')}.git`)
    await effect('code.init-repository', () =>
      runOk(
        {
          argv: ['git', 'init', '--quiet', '--bare', '--shared=0600', '--template=', '--initial-branch=main', fresh],
          env: gitEnvironment,
        },
        `making the repository ${place}`,
      ),
    )
    await effect('code.place-repository', async () => {
      await mkdir(join(place, '..'), { recursive: true, mode: 0o700 })
      await rename(fresh, place)
      syncDirectory(join(place, '..'))
    })
  }

  return {
    pathOf,
    exists: (key: RepositoryKey): boolean => existsSync(join(pathOf(key), 'HEAD')),
    /** An empty repository that stands for those that are not there yet. */
    template,
    /** Clears what a crash has left half made. */
    prepare: async (): Promise<void> => {
      await effect('code.clear-nursery', () => rm(nursery, { recursive: true, force: true }))
      await mkdir(nursery, { recursive: true, mode: 0o700 })
      if (!existsSync(join(template, 'HEAD'))) await make(template)
    },
    /** Makes it, whole or not at all; the caller lets nobody else in meanwhile. */
    create: (key: RepositoryKey): Promise<void> => make(pathOf(key)),
    /** All that stand on disk. */
    list: async (): Promise<RepositoryKey[]> => {
      const projects = (await readdir(root)).flatMap((name) => ProjectName.safeParse(name).data ?? [])
      const found = await Promise.all(
        projects.map(async (project) =>
          (await readdir(join(root, project))).flatMap((name) => {
            const repository = RepositoryName.safeParse(name.replace(/\.git$/, ''))
            return name.endsWith('.git') && repository.success ? [{ project, repository: repository.data }] : []
          }),
        ),
      )
      return found.flat()
    },
    /** Branches and tags with what they point to. */
    refs: async (key: RepositoryKey): Promise<Map<string, string>> => {
      const format = '--format=%(objectname) %(refname)'
      const listing = await runOk(git(pathOf(key), ['for-each-ref', format, 'refs/heads', 'refs/tags']), 'listing refs')
      const lines = listing.toString('utf8').split('\n').filter(Boolean)
      return new Map(lines.map((line) => [line.slice(line.indexOf(' ') + 1), line.slice(0, line.indexOf(' '))]))
    },
    /** While nobody has pushed `main`, `master` or `trunk` is the default branch where there is one. */
    settleHead: async (key: RepositoryKey): Promise<void> => {
      const directory = pathOf(key)
      const has = async (ref: string) =>
        (await run(git(directory, ['show-ref', '--verify', '--quiet', ref]))).exitCode === 0
      if (await has('HEAD')) return
      for (const ref of ['refs/heads/main', 'refs/heads/master', 'refs/heads/trunk'])
        if (await has(ref)) {
          await effect('code.set-head', () => runOk(git(directory, ['symbolic-ref', 'HEAD', ref]), 'setting HEAD'))
          return
        }
    },
    /** Packs what lies loose, where there is much of it. */
    maintain: async (key: RepositoryKey, signal: AbortSignal): Promise<void> => {
      const config = ['-c', 'gc.autoDetach=false', '-c', 'gc.pruneExpire=2.weeks.ago', '-c', 'core.fsync=committed']
      await effect('code.maintain', () =>
        runOk(git(pathOf(key), [...config, 'gc', '--auto', '--quiet']), `packing ${key.repository}`, signal),
      )
    },
  }
}
