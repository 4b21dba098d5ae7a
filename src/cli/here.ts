import { execFileSync } from 'node:child_process'
import { Problem } from '../problem.ts'

/** The repository that the remote `headway` of the current directory leads to. Refuses with a Problem where there is none. */
export const repositoryHere = (): string => {
  const url = ask('remote', 'get-url', 'headway')
  const repository = /\/git\/(?:[a-z0-9-]+\/)?([a-z0-9-]+)\.git\/?$/.exec(url)?.[1]
  if (repository) return repository
  throw new Problem({
    kind: 'no-repository',
    status: 422,
    detail: 'nothing says which repository is meant: there is no Git remote headway here',
    next: 'name it: --repository <name>, or <repository>/<number>',
  })
}

/** The commit that is checked out here; null outside of a repository, and before the first commit. */
export const commitHere = (): string | null => ask('rev-parse', '--verify', '--quiet', 'HEAD') || null

const ask = (...words: readonly string[]): string => {
  try {
    return execFileSync('git', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return ''
  }
}
