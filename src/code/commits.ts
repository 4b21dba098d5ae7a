import { run } from '../processes/run.ts'
import { git } from './git.ts'

/** A commit as people read it. `author` is the name that Git has, whoever that may be. */
export type ListedCommit = {
  readonly commit: string
  readonly title: string
  readonly author: string
  /** Milliseconds since 1970, by the clock of whoever committed it; null where that is no time. */
  readonly committedAt: number | null
  readonly isMerge: boolean
}
export type CommitList = { readonly commits: readonly ListedCommit[]; readonly areMore: boolean }

const separator = '%x00'
const format = `--format=${['%H', '%s', '%an', '%ct', '%P'].join(separator)}`
const longestText = 500

/**
 * The commits that `until` has and `since` has not (null: all that led to it), the newest first, up to `limit`; only those that touch the
 * folder `path` (`.`: all). Null where the repository does not hold both.
 */
export const commitsBetween = async (
  directory: string,
  { since, until, path, limit }: { since: string | null; until: string; path: string; limit: number },
): Promise<CommitList | null> => {
  const range = since === null ? until : `${since}..${until}`
  const within = path === '.' ? [] : ['--', `:(top,literal)${path}`]
  const outcome = await run(
    git(directory, ['log', '-z', format, '-n', String(limit + 1), '--end-of-options', range, ...within]),
  )
  if (outcome.exitCode !== 0) return null
  const commits = commitsIn(outcome.stdout.toString('utf8'))
  return { commits: commits.slice(0, limit), areMore: commits.length > limit }
}

const commitsIn = (text: string): ListedCommit[] => {
  const fields = text.split('\0')
  const commits: ListedCommit[] = []
  for (let at = 0; at + 4 < fields.length; at += 5) {
    const [commit = '', title = '', author = '', seconds = '', parents = ''] = fields.slice(at, at + 5)
    commits.push({
      commit,
      title: title.slice(0, longestText),
      author: author.slice(0, longestText),
      committedAt: Number(seconds) > 0 ? Number(seconds) * 1000 : null,
      isMerge: parents.includes(' '),
    })
  }
  return commits
}
