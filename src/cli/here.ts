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

/** The commit that a word of Git's means here, by itself what is checked out; null where it means none, as outside of a repository. */
export const commitHere = (word = 'HEAD'): string | null =>
  ask('rev-parse', '--verify', '--quiet', '--end-of-options', `${word}^{commit}`) || null

const ask = (...words: readonly string[]): string => {
  try {
    return execFileSync('git', words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return ''
  }
}
