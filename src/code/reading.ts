import type { CommitId, ProjectName, RepositoryName } from '../names.ts'
import { run, runOk } from '../processes/run.ts'
import { type CommitList, commitsBetween } from './commits.ts'
import { git } from './git.ts'
import type { Repositories } from './repositories.ts'

/** What others read of repositories. Nothing here runs a hook or obeys a configuration from outside. */
export const createReading = (repositories: Repositories) => {
  const at = (project: ProjectName, repository: RepositoryName): string => repositories.pathOf({ project, repository })
  return {
    /** Where the bare repository stands, whether it is there or not. */
    repositoryPath: at,

    /** The bytes of a file in a commit; null when there is no such file. */
    readFile: async (
      project: ProjectName,
      repository: RepositoryName,
      commit: CommitId,
      path: string,
    ): Promise<Buffer | null> => {
      const outcome = await run(git(at(project, repository), ['cat-file', 'blob', `${commit}:${path}`]))
      return outcome.exitCode === 0 ? outcome.stdout : null
    },

    /** The paths of all files in a commit; submodules are none. */
    listFiles: async (project: ProjectName, repository: RepositoryName, commit: CommitId): Promise<string[]> => {
      const listing = await runOk(git(at(project, repository), ['ls-tree', '-r', '-z', commit]), 'listing a commit')
      return listing
        .toString('utf8')
        .split('\0')
        .filter((line) => /^\d+ blob /.test(line))
        .map((line) => line.slice(line.indexOf('\t') + 1))
    },

    /** The ref of the branch that is deployed: `refs/heads/main`. */
    defaultBranch: async (project: ProjectName, repository: RepositoryName): Promise<string> =>
      (await runOk(git(at(project, repository), ['symbolic-ref', 'HEAD']), 'reading HEAD')).toString('utf8').trim(),

    /** Whether `descendant` contains `ancestor`; false, too, where one of them is not there. */
    isAncestor: async (
      project: ProjectName,
      repository: RepositoryName,
      ancestor: CommitId,
      descendant: CommitId,
    ): Promise<boolean> =>
      (await run(git(at(project, repository), ['merge-base', '--is-ancestor', ancestor, descendant]))).exitCode === 0,

    /** What one commit has and another has not, the newest first; null where the repository does not hold both. */
    commitsBetween: async (
      key: { project: ProjectName; repository: RepositoryName },
      range: { since: string | null; until: string; path: string; limit: number },
    ): Promise<CommitList | null> =>
      repositories.exists(key) ? commitsBetween(repositories.pathOf(key), range) : null,

    /** When a commit was made, in milliseconds since 1970 by its author's machine; null for what is no commit. */
    committedAt: async (project: ProjectName, repository: RepositoryName, commit: CommitId): Promise<number | null> => {
      const outcome = await run(git(at(project, repository), ['log', '-1', '--format=%ct', commit]))
      const seconds = Number(outcome.stdout.toString('utf8').trim())
      return outcome.exitCode === 0 && seconds > 0 ? seconds * 1000 : null
    },
  }
}
