import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../../clock.ts'
import { effect } from '../../../effect.ts'
import type { ProjectName, RepositoryName } from '../../../names.ts'
import { runOk } from '../../../processes/run.ts'
import { createMutex, type Mutex } from '../../../store/mutex.ts'
import { gitEnvironment, type RepositoryPath } from '../../git.ts'
import { patiently } from './patience.ts'

/** The repositories that jobs of this runner are of, as bare copies that the next job brings up to date; closed to the jobs themselves. */
export type Sources = {
  readonly pathOf: RepositoryPath
  /** Brings all refs over Git's HTTP protocol, with the job's token. */
  fetch(project: ProjectName, repository: RepositoryName, token: string): Promise<void>
}

export const createSources = (directory: string, serverUrl: string, clock: Clock): Sources => {
  const doors = new Map<string, Mutex>()
  const pathOf: RepositoryPath = (project, repository) => join(directory, project, `${repository}.git`)
  return {
    pathOf,
    fetch: async (project, repository, token) => {
      const path = pathOf(project, repository)
      const door = doors.get(path) ?? createMutex()
      doors.set(path, door)
      const leave = await door.enter()
      try {
        await effect('runner.make-source', async () => {
          await mkdir(path, { recursive: true, mode: 0o700 })
          await runOk(
            { argv: ['git', 'init', '-q', '--bare', path], env: gitEnvironment },
            'making a copy of a repository',
          )
        })
        const url = `${serverUrl}/git/${project}/${repository}.git`
        const credentials = Buffer.from(`job:${token}`).toString('base64')
        // In the environment, which only this user and root can read, as everybody can read a program's arguments.
        const env = {
          ...gitEnvironment,
          GIT_CONFIG_COUNT: '1',
          GIT_CONFIG_KEY_0: 'http.extraHeader',
          GIT_CONFIG_VALUE_0: `Authorization: Basic ${credentials}`,
          ...(process.env.NODE_EXTRA_CA_CERTS ? { GIT_SSL_CAINFO: process.env.NODE_EXTRA_CA_CERTS } : {}),
        }
        const argv = [
          'git',
          '--git-dir',
          path,
          'fetch',
          '-q',
          '--prune',
          '--no-auto-gc',
          url,
          '+refs/*:refs/*',
        ] as const
        const fetchOnce = (): Promise<unknown> =>
          effect('runner.fetch-source', () =>
            runOk({ argv: [...argv], env }, `fetching ${project}/${repository} from ${serverUrl}`),
          )
        await patiently(fetchOnce, clock)
      } finally {
        leave()
      }
    },
  }
}
